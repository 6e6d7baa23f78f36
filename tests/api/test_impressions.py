from dataclasses import replace
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from api.list_log import TOPIC
from schemas.events import RecommendationLog
from tests.api.conftest import Api, running, wait_until
from tests.api.seed import Seed
from vane.kafka_admin import create_topics
from vane.settings import Settings

PARTITIONS = 2
SEEN = {"user_id": "ada", "request_id": "r1", "items": [{"item_id": "car", "position": 3}]}


class Log:
    """Reads what was added to the topic since."""

    def __init__(self, bootstrap: str) -> None:
        create_topics(bootstrap, {TOPIC: PARTITIONS})
        self._config = {"bootstrap.servers": bootstrap, "group.id": "unused"}
        self._next = [0] * PARTITIONS
        self.records()

    def records(self) -> list[tuple[bytes | None, RecommendationLog]]:
        consumer, found = Consumer({**self._config, "enable.partition.eof": True}), []
        for partition in range(PARTITIONS):
            consumer.assign([TopicPartition(TOPIC, partition, self._next[partition])])
            while (message := consumer.poll(5)) is not None and not message.error():
                value = message.value()
                assert value is not None
                found.append((message.key(), msgspec.json.decode(value, type=RecommendationLog)))
                self._next[partition] += 1
        consumer.close()
        return found


@pytest.fixture
def log(kafka_bootstrap: str) -> Log:
    return Log(kafka_bootstrap)


def test_what_was_seen_is_recorded_under_its_user(log: Log, api: Api) -> None:
    answer = api.client.post("/v1/impressions", json=SEEN | {"ts": 1_800_000_000})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    ((key, record),) = log.records()
    assert (key, record.kind, record.request_id, record.ts) == (b"ada", "seen", "r1", 1_800_000_000)
    assert [(item.item_id, item.position) for item in record.items] == [("car", 3)]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"user_id": ""}, "user_id"),
    ({"user_id": "a\0b"}, "user_id"),
    ({"request_id": None}, "request_id"),
    ({"items": []}, "items"),
    ({"items": SEEN["items"] * 51}, "items"),  # type: ignore[operator]
    ({"items": [{"item_id": "car", "position": -1}]}, "items[0].position"),
    ({"ts": "yesterday"}, "ts"),
]


def test_what_nobody_can_have_seen_is_refused_by_its_field(log: Log, api: Api) -> None:
    for changes, field in BAD:
        answer = api.client.post("/v1/impressions", json=SEEN | changes)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert log.records() == []


def test_of_the_lists_that_are_made_a_share_is_recorded_as_served(
    log: Log, api_settings: Settings, seed: Seed
) -> None:
    cars = seed.items(20)
    seed.user("ada", cars[:3])
    with running(replace(api_settings, served_log_percent=100)) as api:
        body = api.get("/v1/users/ada/recommendations?limit=5").json()
        assert api.get("/v1/users/ada/recommendations?limit=5").json() == body  # from the cache
        found: list[tuple[bytes | None, RecommendationLog]] = []

        def recorded() -> bool:
            found.extend(log.records())
            return bool(found)

        wait_until(recorded)
    ((key, record),) = found
    assert (key, record.kind, record.request_id) == (b"ada", "served", body["request_id"])
    assert [(item.item_id, item.score) for item in record.items] == [
        (item["item_id"], item["score"]) for item in body["items"]
    ]
    assert all(item.sources and item.propensity == 1.0 for item in record.items)
    with running(replace(api_settings, served_log_percent=0)) as api:
        api.get("/v1/users/ada/recommendations?limit=5")
    assert log.records() == []

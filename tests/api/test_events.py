import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from api.waiting import Token
from schemas.events import InteractionEvent
from tests.api.conftest import Api, running
from tests.api.seed import Seed
from vane.interaction import parse_interaction
from vane.settings import Settings

EVENT = {"user_id": "ada", "item_id": "car", "action": "view"}


class Reader:
    """Reads back what a token names."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "unused",
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
            }
        )

    def last(self, token: Token, count: int = 1) -> list[InteractionEvent]:
        """The newest `count` events before the token, of each partition."""
        found = []
        for partition, end in token.offsets.items():
            place = TopicPartition("user-interactions", partition, max(0, end - count))
            self._consumer.assign([place])
            while True:
                message = self._consumer.poll(5)
                assert message is not None
                if message.error():
                    break
                key, value = message.key(), message.value()
                assert value is not None
                event = parse_interaction(value)
                assert key == event.user_id.encode()
                found.append(event)
                if message.offset() == end - 1:
                    break
        return found

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def reader(kafka_bootstrap: str) -> Iterator[Reader]:
    opened = Reader(kafka_bootstrap)
    yield opened
    opened.close()


def post(api: Api, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api.client.post("/v1/events", content=content)


def test_an_event_is_in_the_log_when_it_is_accepted(api: Api, reader: Reader) -> None:
    answer = post(api, EVENT | {"session_id": "s", "more": 1})
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (1, [])
    token = Token.decode(body["token"])
    (event,) = reader.last(token)
    assert (event.user_id, event.item_id, event.action, event.session_id) == (
        "ada",
        "car",
        "view",
        "s",
    )
    assert len(event.event_id) == 32


def test_given_ids_and_times_are_kept(api: Api, reader: Reader) -> None:
    given = EVENT | {"event_id": "mine", "ts": 1_700_000_000_000}
    (event,) = reader.last(Token.decode(post(api, given).json()["token"]))
    assert (event.event_id, event.ts) == ("mine", 1_700_000_000_000)
    cloud = {"specversion": "1.0", "id": "1", "type": "x", "source": "y", "data": given}
    (event,) = reader.last(Token.decode(post(api, cloud).json()["token"]))
    assert event.event_id == "mine"


def test_a_token_covers_every_partition_of_a_batch(api: Api, reader: Reader) -> None:
    events = [EVENT | {"user_id": f"user {n}", "event_id": f"batch {n}"} for n in range(1_000)]
    body = post(api, {"events": events}).json()
    assert body["accepted"] == 1_000
    token = Token.decode(body["token"])
    assert set(token.offsets) == {0, 1, 2, 3}
    found = {event.event_id for event in reader.last(token, 1_000)}
    assert {event["event_id"] for event in events} <= found


def test_the_token_names_the_log_that_the_flow_reads(api: Api, seed: Seed) -> None:
    token = Token.decode(post(api, EVENT).json()["token"])
    row = seed.connection.execute(
        "select log_id from log where topic = 'user-interactions'"
    ).fetchone()
    assert row == (token.log_id,)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"user_id": ""}, "user_id"),
        ({"user_id": "x" * 129}, "user_id"),
        ({"user_id": 5}, "user_id"),
        ({"user_id": "a\x00b"}, "user_id"),
        ({"item_id": None}, "item_id"),
        ({"item_id": "a\nb"}, "item_id"),
        ({"action": "dance"}, "action"),
        ({"action": "rating"}, "value"),
        ({"action": "rating", "value": 6}, "value"),
        ({"action": "rating", "value": "5"}, "value"),
        ({"ts": "yesterday"}, "ts"),
        ({"ts": "2024-01-01T00:00:00"}, "ts"),
        ({"ts": 900_000_000}, "ts"),
        ({"event_id": ""}, "event_id"),
        ({"position": -1}, "position"),
    ],
)
def test_a_bad_event_is_refused_by_its_field(api: Api, changes: dict[str, Any], field: str) -> None:
    answer = post(api, EVENT | changes)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["field"], body["accepted"]) == (field, 0)
    assert [(row["index"], row["field"]) for row in body["rejected"]] == [(0, field)]


def test_of_a_batch_only_the_bad_events_are_refused(api: Api) -> None:
    bad = EVENT | {"action": "dance"}
    missing = {"user_id": "ada", "action": "view"}
    answer = post(api, {"events": [EVENT, bad, EVENT, missing, 5]})
    assert answer.status_code == 202
    body = answer.json()
    assert body["accepted"] == 2
    refused = [(row["index"], row["field"]) for row in body["rejected"]]
    assert refused == [(1, "action"), (3, "item_id"), (4, "$")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "$"),
        (b"{", "$"),
        (b"\xff\xfe", "$"),
        (b'"text"', "$"),
        (b"[]", "$"),
        (b'{"user_id": NaN}', "$"),
        (b"[" * 100_000 + b"]" * 100_000, "$"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "$"),
        ({"events": []}, "events"),
        ({"events": {}}, "events"),
        ({"events": [EVENT] * 1_001}, "events"),
        ({"events": [EVENT] * 5_000}, "events"),
    ],
    ids=repr,
)
def test_a_body_that_is_no_batch_is_refused_as_a_whole(api: Api, body: Any, field: str) -> None:
    answer = post(api, body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert "rejected" not in answer.json()


def test_a_body_has_a_limit(api: Api) -> None:
    answer = post(api, b" " * (5 << 20))
    assert (answer.status_code, answer.json()["status"]) == (413, 413)


def test_of_a_connection_that_closes_within_the_body_nothing_is_taken(
    api: Api, reader: Reader
) -> None:
    body = json.dumps({**EVENT, "event_id": "half-closed"}).encode()
    head = b"POST /v1/events HTTP/1.1\r\nhost: vane\r\ncontent-length: %d\r\n\r\n"
    with socket.create_connection((api.client.base_url.host, api.client.base_url.port)) as line:
        line.sendall(head % (len(body) + 1) + body)
        line.shutdown(socket.SHUT_WR)
        line.settimeout(10)
        assert b"202" not in line.recv(1_000).partition(b"\r\n")[0]
    answer = post(api, EVENT)
    token = Token.decode(answer.json()["token"])
    assert "half-closed" not in [event.event_id for event in reader.last(token, 2)]


def test_with_event_time_an_event_needs_its_time(api_settings: Settings) -> None:
    with running(replace(api_settings, clock="event")) as api:
        assert post(api, EVENT).json()["field"] == "ts"
        assert post(api, EVENT | {"ts": 1_700_000_000}).status_code == 202


def test_without_a_broker_the_answer_is_503(api_settings: Settings, kafka_bootstrap: str) -> None:
    with running(replace(api_settings, kafka_bootstrap="127.0.0.1:1")) as api:
        answer = post(api, EVENT)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["detail"].startswith("Kafka")
        ready = api.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["dependencies"]["kafka"] != "ok"

"""`vane.client` against the real API and broker."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.events import InteractionEvent, PreferenceHint
from schemas.responses import AcceptedEvents, Recommendations
from tests.api.conftest import Api, running, wait_until
from tests.api.seed import Seed
from vane.bus import PREFERENCES
from vane.catalogue import parse_update
from vane.client import Producer, Vane
from vane.client.outbox import OF_A_USER_MAX, PAUSE_S_MIN, WAITING_MAX, Outbox
from vane.embedded.broker import free_port
from vane.errors import (
    Forbidden,
    InvalidEvent,
    InvalidRequest,
    NotFound,
    Unauthenticated,
    Unavailable,
    UsageError,
    VaneError,
)
from vane.interaction import parse_interaction
from vane.kafka_admin import create_topics
from vane.settings import Settings

EVENT = {"user_id": "ada", "item_id": "cars-1", "action": "view"}


@pytest.fixture
def vane(api: Api) -> Iterator[Vane]:
    with Vane(str(api.client.base_url)) as client:
        yield client


def messages(
    bootstrap: str, topic: str, known: Mapping[int, int]
) -> list[tuple[int, bytes, bytes]]:
    """Partition, key and value of what a topic has behind these offsets."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "unused", "enable.partition.eof": True}
    )
    found = []
    for partition, offset in known.items():
        consumer.assign([TopicPartition(topic, partition, offset)])
        while (message := consumer.poll(5)) is not None and not message.error():
            found.append((partition, message.key() or b"", message.value() or b""))
    consumer.close()
    return found


def test_every_read_gives_what_http_gives(api: Api, vane: Vane, seed: Seed) -> None:
    cars = seed.items(20, kind="car", price=3.0)
    seed.user("a/b ü", cars[:3])
    api.sync()
    path = "/v1/users/a%2Fb%20%C3%BC"
    names = [item["item_id"] for item in api.get(f"{path}/recommendations?limit=4").json()["items"]]
    found = vane.recommend("a/b ü", limit=4, kind=["car", "van"], price_max=5, exclude_seen=True)
    assert [item.item_id for item in found.items] == names
    assert vane.profile("a/b ü").events == 3
    assert vane.item(cars[0]).title == f"The {cars[0]}"
    assert len(vane.similar(cars[0], limit=5)) == 5
    assert len(vane.trending(limit=7)) == 7
    assert vane.search("", "a/b ü", limit=4).items == found.items
    with pytest.raises(NotFound):
        vane.item("nothing")
    with pytest.raises(InvalidRequest) as refused:
        vane.recommend("ada", limit=0)
    assert refused.value.field == "limit"


def test_what_has_not_changed_is_not_sent_again(api: Api, vane: Vane, seed: Seed) -> None:
    cars = seed.items(20)
    seed.user("ada", cars[:3])
    api.sync()
    first = vane.recommend("ada")
    assert vane.recommend("ada") is first
    assert vane.recommend("ada", limit=3) is not first
    version = seed.bump("ada")
    api.hint(PREFERENCES, PreferenceHint([("ada", version)], 1, 0, 9, 0.0))
    assert vane.recommend("ada").version == version


def test_a_stream_goes_on_behind_a_break(api: Api, vane: Vane, seed: Seed) -> None:
    cars = seed.items(20)
    seed.user("ada", cars[:3])
    api.sync()
    lists = vane.stream("ada", limit=4)
    assert next(lists) == vane.recommend("ada", limit=4)
    version = seed.bump("ada")
    api.hint(PREFERENCES, PreferenceHint([("ada", version)], 1, 0, 9, 0.0))
    assert next(lists).version == version
    lists.close()


def test_a_stream_goes_on_behind_a_restart_where_it_was(api_settings: Settings, seed: Seed) -> None:
    cars, port, found = seed.items(20), free_port(), SimpleQueue[Recommendations]()
    seed.user("ada", cars[:3])

    def follow(lists: Iterator[Recommendations]) -> None:
        for one in lists:
            found.put(one)
            if one.version > 1:
                break

    with Vane(f"http://127.0.0.1:{port}") as vane:
        reader = threading.Thread(target=follow, args=[vane.stream("ada", limit=4)])
        reader.start()
        with running(api_settings, port) as api:
            assert found.get(timeout=20).version == 1
            api.loop.call_soon_threadsafe(api.services.streams.close)
        with running(api_settings, port) as api:
            wait_until(lambda: api.services.streams.readers == 1, timeout_s=20)
            time.sleep(0.5)
            assert found.empty(), "Last-Event-ID says which list it has"
            version = seed.bump("ada")
            api.hint(PREFERENCES, PreferenceHint([("ada", version)], 1, 0, 9, 0.0))
            assert found.get(timeout=10).version == version
        reader.join(5)
    assert not reader.is_alive()


def test_a_stream_that_always_breaks_is_opened_ever_more_rarely() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        vane = Vane(f"http://127.0.0.1:{server.getsockname()[1]}")
        following = threading.Thread(target=lambda: next(vane.stream("ada")), daemon=True)
        opened, began = list[float](), time.monotonic()
        following.start()
        while len(opened) < 5:
            server.accept()[0].close()
            opened.append(time.monotonic() - began)
    least = [PAUSE_S_MIN * 2**pause / 2 for pause in range(4)]
    assert all(
        after - before >= pause
        for before, after, pause in zip(opened, opened[1:], least, strict=False)
    )


def test_events_are_sent_and_the_wrong_ones_named(api: Api, vane: Vane) -> None:
    answer = vane.send([EVENT, EVENT | {"action": "dance"}])
    assert (answer.accepted, answer.rejected[0].field) == (1, "action")
    refused = vane.send([EVENT | {"user_id": ""}])
    assert (refused.accepted, refused.rejected[0].field) == (0, "user_id")
    with pytest.raises(InvalidRequest):
        vane.send([])
    _, applied = vane.recommend_after("ada", answer.token, wait_ms=0)
    assert not applied


def test_tracked_events_arrive_once_each_in_their_order(
    api: Api, vane: Vane, kafka_bootstrap: str
) -> None:
    users = [f"user-{n % 40}" for n in range(1_000)]
    mark = vane.send([EVENT])
    ids = [vane.track("view", user, f"item-{n}") for n, user in enumerate(users)]
    assert vane.flush() == 0
    assert mark.accepted == 1
    rows = [
        parse_interaction(value)
        for _, _, value in messages(
            kafka_bootstrap, "user-interactions", dict.fromkeys(range(4), 0)
        )
    ]
    mine = [row for row in rows if row.event_id in set(ids)]
    assert len(mine) == len(ids)
    for user in set(users):
        assert [row.event_id for row in mine if row.user_id == user] == [
            event_id for event_id, whose in zip(ids, users, strict=True) if whose == user
        ]


def test_a_wrong_event_is_refused_where_it_is_tracked_or_told_later(api: Api) -> None:
    told: list[tuple[str, str]] = []
    url = str(api.client.base_url)
    with Vane(
        url, on_refused=lambda event, error: told.append((event.item_id, str(error)))
    ) as vane:
        with pytest.raises(InvalidEvent) as refused:
            vane.track("view", "", "car")
        assert refused.value.field == "user_id"
        vane.track("view", "ada", "good")
        vane.track("dance", "ada", "bad")
    assert told == [("bad", "action: unknown action 'dance'")]


def test_events_wait_while_the_api_is_away(api_settings: Settings, seed: Seed) -> None:
    port = free_port()
    vane = Vane(f"http://127.0.0.1:{port}")
    vane.track("view", "ada", "car")
    with pytest.raises(Unavailable):
        vane.recommend("ada")
    assert vane.flush(0.3) == 1
    with running(replace(api_settings), port):
        assert vane.flush() == 0
    assert vane.close() == 0


def test_keys_and_tokens_are_sent(api_settings: Settings, seed: Seed) -> None:
    seed.items(3)
    with running(replace(api_settings, access="keys")) as api:
        url = str(api.client.base_url)
        with Vane(url) as nobody, pytest.raises(Unauthenticated):
            nobody.recommend("ada")
        token = api.services.callers.tokens.session("ada", time.time())
        with Vane(url, token=token) as ada:
            assert ada.recommend("ada").items
            with pytest.raises(Forbidden):
                ada.recommend("bob")
        with Vane(url, api_key=api_settings.admin_key) as shop:
            assert shop.recommend("bob").items


class Lossy:
    """An API that takes every batch, and whose first answers are lost."""

    def __init__(self, losses: int) -> None:
        self.batches: list[list[str]] = []
        self._losses = losses

    def send(self, batch: Sequence[InteractionEvent | Mapping[str, Any]]) -> AcceptedEvents:
        self.batches.append([event.event_id for event in batch])  # type: ignore[union-attr]
        if len(self.batches) <= self._losses:
            raise Unavailable("lost")
        return AcceptedEvents(len(batch), [], "")


def refuse(_event: InteractionEvent, error: VaneError) -> None:
    raise AssertionError(error)


def event(number: int, user_id: str = "ada") -> InteractionEvent:
    return InteractionEvent(f"e{number}", user_id, "i", "view", 2e9)


def test_a_batch_whose_answer_was_lost_is_sent_again_as_it_was() -> None:
    api = Lossy(losses=2)
    outbox = Outbox(api.send, refuse)
    for number in range(OF_A_USER_MAX + 1):
        outbox.put(event(number))
    assert outbox.close() == 0
    first = [f"e{number}" for number in range(OF_A_USER_MAX)]
    assert api.batches == [first, first, first, [f"e{OF_A_USER_MAX}"]]
    with pytest.raises(Unavailable):
        outbox.put(event(0))


def test_an_outbox_is_bounded_and_says_what_it_could_not_send() -> None:
    asked = threading.Event()

    def never(_batch: Sequence[InteractionEvent]) -> AcceptedEvents:
        asked.set()
        raise Unavailable("away")

    outbox = Outbox(never, refuse)
    for number in range(WAITING_MAX):
        outbox.put(event(number, f"user-{number}"))
    assert asked.wait(5)
    with pytest.raises(Unavailable, match="10000 events wait"):
        outbox.put(event(0))
    assert outbox.close(0.1) == WAITING_MAX


def test_a_producer_checks_and_keys_what_it_sends(
    kafka_bootstrap: str, api_settings: Settings
) -> None:
    create_topics(kafka_bootstrap, {"product-updates": 2})
    with Producer(kafka_bootstrap) as producer:
        ids = [producer.track({**EVENT, "user_id": f"p-{n}"}) for n in range(50)]
        producer.update_item({"item_id": "made-here", "title": "Trail shoe"})
        for wrong, field in (({"user_id": ""}, "user_id"), ({"action": "dance"}, "action")):
            with pytest.raises(InvalidEvent) as refused:
                producer.track({**EVENT, **wrong})
            assert refused.value.field == field
        with pytest.raises(InvalidEvent) as refused:
            producer.update_item({"item_id": "x", "price": -1})
        assert refused.value.field == "price"
        with pytest.raises(InvalidEvent, match="larger than"):
            producer.update_item({"item_id": "x", "attributes": {"a": "x" * (1 << 20)}})
        assert producer.flush() == 51
    rows = messages(kafka_bootstrap, "user-interactions", dict.fromkeys(range(4), 0))
    mine = {parse_interaction(value).event_id: key for _, key, value in rows}
    assert {mine[event_id] for event_id in ids} == {f"p-{n}".encode() for n in range(50)}
    items = messages(kafka_bootstrap, "product-updates", {0: 0, 1: 0})
    assert "made-here" in {parse_update(value).item_id for _, _, value in items}


def test_a_client_needs_no_more_than_it_uses() -> None:
    program = "import sys, vane.client; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert not set(modules.stdout.split()) & {
        "torch",
        "bytewax",
        "psycopg",
        "redis",
        "fastapi",
        "scipy",
    }


def test_a_wrong_address_is_said_at_once() -> None:
    with pytest.raises(UsageError, match="not the URL of an API"):
        Vane("localhost:8000")

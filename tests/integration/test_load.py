import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from vane.cli import load
from vane.cli.applied import STANDSTILL_S, Target, wait_applied
from vane.client.topic import Keyed, TopicWriter
from vane.embedded.broker import Broker
from vane.errors import InputFileError, Unavailable
from vane.kafka_admin import create_topics, describe_topic
from vane.settings import Settings
from vane.store.connection import Connection
from vane.store.positions import (
    Counts,
    Stream,
    TopicIdentity,
    advance_position,
    find_log,
    open_log,
    take_position,
)


def stored(bootstrap: str, topic: str, partition: int, count: int) -> list[tuple[bytes, bytes]]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test"})
    consumer.assign([TopicPartition(topic, partition, 0)])
    messages = consumer.consume(count, timeout=20)
    consumer.close()
    return [(message.key(), message.value()) for message in messages]


def murmur2(data: bytes) -> int:
    """The positive hash by which Java's producer chooses a partition."""
    factor, mask = 0x5BD1E995, 0xFFFFFFFF
    state = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for start in range(0, whole, 4):
        block = int.from_bytes(data[start : start + 4], "little") * factor & mask
        block = (block ^ block >> 24) * factor & mask
        state = (state * factor & mask) ^ block
    if rest := data[whole:]:
        state = (state ^ int.from_bytes(rest, "little")) * factor & mask
    state = (state ^ state >> 13) * factor & mask
    return (state ^ state >> 15) & 0x7FFFFFFF


def advance(connection: Connection, stream: Stream, by: int) -> None:
    previous, epoch = take_position(connection, stream, start=0, owner="test")
    advance_position(
        connection,
        stream,
        epoch=epoch,
        previous=previous,
        next_offset=previous + by,
        end_offset=0,
        counts=Counts(applied=by),
    )


def test_every_message_is_written_once_and_the_ends_are_known(
    kafka_bootstrap: str, topics: Callable[[int], str]
) -> None:
    topic = topics(3)
    messages = [Keyed(f"k{n % 40}".encode(), str(n).encode()) for n in range(2_000)]
    writer = TopicWriter(kafka_bootstrap, topic, 1_000)
    steps = list(writer.write(messages))
    assert writer.acknowledged == 2_000
    assert steps == sorted(steps)
    assert sum(writer.ends.values()) == 2_000
    found = [
        (key, value, part)
        for part, end in writer.ends.items()
        for key, value in stored(kafka_bootstrap, topic, part, end)
    ]
    expected = [(key, value, murmur2(key) % 3) for key, value in messages]
    assert sorted(found) == sorted(expected)


def test_a_message_that_the_broker_refuses_is_an_error(
    kafka_bootstrap: str, topics: Callable[[int], str]
) -> None:
    writer = TopicWriter(kafka_bootstrap, topics(1), 1_000)
    with pytest.raises(Unavailable, match=r"Kafka: .* messages were acknowledged before"):
        list(writer.write([Keyed(b"k", b"small"), Keyed(b"k", b"x" * 10_000)]))


def test_waiting_ends_when_the_slowest_flow_is_there(connection: Connection) -> None:
    log_id = open_log(connection, TopicIdentity("c", "t", "i"))
    for flow, first, second in (("fast", 9, 9), ("slow", 5, 1)):
        advance(connection, Stream(flow, log_id, 0), first)
        advance(connection, Stream(flow, log_id, 1), second)
    target = Target(log_id, {0: 5, 1: 3})
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        advance(connection, Stream("slow", log_id, 1), 1)

    steps = list(wait_applied(connection, target, ["fast", "slow"], sleep=sleep))
    assert steps == [2, 1, 0]
    assert len(waits) == 2


def test_a_flow_that_stands_still_is_named(connection: Connection) -> None:
    log_id = open_log(connection, TopicIdentity("c", "t", "i"))
    advance(connection, Stream("moving", log_id, 0), 9)
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    waiting = wait_applied(
        connection, Target(log_id, {0: 5}), ["moving", "absent"], clock=lambda: now[0], sleep=sleep
    )
    with pytest.raises(Unavailable, match="flow absent stands still with 5 messages"):
        list(waiting)
    assert now[0] == pytest.approx(STANDSTILL_S, abs=1)


@pytest.fixture(scope="module")
def kafka_bootstrap(server_folder: Path) -> Iterator[str]:
    """A broker of these tests alone: the topics have the names of the real ones."""
    server = Broker(server_folder).start()
    yield server.bootstrap
    server.stop()


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """`vane load` finds the servers of the test."""
    create_topics(settings.kafka_bootstrap, {"user-interactions": 1, "product-updates": 1})
    monkeypatch.setattr(load, "command_settings", lambda *_, **__: settings)
    return settings


def end(settings: Settings, topic: str) -> int:
    """Where the topic ends: the offset of one more message."""
    writer = TopicWriter(settings.kafka_bootstrap, topic, 1_000)
    list(writer.write([Keyed(b"", b"")]))
    return writer.ends[0]


def test_a_wrong_file_produces_nothing(command: Settings, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"item_id": "a"}\n{"item_id": "b", "price": "x"}\n')
    before = end(command, "product-updates")
    with pytest.raises(InputFileError, match=r"items\.jsonl, line 2: price: Expected"):
        load.items(path)
    assert end(command, "product-updates") == before + 1


def test_loaded_events_are_counted_and_awaited(
    command: Settings,
    connection: Connection,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "events.csv"
    path.write_text(
        "user_id,item_id,action,timestamp\n" + "u,i,view,1362062307\nv,i,click,1362062307\n"
    )
    first = end(command, "user-interactions")
    awaited: list[str] = []

    def applied(_connection: Connection, target: Target, flows: list[str]) -> list[int]:
        identity, _ = describe_topic(command.kafka_bootstrap, "user-interactions")
        assert target == Target(find_log(connection, identity), {0: first + 2})
        awaited.extend(flows)
        return [2, 0]

    monkeypatch.setattr(load, "wait_applied", applied)
    load.events(path, wait=True, as_json=True)
    assert awaited == [
        "interactions",
        *(f"{part}/{slot:02d}" for part in ("trends", "neighbours") for slot in range(16)),
    ]
    summary = json.loads(capsys.readouterr().out)
    assert (summary["events"], summary["applied"]) == (2, True)
    keys = [key for key, _ in stored(command.kafka_bootstrap, "user-interactions", 0, first + 2)]
    assert keys[first:] == [b"u", b"v"]

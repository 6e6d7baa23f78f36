"""One consumer for many partitions: in order, complete, bounded, and awake at once."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from confluent_kafka import KafkaError, Message, Producer

from flows.fetcher import Fetcher
from vane.settings import Settings

PARTITIONS = 3


@pytest.fixture
def topic(topics: Callable[[int], str]) -> str:
    return topics(PARTITIONS)


@pytest.fixture
def fetcher(settings: Settings, topic: str) -> Iterator[Fetcher]:
    fetcher = Fetcher(replace(settings, fetch_wait_ms=20), topic)
    for partition in range(PARTITIONS):
        fetcher.assign(partition, 0)
    yield fetcher
    for partition in range(PARTITIONS):
        fetcher.release(partition)


def produce(bootstrap: str, topic: str, partition: int, count: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for number in range(count):
        producer.produce(topic, str(number), partition=partition)
    assert producer.flush(30) == 0


def read(fetcher: Fetcher, partition: int, count: int, most: int) -> list[bytes | None]:
    """Takes turns, as Bytewax does, and keeps what came of one partition."""
    values: list[bytes | None] = []
    until = time.monotonic() + 30
    while len(values) < count:
        assert time.monotonic() < until, f"{len(values)} of {count}"
        for turn in range(PARTITIONS):
            messages = fetcher.take(turn, most)
            assert len(messages) <= most
            if turn == partition:
                values += [message.value() for message in messages if message.error() is None]
    return values


def test_a_hot_partition_is_complete_in_order_and_bounded(
    fetcher: Fetcher, settings: Settings, topic: str
) -> None:
    produce(settings.kafka_bootstrap, topic, 1, 5_000)
    held: list[int] = []

    class Counted(deque[Message]):
        def append(self, message: Message) -> None:
            super().append(message)
            held.append(len(self))

    fetcher._fetched[1] = Counted()
    values = read(fetcher, 1, 5_000, most=100)
    assert values == [str(number).encode() for number in range(5_000)]
    assert 0 < max(held) <= 2 * 100
    assert fetcher.end_offset(1) == 5_000


def test_a_message_ends_the_wait_of_any_partition(
    fetcher: Fetcher, settings: Settings, topic: str
) -> None:
    for partition in (2, 0, 1):
        produce(settings.kafka_bootstrap, topic, partition, 1)
        assert read(fetcher, partition, 1, most=10) == [b"0"]


def test_assigning_anew_drops_what_was_fetched_and_tells_the_end_again(
    fetcher: Fetcher, settings: Settings, topic: str
) -> None:
    produce(settings.kafka_bootstrap, topic, 0, 10)
    assert len(read(fetcher, 0, 10, most=10)) == 10
    fetcher.assign(0, 7)
    until = time.monotonic() + 30
    values: list[bytes | None] = []
    ended = False
    while not ended:
        assert time.monotonic() < until
        for message in fetcher.take(0, 10):
            error = message.error()
            ended = error is not None and error.code() == KafkaError._PARTITION_EOF
            values += [] if error else [message.value()]
    assert values == [b"7", b"8", b"9"]

"""Marks a place in every partition of a topic: all that was sent before lies before it.

The key of a marker is the user who is erased there. Nothing reads it but `marked_users`, after a
restore: an older PostgreSQL does not know of the erasure, and Kafka does.
"""

import time
import uuid
from collections.abc import Iterator, Sequence

import msgspec
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from schemas.events import Marker
from vane.errors import Unavailable
from vane.interaction import is_marker

DELIVERY_TIMEOUT_MS = 5_000
READ_MESSAGES = 10_000
READ_WAIT_S = 0.2
"""A block of messages is gathered for so long, unless it is full."""
READ_SILENCE_S = 30.0

Cuts = dict[int, int]
"""Partition → the offset before which nothing of a user counts."""


def mark_partitions(
    bootstrap: str, topic: str, partitions: Sequence[int], users: Sequence[str]
) -> Cuts:
    """Write a marker for each user to each partition; returns the offset of the last one there.

    Raises:
        Unavailable: the broker did not take all of them.
    """
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": DELIVERY_TIMEOUT_MS,
            "log_level": 0,
        }
    )
    offsets: Cuts = {}
    left = len(partitions) * len(users)

    def delivered(error: KafkaError | None, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if error is None and partition is not None and offset is not None:
            nonlocal left
            left -= 1
            offsets[partition] = max(offset, offsets.get(partition, 0))

    marker = msgspec.json.encode(Marker("1.0", uuid.uuid4().hex))
    try:
        for partition in partitions:
            for user in users:
                producer.produce(
                    topic, marker, key=user.encode(), partition=partition, on_delivery=delivered
                )
        producer.flush(DELIVERY_TIMEOUT_MS / 1e3 + 1)
    except KafkaException as error:
        raise Unavailable(f"Kafka: {error.args[0].str()}") from error
    if left:
        raise Unavailable(f"Kafka at {bootstrap} did not take a marker in each partition")
    return offsets


def marked_users(bootstrap: str, topic: str, partitions: Sequence[int]) -> dict[str, Cuts]:
    """Who was erased, and where, as far as the topic still knows: it is read from end to end.

    Raises:
        Unavailable: the brokers do not answer.
    """
    found: dict[str, Cuts] = {}
    for message in _messages(bootstrap, topic, partitions):
        key, partition, offset = message.key(), message.partition(), message.offset()
        if isinstance(key, bytes) and partition is not None and offset is not None:
            found.setdefault(key.decode(errors="replace"), {})[partition] = offset
    return found


def _messages(bootstrap: str, topic: str, partitions: Sequence[int]) -> Iterator[Message]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "vane",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    left, heard_s = set(partitions), time.monotonic()
    try:
        consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in partitions])
        while left:
            block = consumer.consume(READ_MESSAGES, READ_WAIT_S)
            if block:
                heard_s = time.monotonic()
            elif time.monotonic() > heard_s + READ_SILENCE_S:
                raise Unavailable(f"Kafka at {bootstrap} does not answer")
            for message in block:
                error = message.error()
                if error is None and is_marker(message.value()):
                    yield message
                elif error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    left.discard(message.partition() or 0)
                elif error is not None:
                    raise Unavailable(f"Kafka at {bootstrap}: {error.str()}")
    finally:
        consumer.close()

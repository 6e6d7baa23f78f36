"""Marks a place in every partition of a topic: all that was sent before lies before it."""

import uuid
from collections.abc import Sequence

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.events import Marker
from vane.errors import Unavailable

DELIVERY_TIMEOUT_MS = 5_000


def mark_partitions(bootstrap: str, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """Write a marker to each partition; returns its offset there.

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
    offsets: dict[int, int] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if error is None and partition is not None and offset is not None:
            offsets[partition] = offset

    marker = msgspec.json.encode(Marker("1.0", uuid.uuid4().hex))
    try:
        for partition in partitions:
            producer.produce(topic, marker, partition=partition, on_delivery=delivered)
        producer.flush(DELIVERY_TIMEOUT_MS / 1e3 + 1)
    except KafkaException as error:
        raise Unavailable(f"Kafka: {error.args[0].str()}") from error
    if len(offsets) < len(partitions):
        raise Unavailable(f"Kafka at {bootstrap} did not take a marker in each partition")
    return offsets

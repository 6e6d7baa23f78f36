"""One Kafka consumer for all the partitions that a worker reads.

A consumer a partition would ask the broker for each of them; and a worker that waits for one
partition must hear of all. Kafka's own offsets and groups are not used.
"""

import logging
from collections import deque

from confluent_kafka import Consumer, Message, TopicPartition

from vane.settings import Settings

LIBRDKAFKA = logging.getLogger("librdkafka")
"""Gets what the library says of brokers, at each poll; otherwise it would write to stderr."""

QUIET_POLLS = 4
"""Polls without a message before one waits: the steps behind the source get their turn first."""

WAIT_S = 0.02
"""The longest wait for a first message; one that comes ends it at once."""


class Fetcher:
    """Fetches for every assigned partition at once, and hands out by partition. Not thread-safe."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer(_consumer_config(settings), logger=LIBRDKAFKA)
        self._fetched: dict[int, deque[Message]] = {}
        self._quiet_polls = 0

    def assign(self, partition: int, offset: int) -> None:
        """Read a partition from an offset on; what was fetched of it before is dropped."""
        place = TopicPartition(self._topic, partition, offset)
        if partition in self._fetched:
            self._consumer.incremental_unassign([place])
        self._fetched[partition] = deque()
        self._consumer.incremental_assign([place])

    def take(self, partition: int, most: int) -> list[Message]:
        """Up to `most` messages (and errors) of a partition, in order; waits when all are quiet.

        Never more than twice `most` messages of a partition are held, however far it is behind.
        """
        mine = self._fetched[partition]
        if not mine and max(map(len, self._fetched.values())) < most:
            self._poll(most)
        if len(mine) <= most:
            taken = list(mine)
            mine.clear()
            return taken
        return [mine.popleft() for _ in range(most)]

    def end_offset(self, partition: int) -> int:
        """The end of the partition as the last fetch told; negative before the first one."""
        place = TopicPartition(self._topic, partition)
        return int(self._consumer.get_watermark_offsets(place, cached=True)[1])

    def release(self, partition: int) -> None:
        """Read a partition no more; the last one leaves the broker."""
        self._consumer.incremental_unassign([TopicPartition(self._topic, partition)])
        del self._fetched[partition]
        if not self._fetched:
            self._consumer.close()

    def _poll(self, most: int) -> None:
        others_wait = any(self._fetched.values())
        messages = self._consumer.consume(most, timeout=0)
        if not messages and not others_wait and self._quiet_polls >= QUIET_POLLS:
            first = self._consumer.poll(WAIT_S)
            messages = [] if first is None else [first, *self._consumer.consume(most, timeout=0)]
        self._quiet_polls = 0 if messages else self._quiet_polls + 1
        anyone = next(iter(self._fetched.values()))
        if len(self._fetched) == 1:
            anyone.extend(messages)
            return
        for message in messages:  # an error may be of no partition
            self._fetched.get(message.partition(), anyone).append(message)


def _consumer_config(settings: Settings) -> dict[str, str | int | bool]:
    return {
        "bootstrap.servers": settings.kafka_bootstrap,
        "group.id": "vane",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": settings.fetch_wait_ms,
        "fetch.queue.backoff.ms": 5,
        "fetch.error.backoff.ms": 50,
        "queued.min.messages": 20_000,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1_000,
    }

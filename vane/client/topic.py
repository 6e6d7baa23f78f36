"""Writes messages to a topic, each acknowledged, and says how far the topic then reaches."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from vane.errors import Unavailable
from vane.traces import headers

DELIVERY_TIMEOUT_MS = 30_000
MESSAGES_PER_POLL = 500
FULL_QUEUE_WAIT_S = 0.1
FLUSH_STEP_S = 0.2


class Keyed(NamedTuple):
    """A message for Kafka."""

    key: bytes
    value: bytes


class TopicWriter:
    """An idempotent producer; keys go to the partitions that Java's producers choose.

    Attributes:
        acknowledged: messages that the broker has confirmed.
        ends: for each partition, the offset behind its last confirmed message.
    """

    def __init__(self, bootstrap: str, topic: str, message_bytes_max: int) -> None:
        self._topic = topic
        self._failure: KafkaError | None = None
        self.acknowledged = 0
        self.ends: dict[int, int] = {}
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                "message.max.bytes": message_bytes_max + 4_096,
                "message.timeout.ms": DELIVERY_TIMEOUT_MS,
                "log_level": 0,
            }
        )

    def write(self, messages: Iterable[Keyed]) -> Iterator[int]:
        """Write all messages; yields, now and then, how many were acknowledged.

        Raises:
            Unavailable: the broker refused a message or did not answer in time; tells how many
                messages it has.
        """
        rest = iter(messages)
        while batch := list(islice(rest, MESSAGES_PER_POLL)):
            self.send(batch)
            yield self.acknowledged
        yield from self.flush()

    def send(self, messages: Iterable[Keyed]) -> None:
        """Hand over messages, without waiting for their acknowledgement while there is room.

        Raises:
            Unavailable: as `write`, also for messages of earlier calls.
        """
        for message in messages:
            self._enqueue(message)
        self._poll(0)

    def flush(self) -> Iterator[int]:
        """Wait until all are acknowledged; yields, now and then, how many are.

        Raises:
            Unavailable: as `write`.
        """
        while len(self._producer):
            self._poll(FLUSH_STEP_S)
            yield self.acknowledged
        self._poll(0)

    def _enqueue(self, message: Keyed) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    message.value,
                    message.key,
                    on_delivery=self._delivered,
                    headers=headers(),
                )
            except BufferError:
                self._poll(FULL_QUEUE_WAIT_S)
            except KafkaException as error:
                raise self._unavailable(error.args[0]) from error
            else:
                return

    def _poll(self, timeout_s: float) -> None:
        self._producer.poll(timeout_s)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise self._unavailable(failure)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failure = self._failure or error
            return
        self.acknowledged += 1
        partition, offset = _place(message)
        self.ends[partition] = max(self.ends.get(partition, 0), offset + 1)

    def _unavailable(self, error: KafkaError) -> Unavailable:
        return Unavailable(
            f"Kafka: {error.str()}; {self.acknowledged} messages were acknowledged before"
        )


def _place(message: Message) -> tuple[Any, Any]:
    return message.partition(), message.offset()

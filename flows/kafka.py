"""The chunk source: a Kafka partition read from the position that Postgres holds.

One item a poll: everything that was fetched, as one chunk, so that a flow works on arrays and
commits a chunk with its position in one transaction. Kafka's own offsets are never used.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from socket import gethostname
from threading import Event, local

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import KafkaError, Message

from flows.cluster import kept
from flows.fetcher import Fetcher
from flows.meter import FlowMeter, Lag
from flows.topic_watch import TopicWatch
from vane.errors import OperatorNeeded, Unavailable
from vane.kafka_admin import describe_topic, log_bounds
from vane.metrics import FLOW_EPOCH
from vane.settings import Settings
from vane.store.connection import connect, translated
from vane.store.positions import Stream, find_log, find_position, take_position

log = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
"""An idle partition emits an empty chunk this often, so that its sink can look after itself."""

DRAIN_PATIENCE_S = 10.0
"""How long a drain waits for a broker that does not say where the log ends."""


Headers = Sequence[tuple[str, bytes | None]]


@dataclass(slots=True)
class Chunk:
    """Consecutive offsets of one partition: [previous_offset, next_offset), some of them empty."""

    stream: Stream
    epoch: int
    previous_offset: int
    next_offset: int
    end_offset: int
    values: list[bytes | None]
    keys: list[bytes | None]
    offsets: list[int]
    receipt_us: Callable[[int], int]
    """Broker time of the i-th message in microseconds since 1970 (dear: ask only when needed)."""
    headers: Callable[[], Iterable[Headers | None]] = tuple
    """Of each message, None where it has none (asked for where there are traces)."""

    @property
    def empty(self) -> int:
        """How many offsets of the span carried no message."""
        return self.next_offset - self.previous_offset - len(self.values)

    @property
    def received_s(self) -> float:
        """Broker time of the last message in seconds since 1970, 0 without messages."""
        return self.receipt_us(len(self.values) - 1) / 1e6 if self.values else 0.0


@dataclass(frozen=True, slots=True)
class Share:
    """Process `index` of `count`: it reads the partitions p with p % count == index."""

    index: int = 0
    count: int = 1

    def owns(self, partition: int) -> bool:
        """Whether the partition is this process's to read."""
        return partition % self.count == self.index

    def owner(self, flow: str) -> str:
        """What the table of positions calls this process: flow, share, host and process id."""
        return f"{flow} {self.index}/{self.count} {gethostname()} {os.getpid()}"


class ChunkSource(FixedPartitionedSource[Chunk, None]):
    """One part per Kafka partition; each part takes its position (and epoch) when it is built."""

    def __init__(
        self,
        settings: Settings,
        *,
        topic: str,
        flow: str,
        share: Share,
        stop: Event,
        chunk_messages_max: int,
        meter: FlowMeter,
    ) -> None:
        self._settings, self._topic, self._flow = settings, topic, flow
        self._share, self._stop, self._chunk_messages_max = share, stop, chunk_messages_max
        self._meter = meter
        self._workers = local()

    @cached_property
    def _watch(self) -> TopicWatch:
        bootstrap = self._settings.kafka_bootstrap
        return TopicWatch(bootstrap, *describe_topic(bootstrap, self._topic), self._stop)

    def _fetcher(self) -> Fetcher:
        """The one of this worker: Bytewax runs each worker in a thread of its own."""
        if not hasattr(self._workers, "fetcher"):
            self._workers.fetcher = Fetcher(self._settings, self._topic)
        fetcher: Fetcher = self._workers.fetcher
        return fetcher

    @kept
    def list_parts(self) -> list[str]:
        """The partitions of this process."""
        return [
            str(partition) for partition in self._watch.partitions if self._share.owns(partition)
        ]

    @kept
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_ChunkPartition":  # noqa: ARG002
        """Take the position of the partition and start to read there."""
        with connect(self._settings, f"vane {self._flow} position") as connection, translated():
            log_id = find_log(connection, self._watch.identity)
            stream = Stream(self._flow, log_id, int(for_part))
            start = 0
            if find_position(connection, stream) is None:
                start, _ = log_bounds(self._settings.kafka_bootstrap, self._topic, stream.partition)
            owner = self._share.owner(self._flow)
            offset, epoch = take_position(connection, stream, start=start, owner=owner)
        self._meter.numbers.gauge(FLOW_EPOCH, self._flow, for_part).set(epoch)
        lag = self._meter.lag(stream.partition)
        lag.reached(offset)
        log.info("%s: partition %s from offset %d, epoch %d", self._topic, for_part, offset, epoch)
        return _ChunkPartition(
            self._settings,
            self._fetcher(),
            self._watch,
            stream,
            epoch,
            offset,
            messages_max=self._chunk_messages_max,
            stop=self._stop,
            lag=lag,
        )


class _ChunkPartition(StatefulSourcePartition[Chunk, None]):
    def __init__(
        self,
        settings: Settings,
        fetcher: Fetcher,
        watch: TopicWatch,
        stream: Stream,
        epoch: int,
        offset: int,
        *,
        messages_max: int,
        stop: Event,
        lag: Lag,
    ) -> None:
        self._bootstrap, self._watch, self._stream = settings.kafka_bootstrap, watch, stream
        self._fetcher, self._topic = fetcher, watch.identity.topic
        self._epoch, self._cursor, self._end = epoch, offset, offset
        self._messages_max, self._stop, self._lag = messages_max, stop, lag
        self._drain_to_end = settings.drain == "end"
        self._draining_until: float | None = None
        self._at_end = False
        self._idle = False
        self._ended = False
        self._heartbeat_at = 0.0
        fetcher.assign(stream.partition, offset)

    @kept
    def next_batch(self) -> list[Chunk]:
        """Everything that is fetched by now, as one chunk; nothing or a heartbeat when idle.

        A heartbeat is the last one, too: the sink can then wait for what it has begun.
        """
        if self._stop.is_set() and self._drained():
            if self._ended:
                raise StopIteration
            self._ended = True
            return [self._chunk([], self._cursor)]
        self._watch.check()
        polled = self._fetcher.take(self._stream.partition, self._messages_max)
        messages, reached = self._sort_out(polled)
        self._idle = not polled
        if reached > self._cursor:
            return [self._chunk(messages, reached)]
        if self._idle and time.monotonic() >= self._heartbeat_at:
            return [self._chunk([], self._cursor)]
        return []

    def next_awake(self) -> datetime | None:
        """At once: the fetcher waits where there is nothing."""
        return None

    def snapshot(self) -> None:
        """Nothing: the position lives in Postgres."""

    def close(self) -> None:
        """Leave the partition."""
        self._fetcher.release(self._stream.partition)

    def _sort_out(self, polled: list[Message]) -> tuple[list[Message], int]:
        if polled and not any(map(Message.error, polled)):
            self._at_end = False
            return polled, polled[-1].offset() + 1
        messages, reached = [], self._cursor
        for message in polled:
            error = message.error()
            if error is None:
                messages.append(message)
                reached = message.offset() + 1
                self._at_end = False
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                reached = max(reached, message.offset())
                self._at_end = True
            else:
                self._raise_for(error)
        return messages, reached

    def _chunk(self, messages: list[Message], reached: int) -> Chunk:
        self._end = max(self._end, reached, self._fetcher.end_offset(self._stream.partition))
        self._lag.end_at(self._end)
        chunk = Chunk(
            stream=self._stream,
            epoch=self._epoch,
            previous_offset=self._cursor,
            next_offset=reached,
            end_offset=self._end,
            values=list(map(Message.value, messages)),
            keys=list(map(Message.key, messages)),
            offsets=list(map(Message.offset, messages)),
            receipt_us=lambda index: messages[index].timestamp()[1] * 1_000,
            headers=lambda: map(Message.headers, messages),
        )
        self._cursor = reached
        self._heartbeat_at = time.monotonic() + HEARTBEAT_S
        return chunk

    def _drained(self) -> bool:
        """Whether to stop now. A drain assigns anew, so that the broker tells the end afresh."""
        if not self._drain_to_end:
            return True
        now = time.monotonic()
        if self._draining_until is None:
            self._at_end = False
            self._fetcher.assign(self._stream.partition, self._cursor)
            self._draining_until = now + DRAIN_PATIENCE_S
        elif not self._idle:
            self._draining_until = now + DRAIN_PATIENCE_S
        elif now > self._draining_until:
            log.warning("%s: the broker does not answer, stopped at %d", self._topic, self._cursor)
            return True
        return self._at_end

    def _raise_for(self, error: KafkaError) -> None:
        gone = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)  # noqa: SLF001
        self._watch.look()
        if error.code() in gone:
            low, high = log_bounds(self._bootstrap, self._topic, self._stream.partition)
            raise OperatorNeeded(
                f"{self._topic} partition {self._stream.partition}: offset {self._cursor} is not "
                f"in the log, which holds {low} to {high}; {self._way_out(low, high)}"
            )
        if error.fatal() or not error.retriable():
            raise Unavailable(f"Kafka: {error.str()}")
        log.warning("Kafka: %s", error.str())

    def _way_out(self, low: int, high: int) -> str:
        if self._cursor > high:
            return (
                "Kafka has lost messages that were applied here, and would give their offsets to "
                f"others; make the topic anew, then: vane accept-log {self._topic}"
            )
        return (
            f"to go on at {low} and count the gap as skipped: vane accept-gap "
            f"{self._stream.flow} {self._topic} {self._stream.partition}"
        )

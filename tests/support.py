"""What tests of the interactions path share: chunks without a broker, items without a model."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

from flows.batch import Batch, decode_chunk
from flows.interactions_meter import InteractionsMeter
from flows.kafka import Chunk, Share
from flows.live_tuning import LiveTuning
from flows.meter import FlowMeter
from flows.preference_writer import PreferenceWriter
from vane.bus import Publisher
from vane.preference import Floats
from vane.settings import Settings
from vane.store.connection import Connection
from vane.store.positions import Stream, TopicIdentity, open_log, take_position
from vane.tuning import Tuning

DIMENSION = 384
DAY_MS = 1_700_000_000_000


def event(number: int | str, user: str = "u", item: str = "i", **fields: Any) -> bytes:
    """A valid event's bytes; `number` names it and orders it in time, a second apart."""
    seconds = number if isinstance(number, int) else 0
    base = {
        "event_id": f"e{number}",
        "user_id": user,
        "item_id": item,
        "action": "view",
        "ts": DAY_MS + 1_000 * seconds,
    }
    return json.dumps(base | fields).encode()


def open_test_log(connection: Connection) -> int:
    return open_log(connection, TopicIdentity("cluster", "user-interactions", "topic-1"))


def unit_vectors(count: int, seed: int = 0) -> Floats:
    """Random unit vectors that float16 holds exactly, (count, 384)."""
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)


def add_item(connection: Connection, item: str, vector: Floats | None, version: int = 1) -> None:
    """A version of an item, as flows/catalog writes it."""
    content = None if vector is None else "[" + ",".join(map(str, vector.tolist())) + "]"
    connection.execute(
        "insert into item_version (item_id, version, content) values (%s, %s, %s)",
        [item, version, content],
    )


@dataclass(slots=True)
class Cursor:
    """Where a worker stands in a partition."""

    stream: Stream
    offset: int
    epoch: int


class Worker:
    """A flow worker without Bytewax and Kafka: reads partitions that are lists of messages."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        logs: Sequence[Sequence[bytes | None]],
        share: Share | None = None,
    ) -> None:
        self._settings, self._logs = settings, logs
        share = share or Share()
        self._live = LiveTuning(connection)
        self.log_id = open_test_log(connection)
        publisher = Publisher(settings.redis_url or "redis://127.0.0.1:1")
        self.meter = InteractionsMeter(FlowMeter("interactions"))
        self.writer = PreferenceWriter(settings, self._live, publisher, share, Event(), self.meter)
        self.cursors: dict[int, Cursor] = {}
        for partition in range(len(logs)):
            if share.owns(partition):
                stream = Stream("interactions", self.log_id, partition)
                offset, epoch = take_position(connection, stream, start=0, owner="test")
                self.cursors[partition] = Cursor(stream, offset, epoch)

    @property
    def tuning(self) -> Tuning:
        """As the worker knows it now."""
        return self._live.current

    def chunk(self, partition: int, most: int = 1_000_000) -> Chunk:
        """The next messages of a partition."""
        cursor = self.cursors[partition]
        offset = cursor.offset
        messages = list(self._logs[partition][offset : offset + most])
        now_us = round(time.time() * 1e6)
        return Chunk(
            stream=cursor.stream,
            epoch=cursor.epoch,
            previous_offset=offset,
            next_offset=offset + len(messages),
            end_offset=len(self._logs[partition]),
            values=messages,
            keys=[None] * len(messages),
            offsets=list(range(offset, offset + len(messages))),
            receipt_us=lambda _: now_us,
        )

    def apply(self, chunk: Chunk) -> None:
        """Commit a chunk and move behind it."""
        self.writer.commit(self.batch(chunk))
        self.cursors[chunk.stream.partition].offset = chunk.next_offset

    def prepare(self, partition: int, most: int) -> Callable[[], None]:
        """Plan the next messages ahead and move behind them; returns what commits them."""
        chunk = self.chunk(partition, most)
        batch = self.batch(chunk)
        work = self.writer.plan_ahead(batch)
        self.cursors[partition].offset = chunk.next_offset
        return lambda: self.writer.commit(batch, work)

    def batch(self, chunk: Chunk) -> Batch:
        """The chunk's events."""
        return decode_chunk(chunk, self.tuning, self._settings.event_bytes_max)

    def close(self) -> None:
        """Give the connections back."""
        self.writer.close()

    def drain(self) -> None:
        """Read every partition to its end, then add what waited."""
        for partition in self.cursors:
            chunk = self.chunk(partition)
            self.apply(chunk)
            self.housekeeping(partition)

    def housekeeping(self, partition: int) -> None:
        """What a worker does between two batches."""
        self.writer.housekeeping(self.batch(self.chunk(partition)).spans[0])

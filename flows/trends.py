"""Popularity of items, from the committed log: read, aggregate, flush with the positions.

Everything that a flush needs is in Postgres, positions and scores are written together: so every
log row counts exactly once, whatever dies when. The source reads only what flows/interactions has
committed, hence without duplicates, and a broker's restart does not matter here.
"""

import logging
import time
from dataclasses import dataclass
from functools import cached_property
from threading import Event

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.kafka import Share
from schemas.events import TrendsHint
from vane.bus import TRENDS, Publisher
from vane.interaction import TREND_SLOTS
from vane.popularity import Trends, aggregate, event_clock, split_budget
from vane.settings import Settings
from vane.store.connection import Connection, connect, translated
from vane.store.positions import Stream, take_position
from vane.store.trends import (
    Advance,
    LoggedEvents,
    LogSpan,
    flush_trends,
    read_log_rows,
    read_log_spans,
    read_slot_positions,
    slot_flow,
)

log = logging.getLogger(__name__)

BATCH_OFFSETS_MAX = 50_000
"""Offsets of the log that one flush takes, all partitions together."""

STOP_CHECK_MS = 100
"""A request to stop is seen within this time, however rare the flushes are."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Log rows of consecutive offsets, with the steps of the slots' positions over them."""

    rows: list[LoggedEvents]
    clocks: list[np.ndarray[tuple[int], np.dtype[np.float64]]]
    advances: list[Advance]


@dataclass(frozen=True, slots=True)
class Flush:
    """What one transaction writes."""

    added: Trends
    advances: list[Advance]


def build(settings: Settings, share: Share, stop: Event) -> Dataflow:
    """The flow of one process; it owns the item slots of its share.

    Args:
        settings: of the servers, the time between two flushes, and how to drain.
        share: which of the sixteen item slots are this process's.
        stop: once set, the flow ends after its batch, or at the end of the log.
    """
    session = _Session(settings)
    flow = Dataflow("trends")
    batches = op.input("log", flow, TrendsSource(session, share, stop))
    flushes = op.map("aggregate", batches, aggregate_batch)
    op.output("commit", flushes, TrendsSink(session))
    return flow


def aggregate_batch(batch: Batch) -> Flush:
    """Group the batch's events by item."""
    added = aggregate(
        [item for rows in batch.rows for item in rows.items],
        np.concatenate([rows.ts_us for rows in batch.rows]),
        np.concatenate(batch.clocks),
        np.concatenate([rows.weight for rows in batch.rows]),
    )
    return Flush(added, batch.advances)


class _Session:
    """The one connection of a process, opened when its flow starts."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def connection(self) -> Connection:
        return connect(self.settings, "vane trends")


class LogReader:
    """Reads the committed log for some item slots, each from its own positions."""

    def __init__(self, connection: Connection, slots: list[int], owner: str) -> None:
        self._connection, self._slots, self._owner = connection, slots, owner
        self._next = read_slot_positions(connection, slots)
        self._epochs: dict[Stream, int] = {}
        self.behind = False
        """Whether the last batch left rows that were committed already."""

    def read_batch(self) -> Batch | None:
        """What was committed since, at most `BATCH_OFFSETS_MAX`; None when there is nothing.

        Older logs come first, so that the event clock runs in their order.
        """
        spans = read_log_spans(self._connection)
        lagging = [span for span in spans if self._low(span) < span.next_offset]
        if not lagging:
            self.behind = False
            return None
        oldest = [span for span in lagging if span.log_id == lagging[0].log_id]
        for span in oldest:
            self._take(span)
        lags = [max(span.next_offset - self._low(span), 0) for span in oldest]
        before = sum(self._low(span) - span.start_offset for span in spans)
        takes = split_budget(lags, BATCH_OFFSETS_MAX)
        self.behind = sum(takes) < sum(lags) or len(oldest) < len(lagging)
        batch = Batch([], [], [])
        for span, take in zip(oldest, takes, strict=True):
            if take > 0:
                self._read(batch, span, take, before=before, total=sum(takes))
        return batch if batch.advances else None

    def _read(self, batch: Batch, span: LogSpan, take: int, *, before: int, total: int) -> None:
        low = self._low(span)
        high = low + take
        rows = read_log_rows(self._connection, span, low, high, self._slots)
        previous = np.full(TREND_SLOTS, high)
        for slot in self._slots:
            previous[slot] = self._position(slot, span)
        fresh = rows.take(np.flatnonzero(rows.offsets >= previous[rows.slots]))
        applied = np.bincount(fresh.slots, minlength=TREND_SLOTS)
        for slot in self._slots:
            if previous[slot] < high:
                stream = _stream(slot, span)
                batch.advances.append(
                    Advance(
                        stream=stream,
                        epoch=self._epochs[stream],
                        previous=int(previous[slot]),
                        next_offset=high,
                        end_offset=span.next_offset,
                        applied=int(applied[slot]),
                    )
                )
                self._next[stream] = high
        batch.rows.append(fresh)
        batch.clocks.append(event_clock(fresh.offsets, low, high, before=before, span=total))

    def _take(self, span: LogSpan) -> None:
        """Become the owner of the slots' positions, at the first rows that they lack."""
        for slot in self._slots:
            stream = _stream(slot, span)
            if stream not in self._epochs:
                with translated():
                    self._next[stream], self._epochs[stream] = take_position(
                        self._connection, stream, start=span.start_offset, owner=self._owner
                    )

    def _position(self, slot: int, span: LogSpan) -> int:
        return self._next.get(_stream(slot, span), span.start_offset)

    def _low(self, span: LogSpan) -> int:
        return min(self._position(slot, span) for slot in self._slots)


class TrendsSource(FixedPartitionedSource[Batch, None]):
    """One part: the log as far as it is committed, for the slots of one process."""

    def __init__(self, session: _Session, share: Share, stop: Event) -> None:
        self._session, self._share, self._stop = session, share, stop

    def list_parts(self) -> list[str]:
        """One part a process."""
        return ["log"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_LogPart":  # noqa: ARG002
        """Start at the slots' positions."""
        slots = [slot for slot in range(TREND_SLOTS) if self._share.owns(slot)]
        owner = f"trends {self._share.index}/{self._share.count}"
        reader = LogReader(self._session.connection, slots, owner)
        log.info("trends: item slots %s", slots)
        return _LogPart(reader, self._session.settings, self._stop)


class _LogPart(StatefulSourcePartition[Batch, None]):
    def __init__(self, reader: LogReader, settings: Settings, stop: Event) -> None:
        self._reader, self._stop = reader, stop
        self._drain_to_end = settings.drain == "end"
        self._interval_s = settings.trends_flush_ms / 1_000
        self._due = 0.0

    def next_batch(self) -> list[Batch]:
        """The next batch once a flush is due; at once while behind or draining.

        The wait is a sleep, as `next_awake` makes Bytewax look at the clock every millisecond (2 %
        of a core); the process has nothing else to do meanwhile.
        """
        stopping = self._stop.is_set()
        if stopping and not self._drain_to_end:
            raise StopIteration
        wait_s = self._due - time.monotonic()
        if wait_s > 0 and not stopping:
            time.sleep(min(wait_s, STOP_CHECK_MS / 1_000))
            return []
        batch = self._reader.read_batch()
        if batch is None and stopping:
            raise StopIteration
        self._due = 0.0 if self._reader.behind else time.monotonic() + self._interval_s
        return [] if batch is None else [batch]

    def snapshot(self) -> None:
        """Nothing: the positions live in Postgres."""


class TrendsSink(DynamicSink[Flush]):
    """Writes each flush in one transaction, then says so on Redis."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_FlushPart":  # noqa: ARG002
        """The sink of this worker."""
        return _FlushPart(self._session)


class _FlushPart(StatelessSinkPartition[Flush]):
    def __init__(self, session: _Session) -> None:
        self._connection = session.connection
        self._publisher = Publisher(session.settings.redis_url)

    def write_batch(self, items: list[Flush]) -> None:
        """Commit and publish, one flush after the other."""
        for flush in items:
            flush_trends(self._connection, flush.advances, flush.added)
            if flush.added.items:
                hint = TrendsHint(items=len(flush.added.items), ts=time.time())
                self._publisher.publish(TRENDS, hint)

    def close(self) -> None:
        """Leave the database."""
        self._connection.close()
        self._publisher.close()


def _stream(slot: int, span: LogSpan) -> Stream:
    return Stream(slot_flow(slot), span.log_id, span.partition)

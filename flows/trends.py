"""What is popular, and which items go together, from the committed log: read, aggregate, flush.

Everything that a flush needs is in Postgres, positions and what they stand for are written
together: so every log row counts exactly once, whatever dies when. The source reads only what
flows/interactions has committed, hence without duplicates, and a broker's restart does not matter
here. Popularity and neighbours are flushed apart, each with positions of its own.
"""

import logging
import time
from functools import cached_property
from threading import Event

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.cluster import kept
from flows.kafka import Share
from flows.log_reader import Batch, LogReader
from flows.look_back import Observer, Seen
from flows.meter import FlowMeter
from flows.neighbours import FLUSH_EVERY, Neighbours
from schemas.events import TrendsHint
from vane.bus import TRENDS as CHANNEL
from vane.bus import Publisher
from vane.interaction import TREND_SLOTS
from vane.popularity import Trends, aggregate
from vane.settings import Settings
from vane.store.connection import Connection, connect
from vane.store.slot_log import TRENDS
from vane.store.trends import flush_trends

log = logging.getLogger(__name__)

STOP_CHECK_MS = 100
"""A request to stop is seen within this time, however rare the flushes are."""


def build(settings: Settings, share: Share, stop: Event, meter: FlowMeter) -> Dataflow:
    """The flow of one process; it owns the item slots of its share.

    Args:
        settings: of the servers, the time between two flushes, and how to drain.
        share: which of the sixteen item slots are this process's.
        stop: once set, the flow ends after its batch, or at the end of the log.
        meter: of the process.
    """
    session = _Session(settings, meter)
    flow = Dataflow("trends")
    batches = op.input("log", flow, TrendsSource(session, share, stop))
    op.output("commit", batches, TrendsSink(session))
    return flow


class TrendsWriter:
    """Writes popularity with every batch, neighbours when they are due.

    Attributes:
        neighbours: rows in memory that wait for their flush.
    """

    def __init__(self, connection: Connection, neighbours_interval_s: float) -> None:
        self._connection, self._observer = connection, Observer(connection)
        self.neighbours = Neighbours(connection, self._observer, neighbours_interval_s)

    def write(self, batch: Batch) -> int:
        """Each of the two in one transaction with its positions; returns how many items changed.

        Raises:
            Fenced: another worker owns a slot, or the batch was applied already.
        """
        seen = [self._observer.observe(piece) for piece in batch.pieces]
        written = self._write_popularity(batch, seen)
        self.neighbours.add(batch, seen)
        if self.neighbours.is_due(batch):
            written = max(written, self.neighbours.flush())
        return written

    def _write_popularity(self, batch: Batch, seen: list[Seen]) -> int:
        if not batch.advances[TRENDS]:
            return 0
        added = aggregate_seen(seen)
        flush_trends(self._connection, batch.advances[TRENDS], added)
        return len(added.items)


def aggregate_seen(seen: list[Seen]) -> Trends:
    """What a batch adds to the items' trends."""
    columns = [_popularity_columns(each) for each in seen]
    items = [item for names, *_ in columns for item in names]
    _, *arrays = zip(*columns, strict=True)
    return aggregate(items, *(np.concatenate(pieces) for pieces in arrays))


def _popularity_columns(seen: Seen) -> tuple[list[str], *tuple[np.ndarray, ...]]:
    rows, fresh = seen.piece.rows, np.flatnonzero(seen.piece.fresh(TRENDS))
    arrays = (rows.ts_us, seen.piece.clock, seen.counted(), seen.earlier())
    return [rows.items[row] for row in fresh.tolist()], *(array[fresh] for array in arrays)


class _Session:
    """What the steps of one process share: one connection, opened when its flow starts."""

    def __init__(self, settings: Settings, meter: FlowMeter) -> None:
        self.settings, self.meter = settings, meter

    @cached_property
    def connection(self) -> Connection:
        return connect(self.settings, "vane trends")

    @cached_property
    def writer(self) -> TrendsWriter:
        return TrendsWriter(self.connection, FLUSH_EVERY * self.settings.trends_flush_ms / 1_000)


class TrendsSource(FixedPartitionedSource[Batch, None]):
    """One part: the log as far as it is committed, for the slots of one process."""

    def __init__(self, session: _Session, share: Share, stop: Event) -> None:
        self._session, self._share, self._stop = session, share, stop

    def list_parts(self) -> list[str]:
        """One part a process, of a name of its own: a cluster gives each name to one process."""
        return [f"log {self._share.index}"]

    @kept
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_LogPart":  # noqa: ARG002
        """Start at the slots' positions."""
        slots = [slot for slot in range(TREND_SLOTS) if self._share.owns(slot)]
        owner = self._share.owner("trends")
        reader = LogReader(self._session.connection, slots, owner)
        log.info("trends: item slots %s", slots)
        return _LogPart(reader, self._session, self._stop)


class _LogPart(StatefulSourcePartition[Batch, None]):
    def __init__(self, reader: LogReader, session: _Session, stop: Event) -> None:
        self._reader, self._neighbours, self._stop = reader, session.writer.neighbours, stop
        self._meter = session.meter
        self._drain_to_end = session.settings.drain == "end"
        self._interval_s = session.settings.trends_flush_ms / 1_000
        self._due = 0.0

    @kept
    def next_batch(self) -> list[Batch]:
        """The next batch once a flush is due; at once while behind or draining.

        Without rows to read, an empty batch lets the neighbours be flushed. The wait is a sleep, as
        `next_awake` makes Bytewax look at the clock every millisecond (2 % of a core); the process
        has nothing else to do meanwhile.
        """
        stopping = self._stop.is_set()
        if stopping and not self._drain_to_end:
            raise StopIteration
        wait_s = self._due - time.monotonic()
        if wait_s > 0 and not stopping:
            time.sleep(min(wait_s, STOP_CHECK_MS / 1_000))
            return []
        watch = self._meter.stopwatch()
        batch = self._reader.read_batch()
        self._meter.progress(self._reader.places)
        behind = batch is not None and not batch.caught_up
        self._due = 0.0 if behind else time.monotonic() + self._interval_s
        if batch is not None:
            watch.lap("read")
            return [batch]
        if self._neighbours.flushed < self._reader.batches:
            return [Batch()]
        if stopping:
            raise StopIteration
        self._reader.check_positions()
        return []

    def snapshot(self) -> None:
        """Nothing: the positions live in Postgres."""


class TrendsSink(DynamicSink[Batch]):
    """Writes popularity and neighbours, each in one transaction, then says so on Redis."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_FlushPart":  # noqa: ARG002
        """The sink of this worker."""
        return _FlushPart(self._session)


class _FlushPart(StatelessSinkPartition[Batch]):
    def __init__(self, session: _Session) -> None:
        self._connection, self._writer = session.connection, session.writer
        self._publisher, self._meter = Publisher(session.settings.redis_url), session.meter

    @kept
    def write_batch(self, items: list[Batch]) -> None:
        """Commit and publish, one batch after the other."""
        for batch in items:
            watch = self._meter.stopwatch()
            written = self._writer.write(batch)
            watch.lap("write")
            rows = sum(len(piece.rows.items) for piece in batch.pieces)
            self._meter.rows(rows, sum(step.applied for step in batch.advances[TRENDS]))
            if written:
                hint = TrendsHint(items=written, ts=time.time())
                self._meter.hint(self._publisher.publish(CHANNEL, hint))

    def close(self) -> None:
        """Leave the database."""
        self._connection.close()
        self._publisher.close()

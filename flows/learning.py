"""Learns to rank from the committed log, live: predicts each target, then learns what was chosen.

The replica in memory is made from the newest part of the log at the start. Positions are stored
with the linear weights, in one row: what a killed process had learned and not published is learned
again, nothing twice.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.kafka import Share
from flows.log_reader import places
from flows.meter import FlowMeter
from flows.teacher import Teacher
from vane.popularity import split_budget
from vane.settings import Settings
from vane.store.connection import Connection, connect
from vane.store.erasures import latest_erasure
from vane.store.history import Acts, Interval, newest_intervals, read_acts
from vane.store.models import Positions
from vane.store.slot_log import LogSpan, read_log_spans

BATCH_OFFSETS_MAX = 5_000
"""Offsets of the log that one batch takes, all partitions together."""

POLL_S = 1.0
STOP_CHECK_S = 0.1


@dataclass(slots=True)
class Batch:
    """What was committed since the batch before, maybe nothing.

    Attributes:
        known: whether it was learned from before, so that only the replica needs it.
        left: how many offsets had been committed beyond it.
    """

    blocks: list[Acts] = field(default_factory=list)
    known: bool = False
    left: int = 0


def build(settings: Settings, share: Share, stop: Event, meter: FlowMeter) -> Dataflow:
    """The flow. It runs in one process, as the linear ranker learns from one list after another.

    Args:
        settings: of the servers, and the pace.
        share: the whole.
        stop: once set, the flow ends after its batch.
        meter: of the process.
    """
    assert share.count == 1
    session = _Session(settings, stop, meter)
    flow = Dataflow("learning")
    batches = op.input("log", flow, LogSource(session))
    op.output("learn", batches, LearningSink(session))
    return flow


class LogFollower:
    """Reads the committed log in batches, from what is worth knowing on.

    Attributes:
        positions: behind the batch that was read last.
        places: partition → offsets that were read before the last call, and all, of all logs.
    """

    def __init__(self, connection: Connection, events_max: int, learned: Positions) -> None:
        """Args: the database, how many of the newest events to begin with, what is known."""
        self._connection, self._events_max = connection, events_max
        self.positions: Positions = {}
        self.places: dict[int, tuple[int, int]] = {}
        self.begin(learned)

    def begin(self, learned: Positions) -> None:
        """Start again at the newest events; the next batch is what was learned of these before."""
        self._erasure = latest_erasure(self._connection)
        intervals = newest_intervals(read_log_spans(self._connection), self._events_max)
        self.positions = {_name(each): each.low for each in intervals}
        self._known = []
        for each in intervals:
            high = min(learned.get(_name(each), each.low), each.high)
            if high > each.low:
                self._known.append(Interval(each.log_id, each.partition, each.low, high))

    def erased_since(self) -> bool:
        """Whether users were erased since the start, so that what was read names them."""
        return latest_erasure(self._connection) != self._erasure

    def read_batch(self) -> Batch:
        """At first what is known, all at once; then what was committed since the last call."""
        if self._known:
            known, self._known = self._known, []
            return Batch(self._read(known), known=True)
        spans = read_log_spans(self._connection)
        self.places = places(spans, self._position)
        lags = [span.next_offset - self._position(span) for span in spans]
        takes = split_budget(lags, BATCH_OFFSETS_MAX)
        intervals = [
            Interval(span.log_id, span.partition, low, low + take)
            for span, take in zip(spans, takes, strict=True)
            if take > 0
            for low in [self._position(span)]
        ]
        return Batch(self._read(intervals), left=max(0, sum(lags) - sum(takes)))

    def _read(self, intervals: Sequence[Interval]) -> list[Acts]:
        blocks = [acts for each in intervals for acts in read_acts(self._connection, each)]
        self.positions |= {_name(each): each.high for each in intervals}
        return blocks

    def _position(self, span: LogSpan) -> int:
        return self.positions.get(f"{span.log_id}/{span.partition}", span.start_offset)


class _Session:
    """What source and sink of the one process share, opened when the flow starts."""

    def __init__(self, settings: Settings, stop: Event, meter: FlowMeter) -> None:
        self.settings, self.stop, self.meter = settings, stop, meter

    @cached_property
    def teacher(self) -> Teacher:
        connection = connect(self.settings, "vane learning")
        return Teacher(self.settings, connection, self.stop, self.meter)

    @cached_property
    def follower(self) -> LogFollower:
        teacher = self.teacher
        return LogFollower(
            teacher.connection, self.settings.learning_events_max, teacher.learned_before
        )


class LogSource(FixedPartitionedSource[Batch, None]):
    """One part: the log as far as it is committed."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    def list_parts(self) -> list[str]:
        """One part."""
        return ["log"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_LogPart":  # noqa: ARG002
        """Start where learning had come to."""
        return _LogPart(self._session.follower, self._session.stop, self._session.meter)


class _LogPart(StatefulSourcePartition[Batch, None]):
    def __init__(self, follower: LogFollower, stop: Event, meter: FlowMeter) -> None:
        self._follower, self._stop, self._meter = follower, stop, meter
        self._due = 0.0

    def next_batch(self) -> list[Batch]:
        """A batch every second, also an empty one, so that the sink looks after its duties."""
        if self._stop.is_set():
            raise StopIteration
        wait_s = self._due - time.monotonic()
        if wait_s > 0:
            time.sleep(min(wait_s, STOP_CHECK_S))
            return []
        watch = self._meter.stopwatch()
        batch = self._follower.read_batch()
        self._meter.progress(self._follower.places)
        if batch.blocks:
            watch.lap("read")
        self._due = 0.0 if batch.known or batch.left else time.monotonic() + POLL_S
        return [batch]

    def snapshot(self) -> None:
        """Nothing: the positions live in PostgreSQL."""


class LearningSink(DynamicSink[Batch]):
    """Gives each batch to the teacher."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_LearningPart":  # noqa: ARG002
        """The sink of this worker."""
        return _LearningPart(self._session)


class _LearningPart(StatelessSinkPartition[Batch]):
    def __init__(self, session: _Session) -> None:
        self._teacher, self._follower = session.teacher, session.follower
        self._meter = session.meter
        self._left_max = 2 * session.settings.learning_events_max

    def write_batch(self, items: list[Batch]) -> None:
        """Learn, one batch after the other; what is too far behind is left out."""
        for batch in items:
            watch = self._meter.stopwatch()
            if batch.known:
                self._teacher.recall(batch.blocks)
            else:
                self._teacher.learn(batch.blocks, self._follower.positions, behind=batch.left > 0)
            if rows := sum(map(len, batch.blocks)):
                watch.lap("learn")
                self._meter.rows(rows, rows)
            far_behind = batch.left > self._left_max
            if self._teacher.full or far_behind or self._follower.erased_since():
                self._teacher.forget()
                self._follower.begin(self._follower.positions)

    def close(self) -> None:
        """Publish what is new, and leave the database."""
        self._teacher.close(self._follower.positions)


def _name(interval: Interval) -> str:
    return f"{interval.log_id}/{interval.partition}"

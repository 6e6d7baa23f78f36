"""The sink of flows/interactions: one transaction a batch, and nothing is lost or counted twice.

Positions, states, log, waiting events and dead letters are committed together. A position's epoch
fences off former owners; each state is written only over the version that it was computed from.
"""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from threading import Event as StopEvent

from flows.aliases import UsersMerged
from flows.batch import Batch, Span
from flows.interactions_meter import InteractionsMeter
from flows.kafka import Share
from flows.live_tuning import LiveTuning
from flows.pending import PendingResolver
from flows.plan import Changes
from flows.state_session import StateSession
from flows.traced import Traced, following, told, using
from flows.work import Planner, Work
from schemas.events import PreferenceHint
from vane import traces
from vane.bus import PREFERENCES, Publisher
from vane.errors import Fenced, Unavailable
from vane.settings import Settings
from vane.store import interactions as store
from vane.store.connection import translated
from vane.store.partitions import ensure_log_partitions
from vane.store.positions import Stream, advance_position, find_position

log = logging.getLogger(__name__)

HOUSEKEEPING_INTERVAL_S = 1.0


class PreferenceWriter:
    """Commits batches of interactions and tells the others."""

    def __init__(
        self,
        settings: Settings,
        tuning: LiveTuning,
        publisher: Publisher,
        share: Share,
        stop: StopEvent,
        meter: InteractionsMeter,
    ) -> None:
        self._publisher, self._meter = publisher, meter
        self._session = StateSession(settings, tuning, stop, meter)
        self._planner = Planner(settings, tuning, self._session)
        self._pending = PendingResolver(self._session, share, meter.pending_ended)
        self._housekeeping_at = 0.0
        self._checked: dict[Stream, int] = {}
        self._partitions_of: date | None = None

    def plan_ahead(self, batch: Batch) -> Work | None:
        """What a batch does, planned while the one before is committed; None: plan it at its turn.

        Counts on that commit: where it fails, the session's stamp changes and this is void.
        """
        if not batch.is_heartbeat:
            self._meter.flow.parts["wait"].observe(time.perf_counter() - batch.since)
        try:
            with translated(), using(batch.traced):
                return self._plan(batch)
        except (Unavailable, UsersMerged) as error:
            log.info("%s; planning again", error)
            return None

    def commit(self, batch: Batch, work: Work | None = None) -> None:
        """Commit the batch; a heartbeat only looks after waiting events.

        Raises:
            Fenced: another worker owns a partition, or a chunk was applied already.
        """
        if time.monotonic() >= self._housekeeping_at:
            self.housekeeping(batch.spans[0])
        if batch.is_heartbeat:
            self._session.surely(lambda: self._check_positions(batch.spans), lambda: False)
        else:
            with following(batch):
                self._commit_once(batch, work)
        for span in batch.spans:
            lag = self._meter.flow.lag(span.stream.partition)
            lag.reached(span.next_offset, span.received_s)

    def _check_positions(self, spans: Sequence[Span]) -> Changes:
        """Once a session: PostgreSQL may have been restored to an older state while nothing came.

        Raises:
            Fenced: a position is not where this worker has brought it.
        """
        sessions = self._session.sessions
        for span in spans:
            if self._checked.get(span.stream, 1) < sessions:
                stored = find_position(self._session.connection, span.stream)
                if stored != span.previous_offset:
                    raise Fenced(f"interactions: the position was set back to {stored}")
                self._checked[span.stream] = sessions
        return []

    def _commit_once(self, batch: Batch, work: Work | None) -> None:
        spans = [span for span in batch.spans if span.next_offset > span.previous_offset]

        def attempt() -> Changes:
            nonlocal work
            if work is None or work.stamp != self._session.stamp:
                work = self._plan(batch)
            return self._commit(work)

        def committed() -> bool:
            offset = find_position(self._session.connection, spans[0].stream)
            return offset == spans[0].next_offset

        changes = self._session.surely(attempt, committed)
        assert work is not None
        self._meter.committed(work.batch, work.committed, work.waiting)
        for span in spans:
            self._publish(span, changes, span.next_offset, told(batch, changes))
            changes = []
        self._meter.pushed(work.batch)

    def housekeeping(self, span: Span) -> None:
        """Notice a new tuning and item versions, add events that waited; daily, partitions."""
        today = datetime.now(UTC).date()
        if today != self._partitions_of:
            self._session.surely(lambda: self._make_partitions(today), lambda: False)
            self._partitions_of = today
        self._session.surely(self._look, lambda: False)
        while changes := self._session.surely(self._pending.add_some, lambda: False):
            self._publish(span, changes, span.previous_offset)
        self._housekeeping_at = time.monotonic() + HOUSEKEEPING_INTERVAL_S

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _plan(self, batch: Batch) -> Work:
        watch = self._meter.flow.stopwatch()
        with self._session.lock:
            work = self._planner.plan(batch, watch)
        if not batch.is_heartbeat:
            watch.lap("plan")
        return work

    def _look(self) -> Changes:
        with self._session.lock:
            self._session.refresh()
            self._pending.look()
        return []

    def _make_partitions(self, today: date) -> Changes:
        ensure_log_partitions(self._session.connection, today)
        return []

    def _commit(self, work: Work) -> Changes:
        connection, batch, watch = self._session.connection, work.batch, work.watch
        watch.lap("turn")
        with connection.transaction():
            work.committed = counts = work.counts()
            for span, count in zip(work.spans, counts, strict=True):
                advance_position(
                    connection,
                    span.stream,
                    epoch=span.epoch,
                    previous=span.previous_offset,
                    next_offset=span.next_offset,
                    end_offset=span.end_offset,
                    counts=count,
                )
            watch.lap("positions")
            if self._session.write_states(work.plan, work.states):
                self._correct(work)
            watch.lap("states")
            if work.rows is not None:
                store.write_log(connection, work.log)
                if not work.item_known.all():
                    log_id = work.spans[0].stream.log_id
                    store.write_pending(connection, log_id, work.rows, work.recorded_at)
            self._mark_retried(batch)
            if batch.dead_letters:
                self._session.check_erasures(work.plan)
                stream = work.spans[0].stream
                store.write_dead_letters(connection, stream, batch.dead_letters, work.recorded_at)
            watch.lap("log")
        watch.lap("commit")
        return work.plan.changes

    def _correct(self, work: Work) -> None:
        """Some states were planned again: events may have turned out to be duplicates."""
        before, work.committed = work.committed, work.counts()
        for span, was, now in zip(work.spans, before, work.committed, strict=True):
            store.adjust_counts(
                self._session.connection,
                span.stream,
                moved=was.applied - now.applied,
                clamped=was.clamped - now.clamped,
            )
        work.pack_log()

    def _mark_retried(self, batch: Batch) -> None:
        letters = sorted(batch.retries.values())
        if letters and store.mark_retried(self._session.connection, letters) < len(letters):
            raise Unavailable("dead letters were brought back by another worker meanwhile")

    def _publish(
        self, span: Span, changes: Changes, next_offset: int, traced: Sequence[Traced] = ()
    ) -> None:
        stream = span.stream
        now, place = time.time(), (stream.log_id, stream.partition, next_offset)
        hint = PreferenceHint(changes, *place, now, traces=list(traced))
        with traces.stage(f"publish {PREFERENCES}", "producer"):
            self._meter.flow.hint(self._publisher.publish(PREFERENCES, hint))

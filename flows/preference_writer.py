"""The sink of flows/interactions: one transaction a chunk, and nothing is lost or counted twice.

Position, states, log, waiting events and dead letters are committed together. The position's epoch
fences off former owners; each state is written only over the version that it was computed from.
"""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from threading import Event as StopEvent

import numpy as np

from flows.batch import Batch, without
from flows.dead_letter_limit import check_dead_letters
from flows.item_vectors import UNKNOWN
from flows.kafka import Chunk, Share
from flows.live_tuning import LiveTuning
from flows.pending import PendingResolver
from flows.plan import Plan, index_keys
from flows.state_session import Changes, StateSession
from schemas.events import PreferenceHint
from vane.bus import PREFERENCES, Publisher
from vane.errors import Unavailable
from vane.interaction import item_slot
from vane.preference import NO_VECTOR, Events, Ints, Mask
from vane.settings import Settings
from vane.store import interactions as store
from vane.store.partitions import ensure_log_partitions
from vane.store.positions import Counts, advance_position, find_position

HOUSEKEEPING_INTERVAL_S = 1.0


@dataclass(slots=True)
class _Work:
    """The plan of a batch, and what its log rows need beside it; all in the plan's event order."""

    plan: Plan
    row: Ints  # (n,): of the batch
    item_version: Ints  # (n,)
    item_known: Mask  # (n,)
    item_slot: Ints  # (n,)


class PreferenceWriter:
    """Commits batches of interactions and tells the others."""

    def __init__(
        self,
        settings: Settings,
        tuning: LiveTuning,
        publisher: Publisher,
        share: Share,
        stop: StopEvent,
    ) -> None:
        self._settings, self._tuning, self._publisher = settings, tuning, publisher
        self._session = StateSession(settings, tuning, stop)
        self._pending = PendingResolver(self._session, share)
        self._housekeeping_at = 0.0
        self._partitions_of: date | None = None

    def apply(self, batch: Batch) -> None:
        """Commit the batch; a heartbeat only looks after waiting events.

        Raises:
            Fenced: another worker owns the partition, or the chunk was applied already.
        """
        if time.monotonic() >= self._housekeeping_at:
            self.housekeeping(batch.chunk)
        chunk = batch.chunk
        if chunk.next_offset > chunk.previous_offset:
            changes = self._session.surely(
                lambda: self._commit(batch),
                lambda: find_position(self._session.connection, chunk.stream) == chunk.next_offset,
            )
            self._publish(chunk, changes, chunk.next_offset)

    def housekeeping(self, chunk: Chunk) -> None:
        """Notice a new tuning and item versions, add events that waited; daily, partitions."""
        today = datetime.now(UTC).date()
        if today != self._partitions_of:
            self._session.surely(lambda: self._make_partitions(today), lambda: False)
            self._partitions_of = today
        self._session.surely(self._look, lambda: False)
        while changes := self._session.surely(self._pending.add_some, lambda: False):
            self._publish(chunk, changes, chunk.previous_offset)
        self._housekeeping_at = time.monotonic() + HOUSEKEEPING_INTERVAL_S

    def close(self) -> None:
        """Close the connection."""
        self._session.connection.close()

    def _look(self) -> Changes:
        self._session.refresh_tuning()
        self._pending.look()
        return []

    def _make_partitions(self, today: date) -> Changes:
        ensure_log_partitions(self._session.connection, today)
        return []

    def _commit(self, batch: Batch) -> Changes:
        session, chunk = self._session, batch.chunk
        recorded_at = datetime.now(UTC)
        batch = self._without_known_retries(batch)
        check_dead_letters(session.connection, self._settings, batch)
        work = self._plan(batch)
        counts = _counts(batch, work)
        with session.connection.transaction():
            advance_position(
                session.connection,
                chunk.stream,
                epoch=chunk.epoch,
                previous=chunk.previous_offset,
                next_offset=chunk.next_offset,
                end_offset=chunk.end_offset,
                counts=counts,
            )
            if session.write_states(work.plan):
                now = _counts(batch, work)
                store.adjust_counts(
                    session.connection,
                    chunk.stream,
                    moved=counts.applied - now.applied,
                    clamped=counts.clamped - now.clamped,
                )
            self._write_log(batch, work, recorded_at)
            self._mark_retried(batch)
            if batch.dead_letters:
                store.write_dead_letters(
                    session.connection, chunk.stream, batch.dead_letters, recorded_at
                )
        return session.keep(work.plan)

    def _without_known_retries(self, batch: Batch) -> Batch:
        """A dead letter that was brought back before, or earlier in this chunk, is a duplicate."""
        if not batch.retries:
            return batch
        letters = sorted(set(batch.retries.values()))
        retried = store.letters_retried(self._session.connection, letters)
        first = {letter: offset for offset, letter in reversed(batch.retries.items())}
        known = {
            offset
            for offset, letter in batch.retries.items()
            if retried.get(letter, False) or first[letter] != offset
        }
        batch = without(batch, known)
        batch.retries = {at: key for at, key in batch.retries.items() if key in retried}
        return batch

    def _mark_retried(self, batch: Batch) -> None:
        letters = sorted(batch.retries.values())
        if letters and store.mark_retried(self._session.connection, letters) < len(letters):
            raise Unavailable("dead letters were brought back by another worker meanwhile")

    def _plan(self, batch: Batch) -> _Work:
        names = self._session.resolve(event.user_id for event in batch.events)
        users, user = index_keys(names)
        items, item = index_keys(event.item_id for event in batch.events)
        rows, versions = self._session.items.find(self._session.connection, items)
        order = np.argsort(user, kind="stable")
        item = item[order]
        events = Events(
            user=user[order],
            ts_us=batch.ts_us[order],
            weight=batch.weight[order],
            item=np.maximum(rows, NO_VECTOR)[item],
            hash=batch.hash[order],
        )
        plan = self._session.plan(users, events, counting=True)
        slots = np.array([item_slot(item_id) for item_id in items], np.int64)
        return _Work(plan, order, versions[item], (rows != UNKNOWN)[item], slots[item])

    def _write_log(self, batch: Batch, work: _Work, recorded_at: datetime) -> None:
        fresh = work.plan.fresh
        if not fresh.any():
            return
        rows, known = work.row[fresh], work.item_known[fresh].tolist()
        events = [batch.events[row] for row in rows.tolist()]
        users = work.plan.events.user[fresh].tolist()
        excluding = self._tuning.current.excluding_actions
        log = store.LogRows(
            offset=batch.offset[rows],
            event_id=[event.event_id for event in events],
            user_id=[work.plan.users[row] for row in users],
            item_id=[event.item_id for event in events],
            action=[event.action for event in events],
            ts_us=batch.ts_us[rows],
            weight=batch.weight[rows],
            item_version=[
                version if is_known else None
                for version, is_known in zip(work.item_version[fresh].tolist(), known, strict=True)
            ],
            excludes=np.array([event.action in excluding for event in events], bool),
            item_slot=work.item_slot[fresh],
            session_id=[event.session_id for event in events],
            request_id=[event.request_id for event in events],
            position=[event.position for event in events],
        )
        connection, stream = self._session.connection, batch.chunk.stream
        store.write_log(connection, stream, log, recorded_at)
        if not all(known):
            store.write_pending(connection, stream, log, recorded_at)

    def _publish(self, chunk: Chunk, changes: Changes, next_offset: int) -> None:
        stream = chunk.stream
        self._publisher.publish(
            PREFERENCES,
            PreferenceHint(changes, stream.log_id, stream.partition, next_offset, time.time()),
        )


def _counts(batch: Batch, work: _Work) -> Counts:
    applied = int(work.plan.fresh.sum())
    return Counts(
        applied=applied,
        dead_lettered=len(batch.dead_letters),
        duplicates=len(batch.chunk.values) - len(batch.dead_letters) - applied,
        empty=batch.chunk.empty,
        clamped=int(batch.clamped[work.row[work.plan.fresh]].sum()),
    )

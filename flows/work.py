"""Prepares a batch for its transaction: what it does to the users, its log rows, all packed."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from flows.batch import Batch, Span, without
from flows.dead_letter_limit import check_dead_letters
from flows.item_vectors import UNKNOWN
from flows.live_tuning import LiveTuning
from flows.plan import Plan, index_keys
from flows.state_session import StateSession
from vane.interaction import item_slots
from vane.meter import Stopwatch
from vane.preference import NO_VECTOR, Events, Ints, Mask
from vane.settings import Settings
from vane.store import interactions as store
from vane.store.positions import Counts
from vane.store.states import PackedStates


@dataclass(slots=True)
class Work:
    """The plan of a batch, what its log rows need beside it, and both as they are sent.

    The arrays are in the plan's order of events.
    """

    batch: Batch
    spans: list[Span]
    """Those of the batch that are not empty."""
    watch: Stopwatch
    """Since it was planned."""
    stamp: int
    """Of the session when this was planned: another one now means that the plan may be wrong."""
    recorded_at: datetime
    plan: Plan
    row: Ints  # (n,): of the batch
    item_version: Ints  # (n,)
    item_known: Mask  # (n,)
    item_slot: Ints  # (n,)
    excluding: frozenset[str]
    """Actions that keep their item out of the user's lists."""
    states: list[PackedStates]
    rows: store.LogRows | None = None
    log: bytes = b""
    committed: list[Counts] = field(default_factory=list)
    """What became of each span's offsets, as written last."""

    @property
    def waiting(self) -> int:
        """How many of the log rows wait for their item."""
        if self.rows is None or self.item_known.all():
            return 0
        return self.rows.item_version.count(None)

    def pack_log(self) -> None:
        """Pack the log rows of the events that the plan takes for new."""
        fresh, batch = self.plan.fresh, self.batch
        self.rows, self.log = None, b""
        if not fresh.any():
            return
        rows, known = self.row[fresh], self.item_known[fresh].tolist()
        events = [batch.events[row] for row in rows.tolist()]
        users = self.plan.events.user[fresh].tolist()
        versions = zip(self.item_version[fresh].tolist(), known, strict=True)
        self.rows = store.LogRows(
            partition=batch.partition[rows],
            offset=batch.offset[rows],
            event_id=[event.event_id for event in events],
            user_id=[self.plan.users[row] for row in users],
            item_id=[event.item_id for event in events],
            action=[event.action for event in events],
            ts_us=batch.ts_us[rows],
            weight=batch.weight[rows],
            item_version=[version if is_known else None for version, is_known in versions],
            excludes=np.array([event.action in self.excluding for event in events], bool),
            item_slot=self.item_slot[fresh],
            session_id=[event.session_id for event in events],
            request_id=[event.request_id for event in events],
            position=[event.position for event in events],
        )
        log_id = self.spans[0].stream.log_id
        self.log = store.pack_log(log_id, self.rows, self.recorded_at)

    def counts(self) -> list[Counts]:
        """What became of each span's offsets."""
        rows = self.row[self.plan.fresh]
        return [_counts(span, self.batch, rows) for span in self.spans]


class Planner:
    """Makes the work of a batch; its caller holds the session's lock."""

    def __init__(self, settings: Settings, tuning: LiveTuning, session: StateSession) -> None:
        self._settings, self._tuning, self._session = settings, tuning, session

    def plan(self, batch: Batch, watch: Stopwatch) -> Work:
        """What the batch does by the states as they are known now.

        Raises:
            UsersMerged: some users count as others by now; a second time it knows them.
            OperatorNeeded: too many of the messages are dead letters.
        """
        session = self._session
        batch = self._without_erased(self._without_known_retries(batch))
        check_dead_letters(session.reading, self._settings, batch)
        users, user = index_keys(session.resolve(event.user_id for event in batch.events))
        items, item = index_keys(event.item_id for event in batch.events)
        found, versions = session.items.find(session.reading, items)
        order = np.argsort(user, kind="stable")
        item = item[order]
        events = Events(
            user=user[order],
            ts_us=batch.ts_us[order],
            weight=batch.weight[order],
            item=np.where(found >= 0, np.arange(len(found)), NO_VECTOR)[item],
            hash=batch.hash[order],
        )
        plan = session.plan(users, events, session.items.matrix[np.maximum(found, 0)])
        slots = item_slots(items)
        work = Work(
            batch=batch,
            spans=[span for span in batch.spans if span.next_offset > span.previous_offset],
            watch=watch,
            stamp=session.stamp,
            recorded_at=datetime.now(UTC),
            plan=plan,
            row=order,
            item_version=versions[item],
            item_known=(found != UNKNOWN)[item],
            item_slot=slots[item],
            excluding=self._tuning.current.excluding_actions,
            states=session.pack(plan),
        )
        work.pack_log()
        return work

    def _without_erased(self, batch: Batch) -> Batch:
        """What was produced before its user was erased counts for nobody."""
        self._session.know_erasures()
        places = self._session.erasures.places(batch)
        if not places:
            return batch
        left = without(batch, places)
        left.erased = Counter(partition for partition, _ in places)
        return left

    def _without_known_retries(self, batch: Batch) -> Batch:
        """A dead letter that was brought back before, or earlier in this batch, is a duplicate."""
        if not batch.retries:
            return batch
        letters = sorted(set(batch.retries.values()))
        retried = store.letters_retried(self._session.reading, letters)
        first = {letter: place for place, letter in reversed(batch.retries.items())}
        known = {
            place
            for place, letter in batch.retries.items()
            if retried.get(letter, False) or first[letter] != place
        }
        batch = without(batch, known)
        batch.retries = {at: key for at, key in batch.retries.items() if key in retried}
        return batch


def _counts(span: Span, batch: Batch, fresh: Ints) -> Counts:
    partition = span.stream.partition
    mine = fresh[batch.partition[fresh] == partition]
    dead_lettered = sum(letter.partition == partition for letter in batch.dead_letters)
    return Counts(
        applied=len(mine),
        dead_lettered=dead_lettered,
        duplicates=span.messages - dead_lettered - len(mine) - batch.erased[partition],
        erased=batch.erased[partition],
        empty=span.next_offset - span.previous_offset - span.messages,
        clamped=int(batch.clamped[mine].sum()),
    )

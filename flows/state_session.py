"""A worker's connections with its caches, and the two ways in which it writes safely.

`surely` commits exactly once although answers get lost; `write_states` writes each state only over
the version that it was computed from. A plan that meets a merged user is made again by `surely`.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from itertools import chain, repeat
from threading import Event as StopEvent
from threading import RLock

from flows.aliases import Aliases, UsersErased, UsersMerged
from flows.erasures import Erasures
from flows.interactions_meter import InteractionsMeter
from flows.item_vectors import ItemVectors
from flows.live_tuning import LiveTuning
from flows.plan import Changes, HalfLives, Plan
from flows.user_states import UserStates
from vane.errors import Unavailable
from vane.preference import Events, Floats, States
from vane.replay import read_current
from vane.settings import Settings
from vane.store import states as state_store
from vane.store.connection import Connection, connect, translated
from vane.store.erasures import latest_erasure
from vane.store.states import PackedStates

log = logging.getLogger(__name__)

DIMENSION = 384
PENDING_EVENTS_MAX = 5_000
"""Waiting events that are added in one transaction."""

WRITER, READER = "vane interactions", "vane interactions plans"
"""Names of the connections."""

RECONNECT_WAITS_S = (0.0, 0.1, 0.5, 1.0)
"""After each failed attempt; the last one repeats."""


class StateSession:
    """What a worker has read or planned, a connection to read over, and one to write over.

    One thread plans and another one commits. The caches hold states as planned: of the group that
    is being committed too. Where its commit fails they are emptied, and `stamp` changes.

    Attributes:
        connection: of the thread that commits.
        reading: of whoever plans, outside of transactions.
        lock: to be held for planning; nobody plans while a failed commit is repeated.
        stamp: what was planned under another stamp may be wrong.
        sessions: how often it has connected.
    """

    def __init__(
        self, settings: Settings, tuning: LiveTuning, stop: StopEvent, meter: InteractionsMeter
    ) -> None:
        self._settings, self._stop, self._tuning = settings, stop, tuning
        self._meter = meter
        room = max(2 * settings.chunk_events_max, PENDING_EVENTS_MAX)
        self._users = UserStates(max(settings.user_cache_users, room), DIMENSION, meter.users)
        self._aliases = Aliases(max(settings.user_cache_users, room))
        self.items = ItemVectors(max(settings.item_cache_items, room), DIMENSION, meter.items)
        self.erasures = Erasures()
        self.lock, self.stamp, self.sessions = RLock(), 0, 1
        self.connection, self.reading = self._connect(WRITER), self._connect(READER)
        self._vector_oid = state_store.vector_oid(self.connection)

    def surely(self, commit: Callable[[], Changes], committed: Callable[[], bool]) -> Changes:
        """Commit exactly once: an outcome that got lost is looked up before another attempt.

        A commit whose answer was lost names no changes: to the others it is a missed hint.
        """
        uncertain = False
        with ExitStack() as nobody_plans:
            while True:
                try:
                    with translated():
                        return [] if uncertain and committed() else commit()
                except BaseException as error:  # noqa: BLE001 - raised again below
                    failure = error
                nobody_plans.enter_context(self.lock)
                self._forget_users()
                if not isinstance(failure, (UsersMerged, Unavailable)):
                    raise failure
                away = isinstance(failure, Unavailable)
                self._meter.retries["unavailable" if away else "merged"].add()
                if away:
                    log.warning("%s; trying again", failure)
                    uncertain = True
                    self.reconnect()
                else:
                    log.info("%s; planning again", failure)

    def reconnect(self) -> None:
        """New connections and empty caches: Postgres may have come back in an older state.

        Raises:
            Unavailable: Postgres does not answer and the process is told to stop.
        """
        self._forget_users()
        self.erasures.outdated = True
        self._aliases.clear()
        self.items.clear()
        self.close()
        self.connection, self.reading = self._connect(WRITER), self._connect(READER)
        self.sessions += 1

    def close(self) -> None:
        """Close the connections."""
        self.connection.close()
        self.reading.close()

    def _forget_users(self) -> None:
        self._users.clear()
        self.stamp += 1

    def _connect(self, application: str) -> Connection:
        for wait_s in chain(RECONNECT_WAITS_S, repeat(RECONNECT_WAITS_S[-1])):
            try:
                connection = connect(self._settings, application)
                with translated():
                    self._tuning.refresh(connection)
            except Unavailable as error:
                log.warning("%s", error)
                if self._stop.wait(wait_s):
                    raise
            else:
                return connection
        raise AssertionError("the waits never end")

    def resolve(self, users: Iterable[str]) -> Iterable[str]:
        """The users as whom these count, as far as merges are known here."""
        return self._aliases.resolve(users)

    def plan(self, users: list[str], events: Events, vectors: Floats) -> Plan:
        """What the events do to the resolved users as they are known here; kept as if committed."""
        known = self.erasures.known
        base, slots = self._users.read(
            users, lambda missing: self._read(self.reading, missing, known)
        )
        plan = Plan.make(users, events, base, vectors, self._lives, counting=True)
        plan.erasure = known
        self._users.keep(slots[plan.touched], plan.written()[1])
        return plan

    def pack(self, plan: Plan, among: Sequence[str] | None = None) -> list[PackedStates]:
        """The states that a plan writes, or those of these users."""
        generation = self._tuning.current.generation
        return state_store.pack_states(*plan.written(among), generation, self._vector_oid)

    def add_terms(self, users: list[str], events: Events, vectors: Floats) -> Plan:
        """Add the terms of events that were counted before, inside the caller's transaction."""
        known = self.know_erasures()
        base = self._read(self.connection, users, known)
        plan = Plan.make(users, events, base, vectors, self._lives, counting=False)
        plan.erasure = known
        self.write_states(plan, self.pack(plan))
        self._users.drop(users)
        return plan

    def refresh(self) -> None:
        """Notice another tuning and erasures; states of before are of no use then."""
        before = self._tuning.refresh(self.connection)
        generation = self._tuning.current.generation
        erased = self.erasures.refresh(self.connection)
        if erased or (before and before.generation != generation):
            self._forget_users()

    def check_erasures(self, plan: Plan) -> None:
        """Look for new erasures inside the caller's transaction, which has locked its positions.

        Raises:
            UsersErased: there are; what is to be written may name one of them.
        """
        self._check_erasure(latest_erasure(self.connection), plan.erasure)

    def _check_erasure(self, latest: int, planned: int) -> None:
        if latest > planned:
            self.erasures.outdated = True
            raise UsersErased("users were erased")

    def know_erasures(self) -> int:
        """The number of the newest known erasure, once those that were met are read."""
        if self.erasures.outdated:
            self.erasures.load(self.reading)
        return self.erasures.known

    @property
    def _lives(self) -> HalfLives:
        return self._tuning.current.half_lives_s

    def _read(self, connection: Connection, users: Sequence[str], planned: int) -> States:
        """States from Postgres, those of former half-lives replayed from the log.

        Raises:
            UsersMerged: some of the users count as others, or were erased since the erasure
                with the number `planned`.
        """
        current = self._tuning.current
        states, merged, erasure = read_current(connection, users, current, DIMENSION)
        self._check_erasure(erasure, planned)
        if merged:
            self._aliases.add(merged)
            raise UsersMerged(f"{len(merged)} of {len(users)} users were merged into others")
        return states

    def write_states(self, plan: Plan, packed: Sequence[PackedStates]) -> bool:
        """Write what was packed of a plan, inside the caller's transaction.

        Users that were refused are read and computed again; returns whether there were any.
        """
        refused = state_store.write_states(self.connection, packed)
        if not refused:
            return False
        self._meter.refused.add(len(refused))
        log.info("%d of %d states were written by others meanwhile", len(refused), len(plan.users))
        with self.lock:
            self._users.drop(refused)
            base, slots = self._users.read(
                refused, lambda users: self._read(self.connection, users, plan.erasure)
            )
            plan.replan(refused, base, self._lives)
            left = state_store.write_states(self.connection, self.pack(plan, refused))
            assert not left, "their rows are locked by this transaction"
            written, states = plan.written(refused)
            if len(written) == len(refused):
                self._users.keep(slots, states)
            else:  # another writer may have reached the versions that a plan ahead counts on
                self._forget_users()
        return True

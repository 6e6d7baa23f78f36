"""A worker's connection with its caches, and the two ways in which it writes safely.

`surely` commits exactly once although answers get lost; `write_states` writes each state only over
the version that it was computed from. A plan that meets a merged user is made again by `surely`.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from threading import Event as StopEvent

import numpy as np

from flows.aliases import Aliases, UsersMerged
from flows.item_vectors import ItemVectors
from flows.live_tuning import LiveTuning
from flows.plan import HalfLives, Plan
from flows.user_states import UserStates
from vane.errors import Unavailable
from vane.preference import Events, States
from vane.replay import read_current
from vane.settings import Settings
from vane.store import interactions as store
from vane.store.connection import Connection, connect, translated

log = logging.getLogger(__name__)

DIMENSION = 384
PENDING_EVENTS_MAX = 5_000
"""Waiting events that are added in one transaction."""

RECONNECT_WAITS_S = (0.0, 0.1, 0.5, 1.0)
"""After each failed attempt; the last one repeats."""

Changes = list[tuple[str, int]]
"""Users with the versions that were committed for them."""


class StateSession:
    """One connection, and what was read or committed over it."""

    def __init__(self, settings: Settings, tuning: LiveTuning, stop: StopEvent) -> None:
        self._settings, self._stop, self._tuning = settings, stop, tuning
        room = max(2 * settings.chunk_events_max, PENDING_EVENTS_MAX)
        self._users = UserStates(max(settings.user_cache_users, room), DIMENSION)
        self._aliases = Aliases(max(settings.user_cache_users, room))
        self.items = ItemVectors(max(settings.item_cache_items, room), DIMENSION)
        self.connection = self._connect()

    def surely(self, commit: Callable[[], Changes], committed: Callable[[], bool]) -> Changes:
        """Commit exactly once: an outcome that got lost is looked up before another attempt.

        A commit whose answer was lost names no changes: to the others it is a missed hint.
        """
        uncertain = False
        while True:
            try:
                with translated():
                    return [] if uncertain and committed() else commit()
            except UsersMerged as merged:
                log.info("%s; planning again", merged)
            except Unavailable as error:
                log.warning("%s; trying again", error)
                uncertain = True
                self.reconnect()

    def reconnect(self) -> None:
        """A new connection and empty caches: Postgres may have come back in an older state.

        Raises:
            Unavailable: Postgres does not answer and the process is told to stop.
        """
        self._users.clear()
        self._aliases.clear()
        self.items.clear()
        self.connection.close()
        self.connection = self._connect()

    def _connect(self) -> Connection:
        for wait_s in chain(RECONNECT_WAITS_S, repeat(RECONNECT_WAITS_S[-1])):
            try:
                connection = connect(self._settings, "vane interactions")
                with translated():
                    store.prepare(connection)
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

    def plan(self, users: list[str], events: Events, *, counting: bool) -> Plan:
        """What the events do to the resolved users as they are known here."""
        base = self._users.read(users, self._read)
        return Plan.make(users, events, base, self.items.matrix, self._lives, counting=counting)

    def refresh_tuning(self) -> None:
        """Notice another tuning; states of former half-lives are of no use then."""
        before = self._tuning.refresh(self.connection)
        if before and before.generation != self._tuning.current.generation:
            self._users.clear()

    @property
    def _lives(self) -> HalfLives:
        return self._tuning.current.half_lives_s

    def _read(self, users: Sequence[str]) -> States:
        """States from Postgres, those of former half-lives replayed from the log.

        Raises:
            UsersMerged: some of the users count as others.
        """
        states, merged = read_current(self.connection, users, self._tuning.current, DIMENSION)
        if merged:
            self._aliases.add(merged)
            raise UsersMerged(f"{len(merged)} of {len(users)} users were merged into others")
        return states

    def write_states(self, plan: Plan) -> bool:
        """Write the touched users, inside the caller's transaction.

        Those that were refused are read and computed again; returns whether there were any.
        """
        names, states = _chosen(plan, plan.touched)
        refused = self._write(names, states)
        if not refused:
            return False
        log.info("%d of %d states were written by others meanwhile", len(refused), len(names))
        plan.replan(refused, self._read(refused), self.items.matrix, self._lives)
        names, states = _chosen(plan, plan.touched & np.isin(plan.users, refused))
        left = self._write(names, states)
        assert not left, "their rows are locked by this transaction"
        return True

    def _write(self, names: list[str], states: States) -> list[str]:
        if not names:
            return []
        generation = self._tuning.current.generation
        return store.write_states(self.connection, names, states, generation)

    def keep(self, plan: Plan) -> Changes:
        """Remember what was committed."""
        names, states = _chosen(plan, plan.touched)
        self._users.keep(names, states)
        return list(zip(names, states.version.tolist(), strict=True))


def _chosen(
    plan: Plan, users: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> tuple[list[str], States]:
    if users.all():
        return plan.users, plan.states
    return [plan.users[row] for row in np.flatnonzero(users).tolist()], plan.states.take(users)

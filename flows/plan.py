"""What a set of events does to its users: computed before, and again where a write was refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vane.preference import Events, Floats, Ints, Mask, States, add_terms, apply_events, first_seen

HalfLives = tuple[float, float]
Changes = list[tuple[str, int]]
"""Users with the versions that were committed for them."""


def index_keys(keys: Iterable[str]) -> tuple[list[str], Ints]:
    """The distinct keys in ascending order, and each key's place among them."""
    column = list(keys)
    distinct = sorted(set(column))
    place = dict(zip(distinct, range(len(distinct)), strict=True))
    return distinct, np.fromiter(map(place.__getitem__, column), np.int64, len(column))


@dataclass(slots=True)
class Plan:
    """New states of m users after n events, to be written over the version before."""

    users: list[str]  # (m,), ascending
    events: Events  # (n,)
    vectors: Floats  # (k, d): of the events' items
    states: States  # (m,)
    fresh: Mask  # (n,): events that are no duplicates
    counting: bool
    """Whether events are counted and checked for duplicates; else only their terms are added."""
    erasure: int = 0
    """The number of the newest erasure that was known when this was planned."""

    @classmethod
    def make(
        cls,
        users: list[str],
        events: Events,
        base: States,
        vectors: Floats,
        lives: HalfLives,
        *,
        counting: bool,
    ) -> "Plan":
        """Plan from the states `base` of `users`, in place; `events` are sorted by user."""
        if counting:
            fresh = first_seen(base, events)
            apply_events(base, events.take(fresh), vectors, lives)
        else:
            fresh = np.ones(len(events), bool)
            add_terms(base, events, vectors, lives)
        base.version += 1
        return cls(users, events, vectors, base, fresh, counting)

    @property
    def touched(self) -> Mask:
        """Which users have a fresh event, (m,)."""
        counts = np.bincount(self.events.user[self.fresh], minlength=len(self.users))
        return np.asarray(counts > 0)

    def written(self, among: Sequence[str] | None = None) -> tuple[list[str], States]:
        """The users with a fresh event, all or among these, and their states."""
        chosen = self.touched
        if among is not None:
            chosen &= np.isin(self.users, among)
        if chosen.all():
            return self.users, self.states
        return [self.users[row] for row in np.flatnonzero(chosen).tolist()], self.states.take(
            chosen
        )

    @property
    def changes(self) -> Changes:
        """The users that are written, and their versions."""
        names, states = self.written()
        return list(zip(names, states.version.tolist(), strict=True))

    def replan(self, users: Sequence[str], base: States, lives: HalfLives) -> None:
        """Compute these users again from the states that are in the way."""
        place = {user: row for row, user in enumerate(self.users)}
        rows = np.array([place[user] for user in users], np.int64)
        order = np.argsort(rows)
        rows = rows[order]
        chosen = np.isin(self.events.user, rows)
        events = self.events.take(chosen)
        events.user = np.searchsorted(rows, events.user)
        names = [self.users[row] for row in rows.tolist()]
        base = base.take(order)
        again = Plan.make(names, events, base, self.vectors, lives, counting=self.counting)
        self.states.put(rows, again.states)
        self.fresh[chosen] = again.fresh

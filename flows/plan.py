"""What a set of events does to its users: computed before, and again where a write was refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vane.preference import Events, Floats, Ints, Mask, States, add_terms, apply_events, first_seen

HalfLives = tuple[float, float]


def index_keys(keys: Iterable[str]) -> tuple[list[str], Ints]:
    """The distinct keys in ascending order, and each key's place among them."""
    column = list(keys)
    distinct = sorted(set(column))
    place = {key: row for row, key in enumerate(distinct)}
    return distinct, np.array([place[key] for key in column], np.int64)


@dataclass(slots=True)
class Plan:
    """New states of m users after n events, to be written over the version before."""

    users: list[str]  # (m,), ascending
    events: Events  # (n,)
    states: States  # (m,)
    fresh: Mask  # (n,): events that are no duplicates
    counting: bool
    """Whether events are counted and checked for duplicates; else only their terms are added."""

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
        """Plan from the states `base` of `users`; `events` are sorted by user."""
        if counting:
            fresh = first_seen(base, events)
            states = apply_events(base, events.take(fresh), vectors, lives)
        else:
            fresh = np.ones(len(events), bool)
            states = add_terms(base, events, vectors, lives)
        states.version += 1
        return cls(users, events, states, fresh, counting)

    @property
    def touched(self) -> Mask:
        """Users with at least one fresh event, (m,)."""
        touched: Mask = np.bincount(self.events.user[self.fresh], minlength=len(self.users)) > 0
        return touched

    def replan(self, users: Sequence[str], base: States, vectors: Floats, lives: HalfLives) -> None:
        """Compute these users again from the states that are in the way."""
        place = {user: row for row, user in enumerate(self.users)}
        rows = np.array([place[user] for user in users], np.int64)
        order = np.argsort(rows)
        rows = rows[order]
        chosen = np.isin(self.events.user, rows)
        events = self.events.take(chosen)
        events.user = np.searchsorted(rows, events.user)
        names = [self.users[row] for row in rows.tolist()]
        again = Plan.make(names, events, base.take(order), vectors, lives, counting=self.counting)
        self.states.put(rows, again.states)
        self.fresh[chosen] = again.fresh

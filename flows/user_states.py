"""The states of recent users that a worker keeps, so that it need not read them back."""

from collections.abc import Callable, Sequence

import numpy as np

from vane.meter import Lookups
from vane.preference import Ints, States
from vane.slots import MISSING, Slots


class UserStates:
    """A bounded cache of states.

    It may be stale, as others write user rows too: every write checks the version, so a stale
    state is refused and read again, never written over a newer one.
    """

    def __init__(self, capacity: int, dimension: int, lookups: Lookups) -> None:
        self._lookups = lookups
        self._slots = Slots(capacity)
        self._states = States.empty(capacity, dimension)
        self._dimension = dimension

    def read(
        self, users: Sequence[str], load: Callable[[list[str]], States]
    ) -> tuple[States, Ints]:
        """The states of distinct users, from memory where they are, else by `load`; their slots."""
        slots = self._slots.find(users)
        missing = np.flatnonzero(slots == MISSING)
        self._lookups.count(len(users), len(missing))
        if len(missing):
            names = [users[row] for row in missing.tolist()]
            loaded = load(names)
            slots[missing] = self._slots.assign(names, slots[slots != MISSING])
            self._states.put(slots[missing], loaded)
        return self._states.take(slots), slots

    def keep(self, slots: Ints, states: States) -> None:
        """Remember states that were just planned, of users who were just read."""
        self._states.put(slots, states)

    def drop(self, users: Sequence[str]) -> None:
        """Forget these users."""
        self._slots.drop(users)

    def clear(self) -> None:
        """Forget everything, for example after a failed transaction."""
        self._slots.clear()

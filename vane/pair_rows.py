"""Co-visitation that can be read after every event: one small array an item. Pure numpy.

The same sums as `vane.covisitation` holds, for a replica that predicts between any two events;
many times slower to fill, as it keeps every row ready.
"""

import numpy as np
from numpy.typing import NDArray

from vane.covisitation import HELD_MAX, NEIGHBOURS_MAX
from vane.following import Neighbours
from vane.histories import LookBack
from vane.pairs import HALF_LIVES_US, KINDS, NEXT, NEXT_PLACES, PLACE_DECAY

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

_FIRST_ROOM = 8


class PairRows:
    """The neighbour rows of all items, by number."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}

    def add(self, items: Ints, ts_us: Ints, look: LookBack) -> None:
        """Add what n events bring.

        Args:
            items: (n,) numbers.
            ts_us: (n,) event times.
            look: what the histories say of the events.
        """
        if not len(items):
            return  # np.split always gives a part
        order = np.lexsort((look.place, look.event))
        others = np.split(
            look.other[order], np.searchsorted(look.event[order], np.arange(1, len(items)))
        )
        events = zip(items.tolist(), ts_us.tolist(), look.counted.tolist(), others, strict=True)
        for item, at_us, counted, window in events:
            if counted > 0:
                self._pair(item, at_us, counted, window.tolist())

    def neighbours(self, item: int) -> Neighbours | None:
        """The item's row, None where nothing is known."""
        row = self._rows.get(item)
        return row.neighbours() if row else None

    def _pair(self, item: int, ts_us: int, counted: float, window: list[int]) -> None:
        mine = self._rows.setdefault(item, _Row(ts_us))
        left = mine.decay_to(ts_us)
        mine.mass[:NEXT] += counted * left[:NEXT]
        together = counted * np.exp2(-np.arange(len(window)) / PLACE_DECAY)
        mine.add(window, together[:, None] * left[:NEXT])
        for place, (other, weight) in enumerate(zip(window, together.tolist(), strict=True)):
            theirs = self._rows.setdefault(other, _Row(ts_us))
            term = weight * theirs.decay_to(ts_us)
            term[NEXT] *= counted * 2.0**-place / weight if place < NEXT_PLACES else 0.0
            theirs.mass[NEXT] += term[NEXT]
            theirs.add([item], term)


class _Row:
    """Decayed pair weights of one item; the weaker half goes when there are too many."""

    __slots__ = ("_as_of_us", "_slots", "_values", "mass")

    def __init__(self, ts_us: int) -> None:
        self._slots: dict[int, int] = {}
        self._values = np.zeros((_FIRST_ROOM, KINDS))
        self._as_of_us = ts_us
        self.mass = np.zeros(KINDS)

    def decay_to(self, ts_us: int) -> Doubles:
        """Bring to this time if it is newer; what is left of a term of this time, (KINDS,)."""
        left = np.exp2(-abs(ts_us - self._as_of_us) / HALF_LIVES_US)
        if ts_us <= self._as_of_us:
            return np.asarray(left)
        self._values[: len(self._slots)] *= left
        self.mass *= left
        self._as_of_us = ts_us
        return np.ones(KINDS)

    def add(self, items: list[int], weights: Doubles) -> None:
        """Add weights (n, kinds), or (kinds,) for all, to distinct items."""
        slots = self._slots
        found = [slots.setdefault(item, len(slots)) for item in items]
        while len(slots) > len(self._values):
            self._values = np.concatenate([self._values, np.zeros_like(self._values)])
        self._values[found, : weights.shape[-1]] += weights
        if len(slots) > HELD_MAX:
            self._keep(self._strongest(HELD_MAX // 2))

    def neighbours(self) -> Neighbours:
        """The strongest, as serving reads them."""
        items = np.fromiter(self._slots, np.int64, len(self._slots))
        values = self._values[: len(items)]
        if len(items) > NEIGHBOURS_MAX:
            kept = self._strongest(NEIGHBOURS_MAX)
            items, values = items[kept], values[kept]
        return Neighbours(
            items=items,
            together=values[:, :NEXT].astype(np.float32),
            next=values[:, NEXT].astype(np.float32),
            mass=self.mass[:NEXT].copy(),
            next_mass=float(self.mass[NEXT]),
            as_of_us=self._as_of_us,
        )

    def _strongest(self, count: int) -> Ints:
        """Slots of the strongest by their largest share of the row's maximum over the kinds."""
        values = self._values[: len(self._slots)]
        highest = values.max(axis=0)
        shares = np.divide(values, highest, out=np.zeros_like(values), where=highest > 0)
        return np.asarray(np.argpartition(-shares.max(axis=1), count - 1)[:count])

    def _keep(self, slots: Ints) -> None:
        items = list(self._slots)
        kept = self._values[slots]
        self._slots = {items[slot]: place for place, slot in enumerate(slots.tolist())}
        self._values = np.zeros((HELD_MAX + 1, KINDS))
        self._values[: len(kept)] = kept

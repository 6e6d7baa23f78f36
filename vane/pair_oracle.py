"""What the log says items' neighbours must be: `vane verify`'s own arithmetic, as in `vane.oracle`.

A batch recomputation: all terms of a row are collected and summed at the end. Terms of all pairs of
a large log do not fit into memory: with more than `TERMS_MAX` only half of the items are kept, then
a quarter, and so on, chosen by the hash of their ids.

A weight in float32 is rounded when the terms of a merge are summed, when that is added, when its
row is decayed (factor and product), and when the row is stored and loaded again; each at most as
often as the row has events n. So with lost = 0

    |stored - exact| <= g_k · exact,   k = 6·n + 8

and in general stored <= exact·(1 + g_k) and exact·(1 - g_k) <= stored + lost. A row that has never
had more than 200 neighbours has lost nothing. A row that began with a base, as it was stored
when months of the log went, has the base's weights as terms; what the base has lost is not counted
as lost by it. A row with pairs of erased users, which the log no
longer has, is held against it from below alone.
"""

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from vane.oracle import (
    FLOAT32_ROUNDOFF,
    FLOAT64_ROUNDOFF,
    UNDERFLOW,
    Verdict,
    beyond,
    bounded,
    gamma,
    unequal,
)
from vane.trend_oracle import TREND_SLOTS, Act, Counted

Doubles = NDArray[np.float64]

TERMS_MAX = 2_000_000
HALF_LIVES_US = [math.inf, 3 * 86_400e6, 6 * 3_600e6, 30 * 86_400e6]
"""Together: never, 3 d, 6 h; next: 30 d."""

WINDOW_ITEMS, NEXT_PLACES, PLACE_DECAY = 20, 3, 10
LISTED_MAX = 200
TERMS_OF_EVENT_MAX = 81
"""That an event adds to a row: its own, its window's, and those of the events that follow it."""

OWN = -1
"""Stands for the neighbour in a term of the item's own mass."""


@dataclass(frozen=True, slots=True)
class NeighbourState:
    """A row of `item_neighbour`."""

    slot: int
    as_of_us: int
    mass: Doubles  # (4,)
    lost: Doubles  # (4,)
    neighbours: list[str]
    weights: NDArray[np.float32]  # (k, 4)


class ExpectedRow:
    """A row as the log says."""

    def __init__(self, item_id: str, ids: list[str], terms: NDArray[np.float64]) -> None:
        """Args: item; names by code; terms (n, 4): neighbour or OWN, time, together, next."""
        self.item_id = item_id
        self._events = len(terms)
        times = terms[:, 1]
        self._as_of_us = int(times.max())
        age = self._as_of_us - times
        codes, place = np.unique(terms[:, 0].astype(np.int64), return_inverse=True)
        columns = [*[terms[:, 2]] * (len(HALF_LIVES_US) - 1), terms[:, 3]]
        sums = np.column_stack(
            [
                np.bincount(place, column * np.exp2(-age / half_life_us))
                for column, half_life_us in zip(columns, HALF_LIVES_US, strict=True)
            ]
        )
        own = codes == OWN
        self._mass = sums[own].sum(axis=0)
        self._mass[-1] = sums[:, -1].sum()
        self._had_lost = False
        names = [ids[code] for code in codes[~own].tolist()]
        self._weights = dict(zip(names, sums[~own], strict=True))

    def add_base(self, base: NeighbourState) -> None:
        """Begin with the row as it was before."""
        as_of_us = max(self._as_of_us, base.as_of_us)
        self._decay_to(as_of_us, 1)
        self._as_of_us = as_of_us
        left = np.exp2(-(as_of_us - base.as_of_us) / np.array(HALF_LIVES_US))
        self._mass = self._mass + base.mass * left
        for name, weights in zip(base.neighbours, base.weights.astype(np.float64), strict=True):
            self._weights[name] = self._weights.get(name, 0.0) + weights * left
        self._had_lost = bool(base.lost.any())

    def compare(self, stored: NeighbourState | None, *, erased: int = 0) -> Verdict:
        """Hold the stored row against this one; so many events of the item were erased."""
        if stored is None:
            return Verdict(["no neighbours, expected a row"])
        slot = xxhash.xxh3_64_intdigest(self.item_id.encode()) % TREND_SLOTS
        differences = unequal("slot of the neighbours", stored.slot, slot)
        if not erased or stored.as_of_us < self._as_of_us:
            differences += unequal(
                "as_of of the neighbours in microseconds", stored.as_of_us, self._as_of_us
            )
        twice = [name for name, count in Counter(stored.neighbours).items() if count > 1]
        differences += [f"neighbour {name} is listed twice" for name in twice]
        full = self._had_lost or len(self._weights) > LISTED_MAX
        if not erased and not full and stored.lost.any():
            differences.append("lost weights though no list was full")
        if erased:
            self._decay_to(stored.as_of_us, erased * TERMS_OF_EVENT_MAX)
        below = bool(erased)
        mass = self._mass_share(stored, below=below)
        shares = {"mass of the neighbours": mass, **self._shares(stored, below=below)}
        for name, share in shares.items():
            differences += beyond(name, share)
        return Verdict(differences, max(shares.values()))

    def _decay_to(self, as_of_us: int, terms: int) -> None:
        """To a newer time, with so many more terms than are known."""
        left = np.exp2(-max(as_of_us - self._as_of_us, 0) / np.array(HALF_LIVES_US))
        self._mass = self._mass * left
        self._weights = {name: weights * left for name, weights in self._weights.items()}
        self._events += terms

    def _mass_share(self, stored: NeighbourState, *, below: bool) -> float:
        bound = (8 * self._events + 512) * FLOAT64_ROUNDOFF * self._mass + UNDERFLOW
        missing = self._mass - stored.mass
        return bounded(float(((missing if below else np.abs(missing)) / bound).max()))

    def _shares(self, stored: NeighbourState, *, below: bool) -> dict[str, float]:
        listed = dict(zip(stored.neighbours, stored.weights.astype(np.float64), strict=True))
        nothing = np.zeros(len(HALF_LIVES_US))
        relative = gamma(6 * self._events + 8, FLOAT32_ROUNDOFF)
        worst = {"weight of neighbours": 0.0}
        for name in listed.keys() | self._weights.keys():
            exact, found = self._weights.get(name, nothing), listed.get(name, nothing)
            bound = relative * exact + FLOAT32_ROUNDOFF * stored.lost + UNDERFLOW
            missing = exact - found - stored.lost
            error = missing if below else np.maximum(found - exact, missing)
            share = bounded(float((error / bound).max()))
            if not share <= 1:
                worst[f"neighbour {name}"] = share
            worst["weight of neighbours"] = max(worst["weight of neighbours"], min(share, 1.0))
        return worst


class ExpectedNeighbours:
    """The terms of rows, as acts bring them."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._hash: list[int] = []
        self._rows, self._others = array("q"), array("q")
        self._times, self._together, self._next = array("d"), array("d"), array("d")
        self.sampled = 1
        """One of so many items is checked."""

    def add(
        self, act: Act, counted: Counted, history: list[Act], behind: Mapping[str, bool]
    ) -> None:
        """Add the terms of an act.

        Args:
            act: the act.
            counted: its capped weight.
            history: of its user.
            behind: whether the slot of an item, by its id, has read the act.
        """
        if counted.weight <= 0:
            return
        self._add(act.item_id, OWN, act.ts_us, counted.weight, 0.0, behind)
        window: list[str] = []
        for past in reversed(history):
            if past.item_id != act.item_id and past.item_id not in window:
                window.append(past.item_id)
                if len(window) == WINDOW_ITEMS:
                    break
        own = self._code(act.item_id)
        for place, other in enumerate(window):
            together = counted.weight * math.exp2(-place / PLACE_DECAY)
            follows = counted.weight * math.exp2(-place) if place < NEXT_PLACES else 0.0
            self._add(act.item_id, self._code(other), act.ts_us, together, 0.0, behind)
            self._add(other, own, act.ts_us, together, follows, behind)
        if len(self._rows) > TERMS_MAX:
            self._halve()

    def rows(self) -> Iterator[ExpectedRow]:
        """The rows of the items that are checked."""
        ids = list(self._codes)
        rows = np.array(self._rows)
        terms = np.column_stack([self._others, self._times, self._together, self._next])
        order = np.argsort(rows, kind="stable")
        starts = np.flatnonzero(np.diff(rows[order], prepend=-1))
        for group in np.split(order, starts[1:]) if len(order) else []:
            yield ExpectedRow(ids[int(rows[group[0]])], ids, terms[group])

    def checks(self, item: str) -> bool:
        """Whether the item is in the sample."""
        return xxhash.xxh3_64_intdigest(item.encode()) // TREND_SLOTS % self.sampled == 0

    def _add(
        self,
        row: str,
        other: int,
        ts_us: int,
        together: float,
        follows: float,
        behind: Mapping[str, bool],
    ) -> None:
        code = self._code(row)
        if self._hash[code] % self.sampled == 0 and behind[row]:
            self._rows.append(code)
            self._others.append(other)
            self._times.append(ts_us)
            self._together.append(together)
            self._next.append(follows)

    def _code(self, item: str) -> int:
        code = self._codes.setdefault(item, len(self._codes))
        if code == len(self._hash):
            self._hash.append(xxhash.xxh3_64_intdigest(item.encode()) // TREND_SLOTS)
        return code

    def _halve(self) -> None:
        self.sampled *= 2
        hashes = np.array(self._hash, np.uint64)
        kept = hashes[np.array(self._rows)] % np.uint64(self.sampled) == 0
        for name in ("_rows", "_others", "_times", "_together", "_next"):
            column = getattr(self, name)
            setattr(self, name, array(column.typecode, np.array(column)[kept].tobytes()))


def changed(base: NeighbourState, stored: NeighbourState | None) -> list[str]:
    """What differs of a row to which nothing was added since its base."""
    if stored is None:
        return ["no neighbours, though months that are gone had some"]
    if stored.neighbours == base.neighbours and all(
        np.array_equal(getattr(stored, name), getattr(base, name))
        for name in ("as_of_us", "mass", "lost", "weights")
    ):
        return []
    return ["its neighbours have changed, though nothing was added"]

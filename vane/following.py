"""What people who touched the user's newest items go on to touch. Pure numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vane.item_table import ItemTable
from vane.pairs import HALF_LIVES_US, NEXT
from vane.popularity import COLUMNS

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

TOGETHER = ("together", "together_3d", "together_6h")
FOLLOWED = (*TOGETHER, "next", "together_last", "together_closest")
"""Kinds of scores, which are names of sources."""

FOLLOWED_RECENT = 20
"""Newest items whose neighbours are followed."""

CLOSEST_TOGETHER = 10
NEXT_RECENT = 5

_PLACE_BITS = 24
"""Of 64: a place among so many numbers, and a number of an item above it."""
_QUERY_HALF_LIVES = np.array([10.0, 3.0, 3.0])
_MASS_COLUMNS = [COLUMNS.index(name) for name in ("heat_never", "heat_7d", "heat_1d")]
_MASS_RATES = np.array([0.0, 1 / 604_800.0, 1 / 86_400.0])
_MASS_POWERS = np.array([0.5, 0.2, 0.2])


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The neighbour row of an item, k neighbours; all sums decayed to `as_of_us`."""

    items: Ints  # (k,) numbers
    together: Floats  # (k, NEXT) by HALF_LIVES_US
    next: Floats  # (k,) transitions from this item
    mass: Doubles  # (3,) of the item's own events, by the same half-lives
    next_mass: float
    as_of_us: int


@dataclass(frozen=True, slots=True)
class Followed:
    """Scores of the m neighbours of the user's newest items."""

    numbers: Ints  # (m,) ascending
    scores: Doubles  # (m, len(FOLLOWED))


def follow(
    table: ItemTable, recent: Ints, neighbours: Mapping[int, Neighbours], now_us: int
) -> Followed:
    """Join the neighbour rows of the user's newest items into one score an item and kind.

    Args:
        table: the items.
        recent: (k,) numbers of the newest items, newest first.
        neighbours: rows of the newest FOLLOWED_RECENT of them, by number, where there are any.
        now_us: the moment.
    """
    places = [p for p, j in enumerate(recent[:FOLLOWED_RECENT].tolist()) if j in neighbours]
    rows = [neighbours[int(recent[place])] for place in places]
    if not rows:
        return Followed(np.zeros(0, np.int64), np.zeros((0, len(FOLLOWED))))
    numbers, slot = grouped(np.concatenate([row.items for row in rows]))
    sizes = [len(row.items) for row in rows]
    ends, place = np.cumsum(sizes), np.array(places)
    shares = _shares(rows, sizes, now_us)
    scores = np.zeros((len(FOLLOWED), len(numbers)))
    for kind, half_life in enumerate(_QUERY_HALF_LIVES):
        faded = shares[kind] * np.repeat(np.exp2(-place / half_life), sizes)
        scores[kind] = np.bincount(slot, faded, len(numbers))
    early = _reach(place, ends, NEXT_RECENT)
    faded = (shares[NEXT] * np.repeat(np.exp2(-place), sizes))[:early]
    scores[3] = np.bincount(slot[:early], faded, len(numbers))
    last = _reach(place, ends, 1)
    scores[4, slot[:last]] = shares[1, :last]
    near = _reach(place, ends, CLOSEST_TOGETHER)
    np.maximum.at(scores[5], slot[:near], shares[0, :near])
    damping = np.log2(_mass(table, numbers, now_us) + 1.0)
    scores[:NEXT] *= np.exp2(-_MASS_POWERS[:, None] * damping)
    scores[5] *= np.exp2(-0.5 * damping[0])
    return Followed(numbers, scores.T)


def grouped(numbers: Ints) -> tuple[Ints, NDArray[np.intp]]:
    """The distinct numbers, ascending, and for each of n which one it is, (n,)."""
    packed = np.sort(numbers << _PLACE_BITS | np.arange(len(numbers)))  # faster than argsort
    ordered, order = packed >> _PLACE_BITS, packed & (1 << _PLACE_BITS) - 1
    first = np.ones(len(numbers), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    slot = np.empty(len(numbers), np.intp)
    slot[order] = np.cumsum(first) - 1
    return ordered[first], slot


def _reach(place: Ints, ends: Ints, limit: int) -> int:
    """How many neighbours there are of the rows whose place, ascending, is below the limit."""
    rows = int(np.searchsorted(place, limit))
    return int(ends[rows - 1]) if rows else 0


def _shares(rows: Sequence[Neighbours], sizes: Sequence[int], now_us: int) -> Doubles:
    """What each neighbour of each row has, (4, m): together and next.

    Togetherness is relative to the root of the item's own mass, next to all transitions from it.
    """
    age_us = np.maximum(0, now_us - np.array([row.as_of_us for row in rows]))
    left = np.exp2(-age_us[:, None] / HALF_LIVES_US)
    mass = np.array([row.mass for row in rows]) * left[:, :NEXT]
    away = np.array([row.next_mass for row in rows]) * left[:, NEXT]
    left[:, :NEXT] /= np.sqrt(np.maximum(mass, 1e-9))
    left[:, NEXT] /= away + 1.0
    shares = np.repeat(left.T, sizes, axis=1)
    shares[:NEXT] *= np.concatenate([row.together for row in rows]).T
    shares[NEXT] *= np.concatenate([row.next for row in rows])
    return shares


def _mass(table: ItemTable, numbers: Ints, now_us: int) -> Doubles:
    """(3, n): how much happened on each item, decayed to now."""
    heats = table.heats.take(numbers, axis=0).T[_MASS_COLUMNS]
    heats -= now_us / 1e6 * _MASS_RATES[:, None]
    return np.asarray(np.exp2(np.minimum(heats, 60.0, out=heats), out=heats))

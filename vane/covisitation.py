"""Decayed co-visitation: which items are touched by the same users. Pure numpy, bounded memory.

Every event is paired with the newest items of its user's history, see `vane.pairs`.

The *row* of an item holds its neighbours with these four weights. Rows are kept as one sorted array
of pairs; new pairs wait in a buffer and are merged in when it is full. All sums commute, so cutting
into batches and order do not matter.

Error. A row that grows beyond `HELD_MAX` neighbours is cut to half of it, a stored one has at most
`NEIGHBOURS_MAX`: the strongest by their largest share of the row's maximum over the four kinds.
What is cut is gone, and the pair begins anew when it comes again. `lost` sums the largest weight
that each cut took, so of every pair, whether listed or not,

    stored <= exact <= stored + lost        in each kind, up to rounding of float32
"""

import numpy as np
from numpy.typing import NDArray

from vane.pairs import HALF_LIVES_US, KINDS, NEXT, Increments, Rows
from vane.preference import NEVER_US

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

NEIGHBOURS_MAX = 200
"""Neighbours of a stored row."""

HELD_MAX = 600
"""Neighbours of a row in memory; beyond, the weaker half goes."""

BUFFER_PAIRS = 1_000_000
"""New pairs that wait to be merged."""

SPAN_HALF_LIVES = 40.0
"""Weights are held as of a time of their row that lags at most this far: 2^40 fits a float32."""


class Covisitation:
    """Rows in memory, by item number.

    A row may be used before what is stored of it was loaded: `unloaded` names those rows, `load`
    adds the stored part.
    """

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.int64)  # row << 32 | neighbour, ascending
        self._weights = np.zeros((0, KINDS), np.float32)
        self._base_us = np.zeros(0, np.int64)  # as of which a row's sums are held
        self._as_of_us = np.zeros(0, np.int64)
        self._mass = np.zeros((0, KINDS))
        self._lost = np.zeros((0, KINDS))
        self._loaded = np.zeros(0, np.bool_)
        self._dirty = np.zeros(0, np.bool_)
        self._buffer: list[tuple[Ints, Ints, Doubles, Doubles]] = []
        self._buffered = 0

    @property
    def pairs(self) -> int:
        """Pairs in memory, buffered ones included."""
        return len(self._keys) + self._buffered

    @property
    def dirty(self) -> Ints:
        """Rows that changed since `mark_stored`."""
        return np.flatnonzero(self._dirty)

    def unloaded(self) -> Ints:
        """Rows that changed, of which the stored part was not loaded."""
        return np.flatnonzero(self._dirty & ~self._loaded)

    def add_mass(self, items: Ints, ts_us: Ints, counted: Doubles) -> None:
        """Add events to the masses of their items' own rows."""
        self._touch(items, ts_us)
        for kind in range(NEXT):
            self._add_mass(items, ts_us, counted, kind)

    def add(self, added: Increments) -> None:
        """Add pair weights, and transitions to the masses of the rows that they leave from."""
        if not len(added.row):
            return
        self._touch(added.row, added.ts_us)
        leaving = added.next > 0
        self._add_mass(added.row[leaving], added.ts_us[leaving], added.next[leaving], NEXT)
        keys = added.row << 32 | added.neighbour
        self._buffer.append((keys, added.ts_us, added.together, added.next))
        self._buffered += len(keys)
        if self._buffered >= max(BUFFER_PAIRS, len(self._keys) // 2):
            self.merge()

    def load(self, rows: Rows) -> None:
        """Add what is stored of rows."""
        owner = np.repeat(rows.items, rows.counts)
        self._touch(rows.items, rows.as_of_us)
        scale = self._scale(rows.items, rows.as_of_us)
        self._mass[rows.items] += rows.mass * scale
        self._lost[rows.items] += rows.lost * scale
        keys = owner << 32 | rows.neighbours
        order = np.argsort(keys)
        weights = rows.weights * np.repeat(scale, rows.counts, axis=0)
        self.merge()
        self._insert(keys[order], weights[order].astype(np.float32))
        self._loaded[rows.items] = True

    def mark_loaded(self, items: Ints) -> None:
        """Nothing else is stored of these rows."""
        self._loaded[items] = True

    def mark_stored(self) -> None:
        """Everything is stored."""
        self._dirty[:] = False

    def rows(self, items: Ints) -> Rows:
        """These rows as they are to be stored, strongest neighbours first; `items` ascend."""
        self.merge()
        at, counts = self._ranges(items)
        row = np.repeat(np.arange(len(items)), counts)
        at, place = at[_strongest_first(self._weights[at], counts)], _places(counts)
        kept = place < NEIGHBOURS_MAX
        scale = 1.0 / self._scale(items, self._as_of_us[items])
        lost = self._lost[items].copy()
        cut = np.zeros_like(lost)
        np.maximum.at(cut, row[~kept], self._weights[at[~kept]])
        return Rows(
            items=items,
            as_of_us=self._as_of_us[items],
            mass=self._mass[items] * scale,
            lost=(lost + cut) * scale,
            counts=np.minimum(counts, NEIGHBOURS_MAX),
            neighbours=self._keys[at[kept]] & 0xFFFF_FFFF,
            weights=(self._weights[at[kept]] * scale[row[kept]]).astype(np.float32),
        )

    def evict(self, pairs_max: int) -> None:
        """Forget the rows that changed longest ago, all of them stored, until few pairs are left.

        What a row holds beyond its stored neighbours goes, too.
        """
        self.merge()
        if len(self._keys) <= pairs_max:
            return
        rows, counts = np.unique(self._keys >> 32, return_counts=True)
        newest = np.argsort(-self._as_of_us[rows], kind="stable")
        gone = rows[newest[np.cumsum(counts[newest]) > pairs_max]]
        stays = ~np.isin(self._keys >> 32, gone)
        self._keep(stays)
        self._forget(gone)

    def merge(self) -> None:
        """Bring the buffered pairs into the rows."""
        if not self._buffer:
            return
        columns = [np.concatenate(column) for column in zip(*self._buffer, strict=True)]
        self._buffer.clear()
        self._buffered = 0
        keys, ts_us, together, follows = columns
        order = np.argsort(keys)
        keys = keys[order]
        first = np.concatenate([[True], keys[1:] != keys[:-1]])
        group = np.cumsum(first) - 1
        age = (ts_us - self._base_us[columns[0] >> 32])[order]
        together, follows = together[order], follows[order]
        sums = np.empty((int(group[-1]) + 1, KINDS), np.float32)
        for kind, half_life_us in enumerate(HALF_LIVES_US):
            terms = follows if kind == NEXT else together
            sums[:, kind] = np.bincount(group, terms * np.exp2(age / half_life_us))
        self._insert(keys[first], sums)

    def _insert(self, keys: Ints, weights: Floats) -> None:
        """Add weights, as of their rows' base, to pairs; `keys` ascend, each once."""
        at = np.searchsorted(self._keys, keys)
        known = np.zeros(len(keys), np.bool_)
        inside = at < len(self._keys)
        known[inside] = self._keys[at[inside]] == keys[inside]
        self._weights[at[known]] += weights[known]
        new = ~known
        if new.any():
            places = at[new] + np.arange(int(new.sum()))
            total = len(self._keys) + len(places)
            old = np.ones(total, np.bool_)
            old[places] = False
            merged_keys = np.empty(total, np.int64)
            merged_keys[places], merged_keys[old] = keys[new], self._keys
            merged = np.empty((total, KINDS), np.float32)
            merged[places] = weights[new]
            _cells(merged)[old] = _cells(self._weights)
            self._keys, self._weights = merged_keys, merged
            self._cut(keys[new] >> 32)

    def _cut(self, grown: Ints) -> None:
        """Halve the rows of these that have become too long."""
        rows = np.unique(grown)
        low = np.searchsorted(self._keys, rows << 32)
        high = np.searchsorted(self._keys, (rows + 1) << 32)
        long = rows[high - low > HELD_MAX]
        if not len(long):
            return
        at, counts = self._ranges(long)
        row = np.repeat(np.arange(len(long)), counts)
        order = _strongest_first(self._weights[at], counts)
        weak = order[_places(counts) >= HELD_MAX // 2]
        cut = np.zeros((len(long), KINDS))
        np.maximum.at(cut, row[weak], self._weights[at[weak]])
        self._lost[long] += cut
        stays = np.ones(len(self._keys), np.bool_)
        stays[at[weak]] = False
        self._keep(stays)

    def _touch(self, rows: Ints, ts_us: Ints) -> None:
        """Note events of rows: grow the columns, raise the times, move bases that lag too far."""
        if not len(rows):
            return
        size = int(rows.max()) + 1
        if size > len(self._dirty):
            self._grow(max(size, 2 * len(self._dirty), 1_024))
        self._dirty[rows] = True
        np.maximum.at(self._as_of_us, rows, ts_us)
        fresh = rows[self._base_us[rows] == NEVER_US]
        self._base_us[fresh] = self._as_of_us[fresh]
        span = (self._as_of_us[rows] - self._base_us[rows]) / HALF_LIVES_US.min()
        if (span > SPAN_HALF_LIVES).any():
            self._move_bases(np.unique(rows[span > SPAN_HALF_LIVES]))

    def _move_bases(self, rows: Ints) -> None:
        """Decay the sums of rows to their newest time."""
        age = self._as_of_us[rows] - self._base_us[rows]
        left = np.exp2(-age[:, None] / HALF_LIVES_US)
        self._mass[rows] *= left
        self._lost[rows] *= left
        at, counts = self._ranges(rows)
        self._weights[at] *= np.repeat(left, counts, axis=0).astype(np.float32)
        self._base_us[rows] = self._as_of_us[rows]

    def _scale(self, rows: Ints, ts_us: Ints) -> Doubles:
        """What a weight of these times is as of the base of its row, (n, KINDS)."""
        age = ts_us - self._base_us[rows]
        return np.asarray(np.exp2(age[:, None] / HALF_LIVES_US))

    def _add_mass(self, rows: Ints, ts_us: Ints, shares: Doubles, kind: int) -> None:
        age = ts_us - self._base_us[rows]
        np.add.at(self._mass[:, kind], rows, shares * np.exp2(age / HALF_LIVES_US[kind]))

    def _ranges(self, rows: Ints) -> tuple[Ints, Ints]:
        """Where the pairs of these rows are, one row after the other, and how many each has."""
        low = np.searchsorted(self._keys, rows << 32)
        counts = np.searchsorted(self._keys, (rows + 1) << 32) - low
        return np.repeat(low, counts) + _places(counts), counts

    def _keep(self, stays: NDArray[np.bool_]) -> None:
        self._keys = self._keys[stays]
        self._weights = _cells(self._weights)[stays].view(np.float32).reshape(-1, KINDS)

    def _forget(self, rows: Ints) -> None:
        for column, nothing in (
            (self._base_us, NEVER_US),
            (self._as_of_us, NEVER_US),
            (self._mass, 0.0),
            (self._lost, 0.0),
            (self._loaded, False),
        ):
            column[rows] = nothing

    def _grow(self, size: int) -> None:
        known = len(self._dirty)
        for name in ("_base_us", "_as_of_us", "_mass", "_lost", "_loaded", "_dirty"):
            column = getattr(self, name)
            grown = np.zeros((size, *column.shape[1:]), column.dtype)
            grown[:known] = column
            setattr(self, name, grown)
        self._base_us[known:] = self._as_of_us[known:] = NEVER_US


def _places(counts: Ints) -> Ints:
    """0, 1, 2, … within each of consecutive groups."""
    starts = np.cumsum(counts) - counts
    return np.asarray(np.arange(int(counts.sum())) - np.repeat(starts, counts))


def _strongest_first(weights: Floats, counts: Ints) -> Ints:
    """Sorts pairs within their rows by the largest share of the row's maximum over the kinds."""
    filled = counts[counts > 0]
    if not len(filled):
        return counts[:0]
    top = np.maximum.reduceat(weights, np.cumsum(filled) - filled, axis=0)
    top[top == 0] = 1.0
    share = (weights / np.repeat(top, filled, axis=0)).max(axis=1)
    row = np.repeat(np.arange(len(filled)), filled)
    # The bits of positive floats sort as the floats do: one integer sort for both.
    return np.argsort(row << 32 | (0x7FFF_FFFF - share.view(np.int32).astype(np.int64)))


def _cells(weights: Floats) -> NDArray[np.complex128]:
    """The four weights of each pair as one value, which numpy moves at once."""
    return weights.view(np.complex128)[:, 0]

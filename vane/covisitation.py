"""Decayed co-visitation: which items are touched by the same users. Pure numpy, bounded memory.

Every event is paired with the newest items of its user's history, see `vane.pairs`.

The *row* of an item holds its neighbours with these four weights. Rows are kept as sorted pairs in
blocks; new pairs of a block wait and are merged in when they are many. All sums commute, so cutting
into batches and order do not matter.

Error. A row that grows beyond `HELD_MAX` neighbours is cut to half of it, a stored one has at most
`NEIGHBOURS_MAX`: the strongest by their largest share of the row's maximum over the four kinds.
What is cut is gone, and the pair begins anew when it comes again. `lost` sums the largest weight
that each cut took, so of every pair, whether listed or not,

    stored <= exact <= stored + lost        in each kind, up to rounding of float32
"""

import numpy as np
from numpy.typing import NDArray

from vane.pair_blocks import BLOCK_BITS, Block, by_block
from vane.pairs import HALF_LIVES_US, KINDS, NEXT, Increments, Rows
from vane.preference import NEVER_US

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

NEIGHBOURS_MAX = 200
"""Neighbours of a stored row."""

HELD_MAX = 600
"""Neighbours of a row in memory; beyond, the weaker half goes."""

BUFFER_PAIRS = 100_000
"""New pairs that wait to be merged into a block, or half of those that it has."""

SPAN_HALF_LIVES = 40.0
"""Weights are held as of a time of their row that lags at most this far: 2^40 fits a float32."""


class Covisitation:
    """Rows in memory, by item number.

    A row may be used before what is stored of it was loaded: `unloaded` names those rows, `load`
    adds the stored part.
    """

    def __init__(self) -> None:
        self._blocks = [Block(0)]
        self._held = 0  # pairs merged into them
        self._waiting = 0  # pairs to be merged
        self._base_us = np.zeros(0, np.int64)  # as of which a row's sums are held
        self._as_of_us = np.zeros(0, np.int64)
        self._mass = np.zeros((0, KINDS))
        self._lost = np.zeros((0, KINDS))
        self._loaded = np.zeros(0, np.bool_)
        self._dirty = np.zeros(0, np.bool_)

    @property
    def pairs(self) -> int:
        """Pairs in memory, buffered ones included."""
        return self._held + self._waiting

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
        columns = (
            added.row << 32 | added.neighbour,
            added.ts_us,
            added.together.astype(np.float32),
            added.next.astype(np.float32),
        )
        self._waiting += len(added.row)
        for number, part in by_block(added.row):
            block = self._blocks[number]
            block.waiting.append([column[part] for column in columns])
            block.waits += len(part)
            if block.waits >= max(BUFFER_PAIRS, len(block.keys) // 2):
                self._merge(block)

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
        keys, weights = keys[order], weights[order].astype(np.float32)
        for number, part in by_block(keys >> 32):
            self._insert(self._blocks[number], keys[part], weights[part])
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
        parts = [self._part(number, items[part]) for number, part in by_block(items)]
        parts = parts or [self._part(0, items)]
        counts, neighbours, weights, cut = (
            np.concatenate(columns) for columns in zip(*parts, strict=True)
        )
        scale = 1.0 / self._scale(items, self._as_of_us[items])
        return Rows(
            items=items,
            as_of_us=self._as_of_us[items],
            mass=self._mass[items] * scale,
            lost=(self._lost[items] + cut) * scale,
            counts=counts,
            neighbours=neighbours,
            weights=weights,
        )

    def evict(self, pairs_max: int) -> None:
        """Make room, with everything stored: rows that changed longest ago go first.

        What they hold beyond their stored neighbours goes, and if that is not enough whole rows.
        """
        self.merge()
        if self._held <= pairs_max:
            return
        counts = np.concatenate([block.counts() for block in self._blocks])
        rows = np.flatnonzero(counts)
        rows = rows[np.argsort(-self._as_of_us[rows], kind="stable")]
        stored = np.minimum(counts[rows], NEIGHBOURS_MAX)
        beyond = np.cumsum(counts[rows] - stored) + stored.sum() > pairs_max
        cut = np.sort(rows[beyond & (counts[rows] > NEIGHBOURS_MAX)])
        gone = np.sort(rows[np.cumsum(stored) > pairs_max])
        for number, part in by_block(cut):
            self._lost[cut[part]] += self._blocks[number].cut(cut[part], NEIGHBOURS_MAX)
        for number, part in by_block(gone):
            self._blocks[number].forget(gone[part])
        self._held = sum(len(block.keys) for block in self._blocks)
        self._forget(gone)

    def merge(self) -> None:
        """Bring the waiting pairs into the rows."""
        for block in self._blocks:
            if block.waits:
                self._merge(block)

    def _merge(self, block: Block) -> None:
        columns = [np.concatenate(column) for column in zip(*block.waiting, strict=True)]
        self._waiting -= block.waits
        block.waiting.clear()
        block.waits = 0
        order = np.argsort(columns[0])
        keys, ts_us, together, follows = (column[order] for column in columns)
        first = np.append([True], keys[1:] != keys[:-1])
        group = np.cumsum(first) - 1
        age = ts_us - self._base_us[keys >> 32]
        sums = np.empty((int(group[-1]) + 1, KINDS), np.float32)
        for kind, half_life_us in enumerate(HALF_LIVES_US):
            terms = follows if kind == NEXT else together
            sums[:, kind] = np.bincount(group, terms * np.exp2(age / half_life_us))
        self._insert(block, keys[first], sums)

    def _insert(self, block: Block, keys: Ints, weights: Floats) -> None:
        """Add weights, as of their rows' base, to a block, and halve rows that are too long."""
        before = len(block.keys)
        block.add(keys, weights)
        long = block.longer_than(HELD_MAX)
        if len(long):
            self._lost[long] += block.cut(long, HELD_MAX // 2)
        self._held += len(block.keys) - before

    def _part(self, number: int, rows: Ints) -> tuple[Ints, Ints, Floats, Floats]:
        """Counts, neighbours, weights and cut of rows of one block, as they are to be stored."""
        block = self._blocks[number]
        at, counts, cut = block.strongest(rows, NEIGHBOURS_MAX)
        scale = np.repeat(1.0 / self._scale(rows, self._as_of_us[rows]), counts, axis=0)
        return (
            counts,
            block.keys[at] & 0xFFFF_FFFF,
            (block.weights[at] * scale).astype(np.float32),
            cut,
        )

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
        for number, part in by_block(rows):
            self._blocks[number].scale(rows[part], left[part].astype(np.float32))
        self._base_us[rows] = self._as_of_us[rows]

    def _scale(self, rows: Ints, ts_us: Ints) -> Doubles:
        """What a weight of these times is as of the base of its row, (n, KINDS)."""
        age = ts_us - self._base_us[rows]
        return np.asarray(np.exp2(age[:, None] / HALF_LIVES_US))

    def _add_mass(self, rows: Ints, ts_us: Ints, shares: Doubles, kind: int) -> None:
        age = ts_us - self._base_us[rows]
        np.add.at(self._mass[:, kind], rows, shares * np.exp2(age / HALF_LIVES_US[kind]))

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
        self._blocks += map(Block, range(len(self._blocks), (size >> BLOCK_BITS) + 1))

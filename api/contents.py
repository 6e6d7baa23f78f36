"""What requests have in common of items: their vectors by number, and what lists show of them.

Read at a miss, bounded in number, shared by all requests of a process.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vane.item_table import ItemTable
from vane.lru import Lru
from vane.meter import Lookups
from vane.slots import MISSING
from vane.store.moments import contents, details
from vane.store.serving import DIMENSION, Detail, ServingStore, vectors

CONTENTS_MAX = 50_000
"""About 1.5 kB each."""
DETAILS_MAX = 50_000
READS_MAX = 3
"""A reading that a change overtakes is repeated."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Contents:
    """Contents of items by their numbers in a table; the oldest leave first."""

    def __init__(self, table: ItemTable, lookups: Lookups, capacity: int = CONTENTS_MAX) -> None:
        self._table, self._lookups = table, lookups
        self._slot = np.full(0, MISSING, np.int32)  # of each number
        self._number = np.full(capacity, MISSING, np.int64)  # of each slot
        self._vectors = np.zeros((capacity, DIMENSION), np.float32)
        self._worded = np.zeros(capacity, np.bool_)
        self._next = self._drops = 0

    async def load(self, store: ServingStore, numbers: Ints) -> None:
        """Have these items at hand until the caller waits for anything else."""
        missing_at_first = len(self._missing(numbers))
        self._lookups.count(len(numbers), missing_at_first)
        if not missing_at_first:
            return
        found: dict[int, bytes | None] = {}
        for _ in range(READS_MAX):
            drops = self._drops
            while missing := [n for n in self._missing(numbers).tolist() if n not in found]:
                ids = [self._table.ids[number] for number in missing]
                cells = await contents(store, ids)
                found |= zip(missing, map(cells.get, ids), strict=True)
            if drops == self._drops:
                break
            found.clear()
        self._keep(numbers, found)

    def raw(self, numbers: Ints) -> tuple[Floats, Mask]:
        """Contents (n, d) of items that were loaded, and which have text."""
        slots = self._slot[numbers]
        return self._vectors[slots], self._worded[slots]

    def units(self, numbers: Ints, mean: Floats) -> Floats:
        """Centred unit vectors (n, d) of items that were loaded; zeros without text."""
        rows, worded = self.raw(numbers)
        rows -= mean
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
        scale = np.where(worded & (lengths > 0), 1 / np.maximum(lengths, 1e-9), 0)
        rows *= scale[:, None].astype(np.float32)
        return rows

    def drop(self, numbers: Ints) -> None:
        """These items changed."""
        self._drops += 1
        known = numbers[numbers < len(self._slot)]
        slots = self._slot[known]
        self._number[slots[slots != MISSING]] = MISSING
        self._slot[known] = MISSING

    def _missing(self, numbers: Ints) -> Ints:
        if len(self._slot) < len(self._table):
            room = np.full(2 * len(self._table), MISSING, np.int32)
            room[: len(self._slot)] = self._slot
            self._slot = room
        return np.asarray(numbers[self._slot[numbers] == MISSING])

    def _keep(self, numbers: Ints, found: dict[int, bytes | None]) -> None:
        new = np.unique(self._missing(numbers))
        if not len(new):
            return  # another request has read them meanwhile
        slots = self._free(len(new), self._slot[numbers])
        leaving = self._number[slots]
        self._slot[leaving[leaving != MISSING]] = MISSING
        self._number[slots], self._slot[new] = new, slots
        cells = [found[number] for number in new.tolist()]
        self._vectors[slots] = vectors(cells)
        self._worded[slots] = [cell is not None for cell in cells]

    def _free(self, count: int, pinned: NDArray[np.int32]) -> Ints:
        """The next slots in turn, without those that are in use."""
        capacity = len(self._number)
        reach = count + len(pinned)
        assert reach <= capacity
        window = (self._next + np.arange(reach)) % capacity
        slots = window[~np.isin(window, pinned)][:count]
        self._next = (int(slots[-1]) + 1) % capacity
        return np.asarray(slots)


class Details:
    """What lists show of items."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._known = Lru[str, Detail | None](DETAILS_MAX)
        self._drops = 0

    async def read(self, store: ServingStore, ids: Sequence[str]) -> dict[str, Detail]:
        """Of these items; those that there are not have none."""
        found = self._known.find(ids)
        missing = [item for item in dict.fromkeys(ids) if item not in found]
        self._lookups.count(len(found) + len(missing), len(missing))
        if missing:
            drops = self._drops
            new = dict.fromkeys(missing) | await details(store, missing)
            if drops == self._drops:
                self._known.put(new)
            found |= new
        return {item: detail for item, detail in found.items() if detail is not None}

    def drop(self, ids: Sequence[str]) -> None:
        """These items changed."""
        self._drops += 1
        self._known.drop(ids)

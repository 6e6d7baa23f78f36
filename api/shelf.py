"""What requests have in common: items' details and vectors, neighbours and nearest items.

Read at a miss, bounded in number, shared by all requests of a process.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from api.cursor import Fingerprints
from vane.filters import ANY, Filter, fitting
from vane.item_table import ItemTable
from vane.lru import Lru
from vane.popularity import COLD, COLUMNS
from vane.retrieval import Neighbours
from vane.slots import MISSING, Slots
from vane.store.moments import Nearest, NeighbourRow, around, details
from vane.store.serving import DIMENSION, Detail, ServingStore, vectors

CARDS_MAX = 50_000
"""Items with details and contents: about 2 kB each."""
NEIGHBOURS_MAX = 20_000
"""About 5 kB each."""
NEIGHBOURS_FRESH_S = 10.0
NEAREST_MAX = 50_000
NEAREST_FRESH_S = 60.0
READS_MAX = 3
"""A reading that a change overtakes is repeated."""

POOL = 600
"""The strongest of a kind and category, of which a user has seen some."""
POOLS_MAX = 100
STRENGTH = COLUMNS.index("heat_7d")

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Cards:
    """Details and contents of items; the oldest leave first."""

    def __init__(self, capacity: int = CARDS_MAX) -> None:
        self._slots = Slots(capacity)
        self._details: list[Detail | None] = [None] * capacity
        self._contents = np.zeros((capacity, DIMENSION), np.float16)
        self._worded = np.zeros(capacity, bool)
        self._drops = 0

    async def load(self, store: ServingStore, ids: Sequence[str]) -> None:
        """Have these items at hand until the caller waits for anything else."""
        if not self._missing(ids, {}):
            return
        found: dict[str, Detail | None] = {}
        for _ in range(READS_MAX):
            drops = self._drops
            while missing := self._missing(ids, found):
                found |= dict.fromkeys(missing) | await details(store, missing)
            if drops == self._drops:
                break
            found.clear()
        self._keep(ids, found)

    def details(self, ids: Sequence[str]) -> dict[str, Detail]:
        """Of items that were loaded; those that there are not have none."""
        slots = self._slots.find(ids).tolist()
        found = ((item, self._details[slot]) for item, slot in zip(ids, slots, strict=True))
        return {item: detail for item, detail in found if detail is not None}

    def contents(self, ids: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
        """Contents (n, d) of items that were loaded, and which have text."""
        slots = self._slots.find(ids)
        return self._contents[slots].astype(np.float32), self._worded[slots]

    def units(self, ids: Sequence[str], mean: Floats) -> Floats:
        """Centred unit vectors (n, d) of items that were loaded; zeros without text."""
        slots = self._slots.find(ids)
        contents = self._contents[slots].astype(np.float32)
        contents -= mean
        lengths = np.sqrt(np.einsum("nd,nd->n", contents, contents))
        scale = np.where(self._worded[slots] & (lengths > 0), 1 / np.maximum(lengths, 1e-9), 0)
        contents *= scale[:, None].astype(np.float32)
        return contents

    def drop(self, ids: Sequence[str]) -> None:
        """These items changed."""
        self._drops += 1
        self._slots.drop(ids)

    def _missing(self, ids: Sequence[str], found: dict[str, Detail | None]) -> list[str]:
        slots = self._slots.find(ids)
        missing = (ids[row] for row in np.flatnonzero(slots == MISSING).tolist())
        return [item for item in missing if item not in found]

    def _keep(self, ids: Sequence[str], found: dict[str, Detail | None]) -> None:
        slots = self._slots.find(ids)
        new = [item for item, slot in zip(ids, slots.tolist(), strict=True) if slot == MISSING]
        assigned = self._slots.assign(new, slots[slots != MISSING])
        for item, slot in zip(new, assigned.tolist(), strict=True):
            self._details[slot] = found[item]
        cells = [row and row.content for row in map(found.__getitem__, new)]
        self._contents[assigned] = vectors(cells)
        self._worded[assigned] = [cell is not None for cell in cells]


class Shelf:
    """Beside one item table, as it names items by their numbers there."""

    def __init__(self, table: ItemTable) -> None:
        self.table = table
        self.cards = Cards()
        self.fingerprints = Fingerprints(table)
        self._neighbours = Lru[str, Neighbours | None](NEIGHBOURS_MAX, NEIGHBOURS_FRESH_S)
        self._nearest = Lru[str, tuple[Ints, Floats]](NEAREST_MAX, NEAREST_FRESH_S)
        self._pools = Lru[Filter, Ints](POOLS_MAX)

    def ids(self, numbers: Ints) -> list[str]:
        """Item ids of these numbers."""
        return [self.table.ids[number] for number in numbers.tolist()]

    async def details(self, store: ServingStore, ids: Sequence[str]) -> dict[str, Detail]:
        """What lists show of these items; their cards are at hand until anything is awaited."""
        ids = [*dict.fromkeys(ids)]
        await self.cards.load(store, ids)
        return self.cards.details(ids)

    def units(self, mean: Floats) -> Callable[[Ints], Floats]:
        """From numbers of items whose cards were loaded to their centred unit vectors."""
        return lambda numbers: self.cards.units(self.ids(numbers), mean)

    async def around(
        self, store: ServingStore, followed: Sequence[str], compared: Sequence[str]
    ) -> tuple[dict[int, Neighbours], list[tuple[Ints, Floats]]]:
        """Neighbour rows by number, and for each item with text what is nearest, with cosines."""
        rows, lists = self._neighbours.find(followed), self._nearest.find(compared)
        lacking = [item for item in followed if item not in rows]
        unlike = [item for item in compared if item not in lists]
        if lacking or unlike:
            read_rows, read_lists = await around(store, lacking, unlike)
            new = {item: self._numbered(read_rows.get(item)) for item in lacking}
            fresh = {item: self._numbers(read_lists.get(item, [])) for item in unlike}
            self._neighbours.put(new)
            self._nearest.put(fresh)
            rows |= new
            lists |= fresh
        number = self.table.number
        return (
            {number[item]: row for item, row in rows.items() if row is not None},
            [lists[item] for item in compared if len(lists[item][0])],
        )

    def strongest(self, wanted: Filter) -> Ints:
        """Numbers of at most POOL items that pass: the strongest, then the newest."""
        found = self._pools.find([wanted])
        if not found:
            found = {wanted: strongest(self.table, self.matching(wanted), POOL)}
            self._pools.put(found)
        return found[wanted]

    def matching(self, wanted: Filter, numbers: Ints | None = None) -> Ints:
        """Those of the numbers, or of all items, that may be shown and pass."""
        table = self.table
        rows = np.arange(len(table)) if numbers is None else numbers
        fits = table.selectable(rows)
        if wanted != ANY:
            fits &= fitting(table, wanted, rows)
        return np.asarray(rows[fits])

    def unfit(self, wanted: Filter) -> Ints:
        """Numbers of all items that do not pass."""
        return np.flatnonzero(~fitting(self.table, wanted, np.arange(len(self.table))))

    def changed(self, items: Sequence[str]) -> None:
        """The table was brought up to date; these items of the catalogue changed."""
        self.cards.drop(items)
        self._nearest.drop(items)
        self._pools.clear()

    def _numbered(self, row: NeighbourRow | None) -> Neighbours | None:
        if row is None:
            return None
        numbers = self._known(row.neighbours)
        known = numbers >= 0
        return Neighbours(
            items=numbers[known],
            together=row.weights[known, :3],
            next=row.weights[known, 3],
            mass=row.mass[:3],
            next_mass=float(row.mass[3]),
            as_of_us=row.as_of_us,
        )

    def _numbers(self, nearest: Nearest) -> tuple[Ints, Floats]:
        numbers = self._known([item for item, _ in nearest])
        cosines = np.array([cosine for _, cosine in nearest], np.float32)
        return numbers[numbers >= 0], cosines[numbers >= 0]

    def _known(self, ids: Sequence[str]) -> Ints:
        return known_numbers(self.table, ids)


def known_numbers(table: ItemTable, ids: Sequence[str]) -> Ints:
    """The number of each item, -1 where the table does not have it yet."""
    find = table.number.get
    return np.array([find(item, -1) for item in ids], np.int64)


def strongest(table: ItemTable, rows: Ints, count: int) -> Ints:
    """At most `count` of these numbers: those with most popularity, then the newest ones."""
    heat = table.heats[rows, STRENGTH]
    best = _highest(heat, count)
    best = best[heat[best] > COLD]
    cold = rows[heat <= COLD] if len(best) < count else rows[:0]
    newest = cold[_highest(table.since_us[cold].astype(np.float64), count - len(best))]
    return np.concatenate([rows[best], newest])


def _highest(values: NDArray[np.float64], count: int) -> Ints:
    if len(values) > count:
        kept = np.sort(np.argpartition(-values, count)[:count])
        return np.asarray(kept[np.argsort(-values[kept], kind="stable")])
    return np.argsort(-values, kind="stable")

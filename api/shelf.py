"""What requests have in common: items with their neighbours, and what is nearest to them.

Read at a miss, bounded in number, shared by all requests of a process.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from api.contents import Contents, Details
from api.cursor import Fingerprints
from api.labels import Labels
from vane.filters import ANY, Filter, fitting
from vane.following import Neighbours
from vane.item_table import ItemTable
from vane.lru import Lru
from vane.meter import Lookups
from vane.popularity import COLD, COLUMNS
from vane.store.moments import NOT_WRITTEN, Nearest, NeighbourRow, around
from vane.store.serving import DIMENSION, ServingStore

NEIGHBOURS_MAX = 20_000
"""About 5 kB each."""
NEIGHBOURS_FRESH_S = 10.0
"""A row is not read again so soon."""
NEAREST_MAX = 50_000
NEAREST_FRESH_S = 600.0
NEAREST_FRESH_MIN_S = 60.0
"""Not forgotten before, however many items change."""
CHANGED_SHARE = 0.01
"""So many changed items among all make what is nearest to the others old as well."""

POOL = 600
"""The strongest of a kind and category, of which a user has seen some."""
POOLS_MAX = 100
FEW, FEW_SHARE, FEW_MAX = 2_000, 0.02, 20_000
"""Up to so many, or this share of a large catalogue, it is quicker to compare all items that pass
than to go through the text index, which gives up where these are far from the user's taste."""
STRENGTH = COLUMNS.index("heat_7d")

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class _Row(NamedTuple):
    neighbours: Neighbours | None
    written: int
    read_s: float


class Shelf:
    """Beside one item table, as it names items by their numbers there."""

    def __init__(
        self,
        table: ItemTable,
        lookups: Mapping[str, Lookups],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: the items, counters of what was found in memory, seconds as `Knowledge.ages_s`."""
        self.table, self._lookups = table, lookups
        self.contents = Contents(table, lookups["contents"])
        self.details = Details(lookups["details"])
        self.fingerprints = Fingerprints(table)
        self.labels = Labels(table)
        self._clock = clock
        self._neighbours = Lru[str, _Row](NEIGHBOURS_MAX)
        self._nearest = Lru[str, tuple[Ints, Floats]](NEAREST_MAX, NEAREST_FRESH_S)
        self._nearest_since_s = clock()
        self._changed = 0
        self._pools = Lru[Filter, Ints](POOLS_MAX)
        self._few = Lru[Filter, list[str] | None](POOLS_MAX)

    def ids(self, numbers: Ints) -> list[str]:
        """Item ids of these numbers."""
        return [self.table.ids[number] for number in numbers.tolist()]

    def numbers(self, ids: Sequence[str]) -> Ints:
        """Numbers of these items, of those that the table has."""
        numbers = known_numbers(self.table, ids)
        return numbers[numbers >= 0]

    async def raw(
        self, store: ServingStore, ids: Sequence[str]
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Contents (n, d) of these items, and which have text."""
        numbers = known_numbers(self.table, ids)
        known = np.flatnonzero(numbers >= 0)
        await self.contents.load(store, numbers[known])
        contents, worded = np.zeros((len(ids), DIMENSION), np.float32), np.zeros(len(ids), bool)
        contents[known], worded[known] = self.contents.raw(numbers[known])
        return contents, worded

    async def around(
        self,
        store: ServingStore,
        followed: Sequence[str],
        compared: Sequence[str],
        written: Mapping[str, int],
    ) -> tuple[dict[int, Neighbours], list[tuple[Ints, Floats]]]:
        """Neighbour rows by number, and for each item with text what is nearest, with cosines.

        `written` tells which transactions wrote some rows last: as long as it stays, so do they.
        """
        rows, lists = self._neighbours.find(followed), self._nearest.find(compared)
        oldest_s = self._clock() - NEIGHBOURS_FRESH_S
        lacking = [
            item
            for item in followed
            if (row := rows.get(item)) is None
            or (row.read_s < oldest_s and row.written != written.get(item))
        ]
        unlike = [item for item in compared if item not in lists]
        self._lookups["neighbours"].count(len(followed), len(lacking))
        self._lookups["nearest"].count(len(compared), len(unlike))
        if lacking or unlike:
            read_rows, read_lists = await around(store, lacking, unlike)
            now_s = self._clock()
            new = {item: self._numbered(read_rows.get(item), now_s) for item in lacking}
            fresh = {item: self._numbers(read_lists.get(item, [])) for item in unlike}
            self._neighbours.put(new)
            self._nearest.put(fresh)
            rows |= new
            lists |= fresh
        number = self.table.number
        return (
            {number[item]: row.neighbours for item, row in rows.items() if row.neighbours},
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

    def few(self, wanted: Filter) -> list[str] | None:
        """All items that pass, where these are few; else None."""
        found = self._few.find([wanted])
        if not found:
            rows = self.matching(wanted)
            most = max(FEW, min(int(FEW_SHARE * len(self.table)), FEW_MAX))
            found = {wanted: self.ids(rows) if len(rows) <= most else None}
            self._few.put(found)
        return found[wanted]

    def unfit(self, wanted: Filter) -> Ints:
        """Numbers of all items that do not pass."""
        return np.flatnonzero(~fitting(self.table, wanted, np.arange(len(self.table))))

    def changed(self, items: Sequence[str]) -> None:
        """The table was brought up to date; these items of the catalogue changed."""
        self.contents.drop(self.numbers(items))
        self.details.drop(items)
        self._nearest.drop(items)
        self._pools.clear()
        self._few.clear()
        self._changed += len(items)
        grown_old = self._clock() - self._nearest_since_s > NEAREST_FRESH_MIN_S
        if grown_old and self._changed > CHANGED_SHARE * len(self.table):
            self._nearest.clear()
            self._nearest_since_s, self._changed = self._clock(), 0

    def _numbered(self, row: NeighbourRow | None, now_s: float) -> _Row:
        if row is None:
            return _Row(None, NOT_WRITTEN, now_s)
        numbers = known_numbers(self.table, row.neighbours)
        known = numbers >= 0
        found = Neighbours(
            items=numbers[known],
            together=row.weights[known, :3],
            next=row.weights[known, 3],
            mass=row.mass[:3],
            next_mass=float(row.mass[3]),
            as_of_us=row.as_of_us,
        )
        return _Row(found, row.written, now_s)

    def _numbers(self, nearest: Nearest) -> tuple[Ints, Floats]:
        numbers = known_numbers(self.table, [item for item, _ in nearest])
        cosines = np.array([cosine for _, cosine in nearest], np.float32)
        return numbers[numbers >= 0], cosines[numbers >= 0]


def known_numbers(table: ItemTable, ids: Sequence[str]) -> Ints:
    """The number of each item, -1 where the table does not have it yet."""
    return np.fromiter(map(table.number.get, ids, repeat(-1)), np.int64, len(ids))


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

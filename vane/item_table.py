"""What is known of every item, as columns in memory: the table that retrieval and features read.

One row, its *number*, an item. Serving fills the table from PostgreSQL and keeps it in step with
the flows; `vane.replica` fills it from a log that it replays. Heats only grow, so the new strongest
items of a list are among its old ones and those that changed: keeping the lists costs little.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vane.popularity import COLD, COLUMNS
from vane.preference import NEVER_US
from vane.tag_sets import NO_TAGS, TagSets

Ints = NDArray[np.int64]

TOP = 300
"""Items a list of the strongest holds, of which a user has seen some."""

TOP_OF_CATEGORY = 100

CATEGORY_COLUMN = COLUMNS.index("heat_7d")
"""What the strongest of a category are chosen by."""

_NO_ROOM = 64
_CODED = ("kind", "category", "author")
_LEAVING = ("available", "filled", "category")
_LISTED = ("heats", "available", "filled", "category", "since_us")
_INITIAL: dict[str, tuple[Any, Any]] = {
    "events": (np.int64, 0),
    "weight_sum": (np.float64, 0.0),
    "first_us": (np.int64, NEVER_US),
    "last_us": (np.int64, NEVER_US),
    "since_us": (np.int64, NEVER_US),
    "available": (np.bool_, True),
    "filled": (np.bool_, False),
    "kind": (np.int32, -1),
    "category": (np.int32, -1),
    "author": (np.int32, -1),
    "tags": (np.int32, NO_TAGS),
    "price": (np.float64, np.nan),
}


class ItemTable:
    """Columns over all items; row k of each belongs to the item `ids[k]`.

    Attributes:
        ids: item id of each number.
        number: the number of each id.
        heats: (n, len(COLUMNS)) forward-decayed log2 popularity, see `vane.popularity`.
        events: (n,) events on the item.
        weight_sum: (n,) sum of their weights.
        first_us, last_us: (n,) times of its first and newest event; NEVER_US where there is none.
        since_us: (n,) since when the item can be had; NEVER_US where nobody knows.
        available, filled: (n,) may be shown; is in the catalogue.
        kind, category, author: (n,) codes, -1 for none; `codes[column]` gives the code of a text.
        tags: (n,) codes of `tag_sets`.
        price: (n,) in any currency; nan for none.
    """

    events: Ints
    weight_sum: NDArray[np.float64]
    first_us: Ints
    last_us: Ints
    since_us: Ints
    available: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    kind: NDArray[np.int32]
    category: NDArray[np.int32]
    author: NDArray[np.int32]
    tags: NDArray[np.int32]
    price: NDArray[np.float64]
    heats: NDArray[np.float64]

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.number: dict[str, int] = {}
        self.codes: dict[str, dict[str, int]] = {name: {} for name in _CODED}
        self.tag_sets = TagSets()
        self._room: dict[str, NDArray[Any]] = {
            name: np.full(_NO_ROOM, initial, dtype) for name, (dtype, initial) in _INITIAL.items()
        }
        self._room["heats"] = np.full((_NO_ROOM, len(COLUMNS)), COLD)
        self._touched: list[Ints] = []
        self._fallen = True
        self._tops = np.zeros((0, len(COLUMNS)), np.int64)
        self._category_tops: dict[int, Ints] = {}
        self._newest = np.zeros(0, np.int64)
        self._expose()

    def __len__(self) -> int:
        return len(self.ids)

    def numbers(self, ids: Iterable[str]) -> Ints:
        """The numbers of these items; new rows for those not known yet."""
        known, number = len(self.ids), self.number
        found = []
        for item in ids:
            row = number.setdefault(item, len(number))
            if row == len(self.ids):
                self.ids.append(item)
            found.append(row)
        if len(self.ids) > known:
            self._grow()
        return np.array(found, np.int64)

    def put(self, ids: Sequence[str], **columns: Any) -> Ints:
        """Overwrite these columns of these items, adding the items where needed.

        `kind`, `category` and `author` are given as texts or None, `tags` as lists of texts. The
        lists of the strongest follow at the next `refresh`.

        Returns:
            The items' numbers.
        """
        rows = self.numbers(ids)
        for name, values in columns.items():
            column = self._room[name]
            new = self._coded(name, values)
            if name == "heats" and (new < column[rows]).any():
                self._fallen = True
            if name in _LEAVING and (self.selectable(rows) & (new != column[rows])).any():
                self._fallen = True
            column[rows] = new
        if not columns.keys().isdisjoint(_LISTED):
            self.touch(rows)
        return rows

    def touch(self, rows: Ints) -> None:
        """Note that heats of these rows grew in place."""
        self._touched.append(rows)

    def refresh(self) -> None:
        """Bring the lists of the strongest up to date with what was put or touched.

        Each list is replaced at once, so others may read meanwhile.
        """
        touched, self._touched = self._touched, []
        fallen, self._fallen = self._fallen, False
        if fallen:
            changed = pool = self._shown(np.arange(len(self)))
        elif touched:
            changed = self._shown(np.unique(np.concatenate(touched)))
            pool = np.union1d(self._tops, changed)
        else:
            return
        self._tops = self._strongest(pool)
        self._category_tops = self._categories({} if fallen else self._category_tops, changed)
        arrived = changed[self.since_us[changed] > NEVER_US]
        newest = arrived if fallen else np.union1d(self._newest, arrived)
        self._newest = newest[np.argsort(-self.since_us[newest], kind="stable")[:TOP]]

    def selectable(self, rows: Ints) -> NDArray[np.bool_]:
        """Which rows may be shown."""
        return np.asarray(self.available[rows] & self.filled[rows])

    def top(self, column: int) -> Ints:
        """Numbers of the strongest by this column of `heats` at the last refresh, best first."""
        listed = self._tops[:, column]
        return np.asarray(listed[self.heats[listed, column] > COLD])

    def top_of_category(self, category: int) -> Ints:
        """Numbers of the category's strongest by `CATEGORY_COLUMN`, best first."""
        return self._category_tops.get(category, self._newest[:0])

    def newest(self, now_us: int) -> Ints:
        """Numbers of the newest arrivals that have arrived by now, newest first."""
        return self._newest[self.since_us[self._newest] <= now_us]

    def _strongest(self, pool: Ints) -> NDArray[np.int64]:
        """(at most TOP, len(COLUMNS)) numbers of the pool, best first by each column."""
        heats = -self.heats[pool]
        if len(pool) > TOP:
            kept = np.argpartition(heats, TOP - 1, axis=0)[:TOP]
            kept.sort(axis=0)
        else:
            kept = np.broadcast_to(np.arange(len(pool))[:, None], heats.shape)
        order = np.argsort(np.take_along_axis(heats, kept, 0), axis=0, kind="stable")
        numbers: NDArray[np.int64] = pool[np.take_along_axis(kept, order, 0)]
        return numbers

    def _categories(self, known: dict[int, Ints], changed: Ints) -> dict[int, Ints]:
        """The known lists of the strongest by category, with what changed."""
        tops = dict(known)
        changed = changed[(self.heats[changed, CATEGORY_COLUMN] > COLD)]
        categories = self.category[changed]
        for category in np.unique(categories[categories >= 0]).tolist():
            pool = np.union1d(known.get(category, changed[:0]), changed[categories == category])
            order = np.argsort(-self.heats[pool, CATEGORY_COLUMN], kind="stable")
            tops[category] = pool[order[:TOP_OF_CATEGORY]]
        return tops

    def _shown(self, rows: Ints) -> Ints:
        return rows[self.selectable(rows)]

    def _coded(self, name: str, values: Any) -> NDArray[Any]:
        if name == "tags":
            return np.array([self.tag_sets.code(tags) for tags in values], np.int32)
        if name not in _CODED:
            return np.asarray(values)
        codes = self.codes[name]
        found = [-1 if text is None else codes.setdefault(text, len(codes)) for text in values]
        return np.array(found, np.int32)

    def _grow(self) -> None:
        room = len(self._room["events"])
        if len(self.ids) > room:
            wanted = max(2 * room, len(self.ids))
            for name, column in self._room.items():
                grown = np.empty((wanted, *column.shape[1:]), column.dtype)
                grown[:room] = column
                grown[room:] = COLD if name == "heats" else _INITIAL[name][1]
                self._room[name] = grown
        self._expose()

    def _expose(self) -> None:
        for name, column in self._room.items():
            setattr(self, name, column[: len(self.ids)])

"""The recommender's state in memory, replayed from a log: predict, then learn. Pure numpy.

What serving reads from PostgreSQL at a moment is here what was applied before it, so lists for
learning and evaluation are those that would have been shown.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vane.features import features
from vane.following import FOLLOWED_RECENT, Neighbours
from vane.histories import ACT, Histories
from vane.item_table import ItemTable
from vane.nearest import NearestItems
from vane.pair_rows import PairRows
from vane.popularity import aggregate
from vane.preference import NEVER_US
from vane.retrieval import RECENT, Sources, Taste, retrieve

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

SEEN_MAX = 2_000
"""Newest items of a user that count as seen."""

HISTORIES_BYTES_MAX = 1 << 30


@dataclass(slots=True)
class Events:
    """n events in the order of the log."""

    user: Ints  # (n,) any codes
    item: Ints  # (n,) numbers of the table
    ts_us: Ints  # (n,)
    weight: Doubles  # (n,)
    excluding: NDArray[np.bool_]  # (n,) the item stays out for ever

    def __len__(self) -> int:
        return len(self.user)

    def between(self, low: int, high: int) -> "Events":
        """The events of rows [low, high)."""
        return Events(*(getattr(self, name)[low:high] for name in self.__slots__))


@dataclass(slots=True)
class _User:
    events: int = 0
    touched: dict[int, tuple[int, float]] = field(default_factory=dict)  # item: time, weight
    out: set[int] = field(default_factory=set)
    vectors: Floats | None = None  # (2, d) long, short
    masses: Doubles = field(default_factory=lambda: np.zeros(2))
    as_of_us: int = NEVER_US


class Replica:
    """Everything that one prediction reads; only what was applied is visible.

    Attributes:
        table: the items; fill in the catalogue before the first event.
    """

    def __init__(
        self,
        table: ItemTable,
        vectors: Floats | None = None,
        half_lives_s: tuple[float, float] = (2_592_000.0, 21_600.0),
    ) -> None:
        """Args: table; item vectors (n, d) by number, nan or zero without text; of the tastes."""
        self.table = table
        self._users: dict[int, _User] = {}
        self._histories: Histories[int] = Histories(HISTORIES_BYTES_MAX)
        self._pairs = PairRows()
        self._clock = 0
        self._half_lives_s = np.array(half_lives_s)
        self.describe(vectors)

    def describe(self, vectors: Floats | None) -> None:
        """Take the items' content, in place of what was known; None: no item has text.

        Items that join the table later have no text until the next call.
        """
        worded = vectors is not None and vectors.any()
        self._nearest = NearestItems(vectors) if vectors is not None and worded else None

    def apply(self, events: Events) -> None:
        """Learn these events, in their order."""
        if not len(events):
            return
        if self._nearest:
            self._nearest.reach(len(self.table))
        self._count(events)
        columns = (events.user, events.item, events.ts_us, events.weight, events.excluding)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for user, item, ts_us, weight, excluding in rows:
            known = self._users.setdefault(user, _User())
            self._taste(known, item, ts_us, weight)
            known.events += 1
            known.touched.pop(item, None)
            known.touched[item] = (ts_us, weight)
            if len(known.touched) > SEEN_MAX:
                del known.touched[next(iter(known.touched))]
            if excluding:
                known.out.add(item)

    def moment(
        self, user: int, now_us: int, padding: np.random.Generator | None = None
    ) -> tuple[Sources, Floats]:
        """The candidates of a user now, and their features (n, len(FEATURES))."""
        self.table.refresh()
        if self._nearest:
            self._nearest.reach(len(self.table))
        taste = self.taste(user)
        sources = retrieve(
            self.table,
            taste,
            self.neighbours(taste),
            self._nearest.contents(taste) if self._nearest else None,
            now_us,
            padding=padding,
        )
        return sources, features(sources, self.table, taste, now_us)

    def units(self, numbers: Ints) -> Floats:
        """Centred unit vectors (n, d) of what items are about; zero without text."""
        if self._nearest is None:
            return np.zeros((len(numbers), 1), np.float32)
        self._nearest.reach(len(self.table))
        return self._nearest.units(numbers)

    def is_news(self, user: int, item: int) -> bool:
        """Whether the user is known, and has not touched the item."""
        known = self._users.get(user)
        return known is not None and item not in known.touched and item not in known.out

    def has_touched(self, user: int, item: int) -> bool:
        """Whether the user did anything with the item, as far as it is remembered."""
        known = self._users.get(user)
        return known is not None and (item in known.touched or item in known.out)

    def taste(self, user: int) -> Taste:
        """The user as serving would read it."""
        known = self._users.get(user) or _User()
        newest = [
            (item, ts_us, weight)
            for item, (ts_us, weight) in reversed(known.touched.items())
            if weight > 0
        ][:RECENT]
        excluded = np.fromiter(known.touched.keys() | known.out, np.int64)
        long, short = self._queries(known)
        return Taste(
            recent=np.array([item for item, _, _ in newest], np.int64),
            recent_us=np.array([ts_us for _, ts_us, _ in newest], np.int64),
            recent_weight=np.array([weight for *_, weight in newest], np.float32),
            events=known.events,
            long=long,
            short=short,
            excluded=excluded,
        )

    def neighbours(self, taste: Taste) -> dict[int, Neighbours]:
        """The neighbour rows of the newest items."""
        rows = ((k, self._pairs.neighbours(k)) for k in taste.recent[:FOLLOWED_RECENT].tolist())
        return {item: row for item, row in rows if row is not None}

    def _count(self, events: Events) -> None:
        """Popularity, pairs and counts, as `flow trends` keeps them."""
        counted, earlier = np.zeros(len(events)), np.zeros(len(events), np.int64)
        positive = events.weight > 0
        acts = np.empty(int(positive.sum()), ACT)
        acts["item"], acts["ts_us"] = events.item[positive], events.ts_us[positive]
        acts["weight"] = events.weight[positive]
        look = self._histories.look_back(events.user[positive].tolist(), acts)
        counted[positive], earlier[positive] = look.counted, look.earlier
        self._pairs.add(events.item[positive], events.ts_us[positive], look)
        clock = self._clock + np.arange(len(events), dtype=np.float64)
        self._clock += len(events)
        ids = [self.table.ids[item] for item in events.item.tolist()]
        added = aggregate(ids, events.ts_us, clock, counted, earlier)
        table, rows = self.table, self.table.numbers(added.items)
        first = table.first_us[rows]
        table.first_us[rows] = np.where(
            first == NEVER_US, added.first_us, np.minimum(first, added.first_us)
        )
        table.last_us[rows] = np.maximum(table.last_us[rows], added.last_us)
        table.events[rows] += added.events
        table.weight_sum[rows] += added.weight_sum
        table.heats[rows] = np.logaddexp2(table.heats[rows], added.heats)
        unknown = rows[table.since_us[rows] == NEVER_US]
        table.since_us[unknown] = table.first_us[unknown]
        table.touch(rows)

    def _taste(self, user: _User, item: int, ts_us: int, weight: float) -> None:
        vector = self._nearest.vector(item) if self._nearest else None
        if vector is None:
            return
        if user.vectors is None:
            user.vectors = np.zeros((2, len(vector)), np.float32)
            user.as_of_us = ts_us
        left = np.exp2(-abs(ts_us - user.as_of_us) / 1e6 / self._half_lives_s)
        if ts_us > user.as_of_us:
            user.vectors *= left[:, None]
            user.masses *= left
            user.as_of_us = ts_us
            left = np.ones(2)
        user.vectors += (weight * left)[:, None] * vector
        user.masses += weight * left

    def _queries(self, user: _User) -> tuple[Floats | None, Floats | None]:
        if user.vectors is None or self._nearest is None:
            return None, None
        moved = user.vectors - user.masses[:, None] * self._nearest.mean
        norms = np.linalg.norm(moved, axis=1)
        long, short = (
            (row / norm).astype(np.float32) if norm > 0 else None
            for row, norm in zip(moved, norms, strict=True)
        )
        return long, short

"""The recommender's state in memory, replayed from a log: predict, then learn. Pure numpy.

What serving reads from PostgreSQL at a moment is here what was applied before it, so lists for
learning and evaluation are those that would have been shown.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vane.features import features
from vane.item_table import COLUMNS, SEGMENTS, ItemTable
from vane.popularity import HEATS, event_heats
from vane.preference import NEVER_US
from vane.retrieval import (
    BUDGETS,
    CLOSEST_CONTENT,
    FOLLOWED_RECENT,
    NEIGHBOUR_HALF_LIVES_S,
    NEXT_HALF_LIFE_S,
    RECENT,
    Contents,
    Neighbours,
    Sources,
    Taste,
    closest,
    retrieve,
    segment,
)

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

SEEN_MAX = 2_000
"""Newest items of a user that count as seen."""

NEIGHBOURS_MAX = 200
PAIR_WINDOW = 20
NEXT_WINDOW = 3
_NEAREST = 60
_SKETCH = 64
_SKETCHED_FOR_ONE = 3
_SEGMENT_COLUMNS = [COLUMNS.index(name) for name in SEGMENTS]


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
    vectors: Doubles | None = None  # (2, d) long, short
    masses: Doubles = field(default_factory=lambda: np.zeros(2))
    as_of_us: int = NEVER_US


class _Pairs:
    """Decayed pair weights of one item."""

    __slots__ = ("as_of_us", "mass", "slots", "values")

    def __init__(self, ts_us: int) -> None:
        self.slots: dict[int, int] = {}
        self.values = np.zeros((8, 4))
        self.mass = np.zeros(4)
        self.as_of_us = ts_us

    def room(self, items: list[int]) -> list[int]:
        slots = self.slots
        found = [slots.setdefault(item, len(slots)) for item in items]
        while len(slots) > len(self.values):
            self.values = np.concatenate([self.values, np.zeros_like(self.values)])
        return found

    def decay_to(self, ts_us: int) -> Doubles:
        """Bring to this time if it is newer; what is left of a term of this time."""
        left = np.exp2(-abs(ts_us - self.as_of_us) / 1e6 / _PAIR_HALF_LIVES_S)
        if ts_us <= self.as_of_us:
            return left
        self.values[: len(self.slots)] *= left
        self.mass *= left
        self.as_of_us = ts_us
        return np.ones(4)


_PAIR_HALF_LIVES_S = np.array([*NEIGHBOUR_HALF_LIVES_S, NEXT_HALF_LIFE_S])


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
        self._pairs: dict[int, _Pairs] = {}
        self._clock = 0
        self._half_lives_s = np.array(half_lives_s)
        self.describe(vectors)

    def describe(self, vectors: Floats | None) -> None:
        """Take the items' content, in place of what was known; None: no item has text.

        Items that join the table later have no text until the next call.
        """
        self._vectors = vectors if vectors is not None and vectors.any() else None
        self._nearest: dict[int, tuple[Ints, Floats]] = {}
        if self._vectors is not None:
            worded = np.asarray(self._vectors.any(axis=1))
            self._mean = self._vectors[worded].mean(axis=0, dtype=np.float64).astype(np.float32)
            moved = np.where(worded[:, None], self._vectors - self._mean, 0)
            norms = np.linalg.norm(moved, axis=1, keepdims=True)
            self._units = np.divide(moved, norms, out=np.zeros_like(moved), where=norms > 0)
            self._basis = _principal(self._units[worded])
            self._sketches = self._units @ self._basis

    def apply(self, events: Events) -> None:
        """Learn these events, in their order."""
        if not len(events):
            return
        self._make_room()
        self._warm(events)
        rows = zip(
            events.user.tolist(),
            events.item.tolist(),
            events.ts_us.tolist(),
            events.weight.tolist(),
            events.excluding.tolist(),
            strict=True,
        )
        for user, item, ts_us, weight, excluding in rows:
            known = self._users.setdefault(user, _User())
            if weight > 0:
                self._pair(known, item, ts_us, weight)
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
        taste = self.taste(user)
        sources = retrieve(
            self.table,
            taste,
            self.neighbours(taste),
            self._contents(taste),
            now_us,
            padding=padding,
        )
        return sources, features(sources, self.table, taste, now_us)

    def is_news(self, user: int, item: int) -> bool:
        """Whether the user is known, and has not touched the item."""
        known = self._users.get(user)
        return known is not None and item not in known.touched and item not in known.out

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
        return {
            item: _row(self._pairs[item])
            for item in taste.recent[:FOLLOWED_RECENT].tolist()
            if item in self._pairs
        }

    def _warm(self, events: Events) -> None:
        """Popularity and counts of the table."""
        table, rows = self.table, events.item
        np.add.at(table.events, rows, 1)
        np.add.at(table.weight_sum, rows, events.weight)
        np.maximum.at(table.last_us, rows, events.ts_us)
        first = np.where(table.first_us[rows] == NEVER_US, events.ts_us, table.first_us[rows])
        table.first_us[rows] = first
        np.minimum.at(table.first_us, rows, events.ts_us)
        unknown = table.since_us[rows] == NEVER_US
        table.since_us[rows[unknown]] = table.first_us[rows[unknown]]
        clock = self._clock + np.arange(len(events), dtype=np.float64)
        self._clock += len(events)
        positive = events.weight > 0
        rows = rows[positive]
        heats = event_heats(events.ts_us[positive], clock[positive], events.weight[positive])
        np.logaddexp2.at(table.heats[:, : len(HEATS)], rows, heats)
        own = self._segments(events)[positive]
        day = HEATS.index("heat_1d")
        np.logaddexp2.at(table.heats, (rows, own), heats[:, day])
        table.touch(rows)

    def _segments(self, events: Events) -> Ints:
        earlier: dict[int, int] = {}
        columns = []
        for user in events.user.tolist():
            if user not in earlier:
                earlier[user] = self._users[user].events if user in self._users else 0
            columns.append(_SEGMENT_COLUMNS[segment(earlier[user])])
            earlier[user] += 1
        return np.array(columns, np.int64)

    def _pair(self, user: _User, item: int, ts_us: int, weight: float) -> None:
        mine = self._pairs.setdefault(item, _Pairs(ts_us))
        left = mine.decay_to(ts_us)
        mine.mass[:3] += weight * left[:3]
        others = []
        for other, (_, touched_weight) in reversed(user.touched.items()):
            if other != item and touched_weight > 0:
                others.append(other)
                if len(others) == PAIR_WINDOW:
                    break
        if not others:
            return
        grown = weight * np.exp2(-np.arange(len(others)) / 10.0)
        slots = mine.room(others)
        mine.values[slots, :3] += grown[:, None] * left[:3]
        for place, other in enumerate(others):
            theirs = self._pairs.setdefault(other, _Pairs(ts_us))
            left = theirs.decay_to(ts_us)
            slot = theirs.room([item])[0]
            theirs.values[slot, :3] += grown[place] * left[:3]
            if place < NEXT_WINDOW:
                moved = weight * 2.0**-place * left[3]
                theirs.values[slot, 3] += moved
                theirs.mass[3] += moved

    def _taste(self, user: _User, item: int, ts_us: int, weight: float) -> None:
        if self._vectors is None or not self._vectors[item].any():
            return
        if user.vectors is None:
            user.vectors = np.zeros((2, self._vectors.shape[1]))
            user.as_of_us = ts_us
        left = np.exp2(-abs(ts_us - user.as_of_us) / 1e6 / self._half_lives_s)
        if ts_us > user.as_of_us:
            user.vectors *= left[:, None]
            user.masses *= left
            user.as_of_us = ts_us
            left = np.ones(2)
        user.vectors += (weight * left)[:, None] * self._vectors[item]
        user.masses += weight * left

    def _queries(self, user: _User) -> tuple[Floats | None, Floats | None]:
        if user.vectors is None:
            return None, None
        moved = user.vectors - user.masses[:, None] * self._mean
        norms = np.linalg.norm(moved, axis=1)
        long, short = (
            (row / norm).astype(np.float32) if norm > 0 else None
            for row, norm in zip(moved, norms, strict=True)
        )
        return long, short

    def _contents(self, taste: Taste) -> Contents | None:
        if self._vectors is None:
            return None
        self._make_room()
        worded = [
            item for item in taste.recent[:CLOSEST_CONTENT].tolist() if self._units[item].any()
        ]
        lists: dict[str, Ints] = {}
        queries = {"content_long": taste.long, "content_short": taste.short}
        asked = {name: query for name, query in queries.items() if query is not None}
        if asked:
            for name, query in asked.items():
                lists[name] = self._nearest_to(query, taste.excluded, BUDGETS[name])[0]
        if worded:
            nearest = [self._nearest_of(item) for item in worded]
            lists["content_last"] = nearest[0][0]
            lists["content_closest"] = closest(nearest)
        return Contents(lists, self._units.__getitem__)

    def _make_room(self) -> None:
        """Rows without text for items that joined the table."""
        if self._vectors is not None and len(self._vectors) < len(self.table):
            wanted = len(self.table) + len(self.table) // 4
            rows = ((0, wanted - len(self._vectors)), (0, 0))
            self._vectors = np.pad(self._vectors, rows)
            self._units = np.pad(self._units, rows)
            self._sketches = np.pad(self._sketches, rows)

    def _nearest_of(self, item: int) -> tuple[Ints, Floats]:
        found = self._nearest.get(item)
        if found is None:
            itself = np.array([item])
            found = self._nearest_to(self._units[item], itself, _NEAREST)
            self._nearest[item] = found
        return found

    def _nearest_to(self, query: Floats, excluded: Ints, count: int) -> tuple[Ints, Floats]:
        """The nearest items and their cosines: the best of those whose sketches are nearest."""
        rough = self._sketches[: len(self.table)] @ (query @ self._basis)
        rough[excluded] = -np.inf
        near = _best(rough, _SKETCHED_FOR_ONE * count)
        cosines = self._units[near] @ query
        kept = _best(cosines, count)
        return near[kept], cosines[kept]


def _row(pairs: _Pairs) -> Neighbours:
    """The strongest NEIGHBOURS_MAX neighbours by the largest share over the kinds."""
    count = len(pairs.slots)
    values = pairs.values[:count]
    items = np.fromiter(pairs.slots, np.int64, count)
    if count > NEIGHBOURS_MAX:
        share = (values / (values.max(axis=0) + 1e-12)).max(axis=1)
        kept = np.argpartition(-share, NEIGHBOURS_MAX)[:NEIGHBOURS_MAX]
        items, values = items[kept], values[kept]
    return Neighbours(
        items=items,
        together=values[:, :3].astype(np.float32),
        next=values[:, 3].astype(np.float32),
        mass=pairs.mass[:3].copy(),
        next_mass=float(pairs.mass[3]),
        as_of_us=pairs.as_of_us,
    )


def _principal(units: Floats) -> Floats:
    """The strongest directions of unit vectors (n, d), (d, at most _SKETCH)."""
    _, directions = np.linalg.eigh(units.T.astype(np.float64) @ units)
    return np.ascontiguousarray(directions[:, -_SKETCH:], np.float32)


def _best(score: Floats, count: int) -> Ints:
    count = min(count, len(score))
    kept = np.argpartition(-score, count - 1)[:count]
    return np.asarray(kept[np.argsort(-score[kept], kind="stable")])

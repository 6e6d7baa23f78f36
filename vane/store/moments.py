"""What a list is made from, of one user at one moment: bounded however long the history is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vane.filters import ANY, Filter
from vane.store import binary
from vane.store.serving import DIMENSION, Detail, ServingStore, UserState
from vane.store.sql import fragment, load_queries

NEAR_ITEMS = 40
"""What is nearest to each of a user's tastes."""
NEAREST_ITEMS = 60
"""What is nearest to one item."""
PAST_EVENTS_MAX = 500
"""Newest events of a user among which are the newest items."""
SEEN_EVENTS_MAX = 2_000
"""A user has seen the items of this many newest events."""
WATCHED_EVENTS = 40
"""Newest events of whose items it is told when their neighbours were written."""
HIDDEN_ITEMS_MAX = 2_000
"""Of more hidden items only these are known at once; see `ServingStore.still_hidden`."""

Floats = NDArray[np.float32]

_SQL = load_queries("moments")


def about_query(conditions: str, near_max: int = NEAR_ITEMS) -> str:
    """The query of `about`, within conditions on `item`, for so many nearest items.

    Bounds are literals: the planner takes a plan for all users only where it knows them.
    """
    return _SQL["about"].format(
        filter=conditions,
        events_max=PAST_EVENTS_MAX,
        seen_max=SEEN_EVENTS_MAX,
        hidden_max=HIDDEN_ITEMS_MAX,
        near_max=near_max,
        watched_max=WATCHED_EVENTS,
    )


FILTER = fragment(_SQL, "filter")
"""Conditions on `item`, by the fields of `Wanted`."""
_ABOUT, _ABOUT_FILTERED = about_query(""), about_query(FILTER)


class PastEvent(NamedTuple):
    """An event of a user."""

    item_id: str
    action: str
    ts_us: int
    weight: float


class Tastes(NamedTuple):
    """A user's preference vectors (d,) with the decayed sums of the weights behind them."""

    long: Floats
    short: Floats
    mass_long: float
    mass_short: float


class About(NamedTuple):
    """What is known of a user, in ids.

    Attributes:
        state: of the same snapshot as all else.
        tastes: None where no item of the user's has text.
        past: the newest events, newest first, at most PAST_EVENTS_MAX.
        seen: items of the newest SEEN_EVENTS_MAX events.
        hidden: items that must stay out, at most HIDDEN_ITEMS_MAX of them.
        near_long: what is nearest to the long taste, nearest first, without the two above.
        near_short: the same for the short one.
        written: for items of the newest events which transaction wrote their neighbours last.
    """

    state: UserState
    tastes: Tastes | None
    past: list[PastEvent]
    seen: list[str]
    hidden: list[str]
    near_long: list[str]
    near_short: list[str]
    written: Mapping[str, int] = MappingProxyType({})

    def queries(self, mean: Floats) -> tuple[Floats | None, Floats | None]:
        """The tastes as unit vectors, seen from the mean item; None where they are just that."""
        if self.tastes is None:
            return None, None
        long, short, *masses = self.tastes
        return _unit(long - masses[0] * mean), _unit(short - masses[1] * mean)


class NeighbourRow(NamedTuple):
    """With what an item is visited, k neighbours; decayed to `as_of_us`.

    Attributes:
        weights: (k, 4) together by three half-lives, and transitions to the neighbour.
        mass: (4,) of the item's own weights and transitions.
        written: the transaction that wrote the row.
    """

    neighbours: list[str]
    weights: Floats
    mass: NDArray[np.float64]
    as_of_us: int
    written: int


NOT_WRITTEN = 0
"""In place of a transaction where there is no neighbour row."""

Nearest = list[tuple[str, float]]
"""Items with their centred cosines, nearest first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items are looked for.

    Attributes:
        filter: what they must be.
        exclude: these never.
        exclude_seen: nor what the user has seen.
        only: all that pass, where these are few: the search is exact then, and needs no index.
    """

    filter: Filter = ANY
    exclude: Sequence[str] = ()
    exclude_seen: bool = True
    only: Sequence[str] | None = None

    @property
    def anything(self) -> bool:
        """Whether every item will do."""
        return self.filter == ANY and not self.exclude

    def fields(self) -> dict[str, Any]:
        """As the queries name them."""
        kinds, categories, tags, price_min, price_max = self.filter
        return {
            "kinds": list(kinds) or None,
            "categories": list(categories) or None,
            "tags": list(tags) or None,
            "price_min": price_min,
            "price_max": price_max,
            "exclude": list(self.exclude) or None,
            "only": None if self.only is None else list(self.only),
        }


async def about(store: ServingStore, user_id: str, wanted: Wanted) -> About:
    """What is known of a user, in one round trip; bounded however many events there are."""
    return await about_of(store, _ABOUT if wanted.anything else _ABOUT_FILTERED, user_id, wanted)


async def about_of(store: ServingStore, query: str, user_id: str, wanted: Wanted) -> About:
    """`about` by a query of `about_query`; the one without conditions has one plan for all."""
    fields = {
        "user_id": user_id,
        "mean": await store.item_mean_parameter(),
        "exclude_seen": wanted.exclude_seen,
    }
    ((row,),) = await store.read((query, fields | wanted.fields()), prepare=query == _ABOUT)
    seen, hidden, near_long, near_short, watched, written = row[12:]
    if row[4] is not None and wanted.only is None:
        for near in (near_long, near_short):
            store.scans.count(len(near), NEAR_ITEMS)
    return About(
        UserState(*row[:4]),
        None if row[4] is None else _tastes(row[4:8]),
        [*map(PastEvent, *row[8:12])],
        seen,
        hidden,
        near_long,
        near_short,
        dict(zip(watched, written, strict=True)),
    )


async def around(
    store: ServingStore, followed: Sequence[str], compared: Sequence[str]
) -> tuple[dict[str, NeighbourRow], dict[str, Nearest]]:
    """The neighbour rows of some items, and what is nearest to the content of others.

    Items without have none.
    """
    mean = await store.item_mean_parameter()
    asked = {"item_ids": list(compared), "mean": mean, "limit": NEAREST_ITEMS}
    neighbours, nearest = await store.read(
        (_SQL["neighbours"], {"item_ids": list(followed)}), (_SQL["nearest"], asked), prepare=True
    )
    lists: dict[str, Nearest] = {}
    for origin, found, cosine in nearest:
        lists.setdefault(origin, []).append((found, cosine))
    for listed in lists.values():
        store.scans.count(len(listed), NEAREST_ITEMS)
        listed.sort(key=lambda pair: -pair[1])
    return {row[0]: _neighbour_row(*row[1:]) for row in neighbours}, lists


async def details(store: ServingStore, item_ids: Sequence[str]) -> dict[str, Detail]:
    """What lists show of these items; those that went have none."""
    (rows,) = await store.read((_SQL["details"], {"item_ids": list(item_ids)}), prepare=True)
    return {row[0]: Detail(*row) for row in rows}


async def contents(store: ServingStore, item_ids: Sequence[str]) -> dict[str, bytes | None]:
    """Contents in pgvector's binary form; None without text, those that went have none."""
    (rows,) = await store.read((_SQL["contents"], {"item_ids": list(item_ids)}), prepare=True)
    return dict(rows)


async def still_hidden(store: ServingStore, user_id: str, item_ids: Sequence[str]) -> set[str]:
    """Which of these items the user hid, disliked or bought."""
    fields = {"user_id": user_id, "item_ids": list(item_ids)}
    (rows,) = await store.read((_SQL["still_hidden"], fields))
    return {item_id for (item_id,) in rows}


def _unit(vector: NDArray[np.float64]) -> Floats | None:
    length = float(np.linalg.norm(vector))
    return (vector / length).astype(np.float32) if length > 0 else None


def _tastes(row: Sequence[Any]) -> Tastes:
    long, short = binary.read_vectors(row[:2], ">f4", DIMENSION)
    return Tastes(long, short, *row[2:])


def _neighbour_row(
    neighbours: list[str], weights: bytes, mass: list[float], as_of_us: int, written: int
) -> NeighbourRow:
    cells = np.frombuffer(weights, "<f4").reshape(len(neighbours), 4)
    return NeighbourRow(neighbours, cells, np.array(mass), as_of_us, written)

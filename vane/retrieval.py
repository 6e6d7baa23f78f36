"""Candidates for one user at one moment, each with its value under every named source. Pure numpy.

One code predicts in serving and in learning: serving fills the inputs from PostgreSQL and its
tables, `vane.replica` from a log. Three steps, so that a server may read item vectors in between:
`follow` what people who touched the user's newest items go on to touch, choose `candidates`, and
take their `sources`; `retrieve` does all three.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vane.following import FOLLOWED, Followed, Neighbours, follow, grouped
from vane.item_table import ItemTable
from vane.popularity import COLUMNS, HEATS, SEGMENT_EVENTS_MAX, SEGMENT_HEATS
from vane.source_values import category_share, likeness, newness, popularity

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

POPULAR = tuple(name.replace("heat", "popular") for name in HEATS)
SEGMENT = "popular_alike"
CONTENT = ("content_long", "content_short", "content_last", "content_closest")
CATEGORY = "popular_category"
ARRIVALS = "arrivals"
SOURCES = (*POPULAR, SEGMENT, *FOLLOWED, *CONTENT, CATEGORY, ARRIVALS)
"""The sources' names, in the order of the columns of `Sources.values`."""

BUDGETS = dict.fromkeys(SOURCES, 40) | {
    "popular_15m": 15,
    "together_last": 15,
    "together_closest": 15,
    "content_last": 15,
    "content_closest": 15,
    CATEGORY: 15,
    ARRIVALS: 15,
}
"""How many candidates each source may name."""

WANTED = 300
"""Candidates of one list."""

RECENT = 50
"""Newest distinct items of a user that are looked at."""

CLOSEST_CONTENT = 8
MEAN_PRIOR_ITEMS = 20
"""The mean content of this many items is drawn half-way towards zero."""

FUSION = 20.0
"""The constant of reciprocal rank fusion: rank r adds 1 / (FUSION + r)."""

_COLUMN = {name: place for place, name in enumerate(SOURCES)}


@dataclass(frozen=True, slots=True)
class Taste:
    """The user's side at this moment; item numbers are those of the table."""

    recent: Ints  # (k,) distinct items, newest first, at most RECENT
    recent_us: Ints  # (k,) time of the newest event on each
    recent_weight: Floats  # (k,) its weight
    events: int  # all events so far
    long: Floats | None = None  # (d,) centred unit query
    short: Floats | None = None
    excluded: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # seen, hidden

    @property
    def segment(self) -> int:
        """Place of the user's segment in SEGMENT_HEATS."""
        return sum(self.events > limit for limit in SEGMENT_EVENTS_MAX)


@dataclass(frozen=True, slots=True)
class Contents:
    """What the text index says: lists by source name of CONTENT, and vectors."""

    lists: Mapping[str, Ints]  # numbers, nearest first
    units: Callable[[Ints], Floats]  # (n,) -> (n, d) centred unit vectors, zero without text


@dataclass(frozen=True, slots=True)
class Sources:
    """n candidates and what each source says of them; 0 or nan: nothing."""

    numbers: Ints  # (n,)
    values: Floats  # (n, len(SOURCES))


def retrieve(
    table: ItemTable,
    taste: Taste,
    neighbours: Mapping[int, Neighbours],
    contents: Contents | None,
    now_us: int,
    wanted: int = WANTED,
    padding: np.random.Generator | None = None,
) -> Sources:
    """The `wanted` best candidates for this user now, with every source's value.

    Args:
        table: refreshed; its lists of the strongest are read.
        taste: the user.
        neighbours: rows of the newest FOLLOWED_RECENT items, by number, where there are any.
        contents: None where no item of the user's has text.
        now_us: the moment.
        wanted: candidates at most.
        padding: fills up with random items of the catalogue; for learning, which must see
            negatives that no source names.
    """
    followed = follow(table, taste.recent, neighbours, now_us)
    lists = contents.lists if contents else {}
    numbers = candidates(table, taste, followed, lists, now_us, wanted)
    if padding is not None:
        numbers = pad(table, taste, numbers, wanted, padding)
    compared = np.concatenate([taste.recent[:CLOSEST_CONTENT], numbers])
    units = contents.units(compared) if contents else None
    return sources(table, taste, followed, units, numbers, now_us)


def candidates(
    table: ItemTable,
    taste: Taste,
    followed: Followed,
    lists: Mapping[str, Ints],
    now_us: int,
    wanted: int = WANTED,
) -> Ints:
    """The union of every source's list, cut by reciprocal rank fusion; best first."""
    blocked = np.zeros(len(table), np.bool_)
    blocked[taste.excluded] = True
    lists = _lists(table, taste, followed, lists, blocked, now_us)
    named = np.concatenate([*lists.values()])
    sizes = [len(listed) for listed in lists.values()]
    offered = table.selectable(named) & ~blocked[named]
    before = np.cumsum(offered) - offered
    starts = np.cumsum(sizes) - sizes
    rank = before - np.repeat(np.append(before, 0)[starts], sizes)
    kept = offered & (rank < np.repeat([BUDGETS[name] for name in lists], sizes))
    numbers, slot = grouped(named[kept])
    fused = np.bincount(slot, 1.0 / (FUSION + rank[kept]), len(numbers))
    best = np.argsort(-fused, kind="stable")[:wanted]
    return np.asarray(numbers[best])


def _lists(
    table: ItemTable,
    taste: Taste,
    followed: Followed,
    lists: Mapping[str, Ints],
    blocked: NDArray[np.bool_],
    now_us: int,
) -> dict[str, Ints]:
    """Each source's items, best first; of some not all that may be shown."""
    named = {name: table.top(place) for place, name in enumerate(POPULAR)}
    named[SEGMENT] = table.top(COLUMNS.index(SEGMENT_HEATS[taste.segment]))
    open_scores = np.where(blocked[followed.numbers], 0.0, followed.scores.T)
    for name, score in zip(FOLLOWED, open_scores, strict=True):
        best = _best(score, BUDGETS[name])
        named[name] = followed.numbers[best[score[best] > 0]]
    named |= lists
    named[CATEGORY] = _of_categories(table, taste)
    named[ARRIVALS] = table.newest(now_us)
    return named


def _of_categories(table: ItemTable, taste: Taste) -> Ints:
    """The strongest of the user's two most frequent categories, in turn."""
    codes = table.category[taste.recent]
    codes = codes[codes >= 0]
    if not len(codes):
        return codes.astype(np.int64)
    counts = np.bincount(codes)
    favourite = np.argsort(-counts, kind="stable")[:2]
    tops = [table.top_of_category(int(code)) for code in favourite if counts[code]]
    place = np.concatenate([np.arange(len(top)) for top in tops])
    return np.asarray(np.concatenate(tops)[np.argsort(place, kind="stable")])


def _best(score: Doubles, count: int) -> Ints:
    if len(score) > count:
        kept = np.sort(np.argpartition(-score, count)[:count])
        return np.asarray(kept[np.argsort(-score[kept], kind="stable")])
    return np.argsort(-score, kind="stable")


def closest(nearest: Sequence[tuple[Ints, Floats]]) -> Ints:
    """Join the neighbour lists (numbers, cosines) of several items: the list of content_closest."""
    numbers = np.concatenate([listed for listed, _ in nearest])
    cosines = np.concatenate([cosines for _, cosines in nearest])
    ordered = numbers[np.argsort(-cosines, kind="stable")]
    _, first = np.unique(ordered, return_index=True)
    return np.asarray(ordered[np.sort(first)])


def pad(
    table: ItemTable, taste: Taste, numbers: Ints, wanted: int, rng: np.random.Generator
) -> Ints:
    """The candidates and then random other items that may be shown, `wanted` in all if possible."""
    missing = wanted - len(numbers)
    if missing <= 0 or not len(table):
        return numbers
    drawn = (
        rng.permutation(len(table))
        if len(table) < 8 * wanted
        else np.unique(rng.integers(0, len(table), 4 * wanted))
    )
    rng.shuffle(drawn)
    drawn = drawn[table.selectable(drawn)]
    drawn = drawn[~np.isin(drawn, np.concatenate([numbers, taste.excluded]))]
    return np.concatenate([numbers, drawn[:missing]])


def sources(
    table: ItemTable,
    taste: Taste,
    followed: Followed,
    units: Floats | None,
    numbers: Ints,
    now_us: int,
) -> Sources:
    """Every source's value for these items, whichever source named them.

    Args:
        table: the items.
        taste: the user.
        followed: scores of the neighbours.
        units: centred unit vectors of the user's newest CLOSEST_CONTENT items, then of these;
            None: nothing has text.
        numbers: the items.
        now_us: the moment.
    """
    values = np.zeros((len(numbers), len(SOURCES)), np.float32)
    popular = popularity(table, taste.segment, numbers, now_us)
    values[:, : popular.shape[1]] = popular
    if len(followed.numbers):
        place = np.minimum(np.searchsorted(followed.numbers, numbers), len(followed.numbers) - 1)
        known = followed.numbers[place] == numbers
        start = _COLUMN[FOLLOWED[0]]
        values[known, start : start + len(FOLLOWED)] = followed.scores[place[known]]
    start = _COLUMN[CONTENT[0]]
    values[:, start : start + len(CONTENT)] = likeness(
        (taste.long, taste.short), units, len(numbers)
    )
    values[:, _COLUMN[CATEGORY]] = category_share(table, taste.recent, numbers)
    values[:, _COLUMN[ARRIVALS]] = newness(now_us - table.since_us[numbers])
    return Sources(numbers, values)


def common(mean: NDArray[np.floating[Any]], items: int) -> Floats:
    """What the contents of all items have in common, from the mean of some.

    Few items say little of it, so their mean is drawn towards zero.
    """
    return np.asarray(mean * (items / (items + MEAN_PRIOR_ITEMS)), np.float32)

"""Which items a list is chosen from: what the sources name, within the filters, filled up."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from api.shelf import Shelf, known_numbers, strongest
from vane.filters import ANY, Boost, Filter
from vane.following import Followed
from vane.item_table import ItemTable
from vane.retrieval import RECENT, WANTED, Taste, candidates, closest
from vane.store.moments import About, PastEvent

BOOSTED = 40
"""So many of the strongest items that a boost prefers are candidates, whatever the sources name."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Wish(NamedTuple):
    """What the caller wants of the candidates."""

    limit: int
    filter: Filter = ANY
    exclude: Sequence[str] = ()
    boosts: Sequence[Boost] = ()


def taste_of(table: ItemTable, known: About, mean: Floats) -> tuple[Taste, list[PastEvent]]:
    """The user's side, and the newest event on each of the recent items."""
    newest: dict[str, PastEvent] = {}
    for event in known.past:
        newest.setdefault(event.item_id, event)
    liked = (event for event in newest.values() if event.weight > 0)
    recent = [event for event in liked if event.item_id in table.number][:RECENT]
    long, short = known.queries(mean)
    taste = Taste(
        recent=known_numbers(table, [event.item_id for event in recent]),
        recent_us=np.array([event.ts_us for event in recent], np.int64),
        recent_weight=np.array([event.weight for event in recent], np.float32),
        events=known.state.events,
        long=long,
        short=short,
    )
    return taste, recent


def content_lists(
    table: ItemTable, taste: Taste, known: About, nearest: Sequence[tuple[Ints, Floats]]
) -> dict[str, Ints]:
    """What the text index named, by source."""
    lists = {}
    if taste.long is not None:
        lists["content_long"] = known_numbers(table, known.near_long)
    if taste.short is not None:
        lists["content_short"] = known_numbers(table, known.near_short)
    if nearest:
        lists["content_last"] = nearest[0][0]
        lists["content_closest"] = closest(nearest)
    return {name: numbers[numbers >= 0] for name, numbers in lists.items()}


def choose(
    shelf: Shelf,
    taste: Taste,
    known: About,
    followed: Followed,
    lists: Mapping[str, Ints],
    now_us: int,
    wish: Wish,
) -> Ints:
    """The candidates by the first rule that leaves any: hidden items are the last resort."""
    hidden = known_numbers(shelf.table, known.hidden)
    seen = known_numbers(shelf.table, known.seen)
    never = known_numbers(shelf.table, wish.exclude)
    unfit = shelf.unfit(wish.filter) if wish.filter != ANY else never[:0]
    numbers = never[:0]
    for out in (np.union1d(seen, hidden), hidden, never):
        excluded = np.union1d(out, never) if len(never) else out
        excluded = excluded[excluded >= 0]
        left = replace(taste, excluded=np.concatenate([excluded, unfit]))
        numbers = candidates(shelf.table, left, followed, lists, now_us)
        numbers = _filled(shelf, numbers, excluded, wish)
        if len(numbers):
            return _with_boosted(shelf, numbers, excluded, wish)
    return numbers


def _filled(shelf: Shelf, numbers: Ints, excluded: Ints, wish: Wish) -> Ints:
    """The candidates, filled up with the strongest items that pass the filter."""
    wanted = WANTED if wish.filter != ANY else wish.limit
    if len(numbers) < wanted:
        numbers = _joined(numbers, shelf.strongest(wish.filter), excluded, wanted)
    if len(numbers) < wish.limit:
        rows = np.setdiff1d(shelf.matching(wish.filter), excluded, assume_unique=True)
        numbers = _joined(numbers, strongest(shelf.table, rows, WANTED), excluded, wish.limit)
    return numbers


def _with_boosted(shelf: Shelf, numbers: Ints, excluded: Ints, wish: Wish) -> Ints:
    for boost in wish.boosts:
        if boost.factor > 1:
            preferred = shelf.matching(wish.filter, shelf.strongest(boost.filter)[: 4 * BOOSTED])
            numbers = _joined(numbers, preferred[:BOOSTED], excluded, len(numbers) + BOOSTED)
    return numbers


def _joined(numbers: Ints, more: Ints, excluded: Ints, wanted: int) -> Ints:
    new = more[~np.isin(more, np.concatenate([numbers, excluded]))]
    return np.concatenate([numbers, new])[:wanted]

"""What search reads: matches, and known terms for misspelt ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vane import search
from vane.fusion import COSINE_MIN
from vane.search import Word
from vane.store.moments import FILTER, Wanted
from vane.store.serving import Detail, ServingStore, literal
from vane.store.sql import fragment, load_queries

MATCHES_MAX = 1_000
"""Matches of a query that are ranked, those in titles first. Bounds the time."""
TITLES_MAX = 300
"""Titles among which the most popular are suggested."""
SIMILAR_TERMS_MAX = 16
ITEMS_COUNTED_MAX = 100

_SQL = load_queries("search")


def _query(name: str, conditions: str) -> str:
    return _SQL[name].format(taste=fragment(_SQL, "taste"), filter=conditions)


_FIND, _FIND_FILTERED = _query("search", ""), _query("search", FILTER)
_MEANT, _MEANT_FILTERED = _query("meant", ""), _query("meant", FILTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for; `user_id` None: for nobody's taste."""

    words: Sequence[Word]
    limit: int
    every: bool = True
    user_id: str | None = None
    wanted: Wanted = field(default_factory=Wanted)


class Found(NamedTuple):
    """A match; `taste` is the mean inner product with the user's centred long and short vectors."""

    detail: Detail
    taste: float | None


class Meant(NamedTuple):
    """An item whose content is near that of the text; `cosine` says how near."""

    found: Found
    cosine: float


async def find(store: ServingStore, asked: Search) -> list[Found]:
    """The available items that match, best first, at most `asked.limit`."""
    fields = {
        "user_id": asked.user_id,
        "mean": await store.item_mean_parameter(),
        "title_hash": search.title_hash(asked.words),
        "match": search.match_query(asked.words, every=asked.every),
        "title_match": search.match_query(asked.words, every=asked.every, mark=search.IN_TITLE),
        "rank": search.rank_query(asked.words),
        "weights": list(search.RANK_WEIGHTS),
        "matches_max": MATCHES_MAX,
        "limit": asked.limit,
    }
    query = _FIND if asked.wanted.anything else _FIND_FILTERED
    rows = await _rows(store, query, fields | asked.wanted.fields())
    return [Found(Detail(*row[:-1]), row[-1]) for row in rows]


async def find_meant(
    store: ServingStore, meaning: NDArray[np.float32], asked: Search
) -> list[Meant]:
    """The available items nearest to the vector (384,) of a text, nearest first."""
    fields = {
        "user_id": asked.user_id,
        "mean": await store.item_mean_parameter(),
        "meaning": literal(meaning),
        "cosine_min": COSINE_MIN,
        "limit": asked.limit,
    }
    query = _MEANT if asked.wanted.anything else _MEANT_FILTERED
    rows = await _rows(store, query, fields | asked.wanted.fields())
    return [Meant(Found(Detail(*row[:-2]), row[-2]), row[-1]) for row in rows]


async def titles(store: ServingStore, words: Sequence[Word], limit: int) -> list[tuple[str, str]]:
    """Ids and titles of available items whose titles have words that begin like these."""
    fields = {
        "title_match": search.match_query(words, mark=search.IN_TITLE),
        "matches_max": TITLES_MAX,
        "limit": limit,
    }
    return [(row[0], row[1]) for row in await _rows(store, _SQL["titles"], fields)]


async def unknown_words(store: ServingStore, words: Sequence[Word]) -> list[Word]:
    """Those of the words that no item has, and that no item's word begins with."""
    queries = [search.match_query([word]) for word in words]
    rows = await _rows(store, _SQL["matching"], {"queries": queries})
    known = {place - 1 for (place,) in rows}
    return [word for place, word in enumerate(words) if place not in known]


async def similar_terms(store: ServingStore, term: str) -> dict[str, int]:
    """Known terms that look like one → how many items have it, counted to ITEMS_COUNTED_MAX."""
    fields = {
        "trigrams": search.trigram_query(term),
        "swapped": search.swapped(term),
        "shortest": len(term) - search.EDITS_MAX,
        "longest": len(term) + search.EDITS_MAX,
        "items_max": ITEMS_COUNTED_MAX,
        "limit": SIMILAR_TERMS_MAX,
    }
    return dict(await _rows(store, _SQL["similar_terms"], fields))


async def _rows(store: ServingStore, query: str, fields: dict[str, Any]) -> list[Any]:
    async with store.connection() as opened:
        cursor = await opened.cursor(binary=True).execute(query, fields, prepare=False)
        return await cursor.fetchall()

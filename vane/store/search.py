"""What search reads: matches, and known terms for misspelt ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vane import search
from vane.search import Word
from vane.store.serving import Detail, ServingStore
from vane.store.sql import load_queries

MATCHES_MAX = 1_000
"""Matches of a query that are ranked, those in titles first. Bounds the time."""
SIMILAR_TERMS_MAX = 16
ITEMS_COUNTED_MAX = 100

_SQL = load_queries("search")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for; None: any, and for `user_id` nobody's taste."""

    words: Sequence[Word]
    limit: int
    every: bool = True
    user_id: str | None = None
    kind: str | None = None
    category: str | None = None


class Found(NamedTuple):
    """A match; `taste` is the mean inner product with the user's centred long and short vectors."""

    detail: Detail
    taste: float | None


async def find(store: ServingStore, wanted: Search) -> list[Found]:
    """The available items that match, best first, at most `wanted.limit`."""
    fields = {
        "user_id": wanted.user_id,
        "kind": wanted.kind,
        "category": wanted.category,
        "mean": await store.item_mean_parameter(),
        "title_hash": search.title_hash(wanted.words),
        "match": search.match_query(wanted.words, every=wanted.every),
        "title_match": search.match_query(wanted.words, every=wanted.every, mark=search.IN_TITLE),
        "rank": search.rank_query(wanted.words),
        "weights": list(search.RANK_WEIGHTS),
        "matches_max": MATCHES_MAX,
        "limit": wanted.limit,
    }
    rows = await _rows(store, "search", fields)
    return [Found(Detail(*row[:-1]), row[-1]) for row in rows]


async def unknown_words(store: ServingStore, words: Sequence[Word]) -> list[Word]:
    """Those of the words that no item has, and that no item's word begins with."""
    queries = [search.match_query([word]) for word in words]
    rows = await _rows(store, "matching", {"queries": queries})
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
    return dict(await _rows(store, "similar_terms", fields))


async def _rows(store: ServingStore, query: str, fields: dict[str, Any]) -> list[Any]:
    async with store.connection() as opened:
        cursor = await opened.cursor(binary=True).execute(_SQL[query], fields, prepare=False)
        return await cursor.fetchall()

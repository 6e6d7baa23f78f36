"""Search: by words, typos corrected, ordered by fit and taste; for API and CLI alike."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as Parameter

from api.answers import answer, cached, documented
from api.cache import TRENDS, Answer, user_subject
from api.params import Category, Kind, Limit, checked_text
from api.recommend import listed_item, recommend, trending
from api.recommender import Query, Recommender
from api.services import services_of
from schemas.responses import ListedItem, Reason, SearchResults
from vane.errors import InvalidRequest
from vane.search import (
    QUERY_CHARS_MAX,
    Word,
    blended_score,
    correction,
    lexical_score,
    may_be_misspelt,
    parse_query,
)
from vane.store.search import Found, Search, find, similar_terms, unknown_words
from vane.store.serving import ServingStore

router = APIRouter(tags=["items"])

SCORED_MIN = 50
"""At least so many matches get the final score."""


async def _text(q: Annotated[str, Parameter(description="what was typed")]) -> str:
    return checked_query("q", q)


async def _user_id(user_id: Annotated[str | None, Parameter()] = None) -> str | None:
    return checked_text("user_id", user_id) if user_id else None


@router.get("/v1/search", responses=documented(SearchResults, 422, 503))
async def get_search(
    request: Request,
    q: Annotated[str, Depends(_text)],
    user_id: Annotated[str | None, Depends(_user_id)],
    kind: Kind,
    category: Category,
    limit: Limit = 10,
) -> Response:
    """Items that match the words of `q`; of a blank one, what the user is recommended.

    Words may be unfinished or misspelt, and accents do not matter. With `user_id` the user's taste
    orders what fits equally well.
    """
    recommender = services_of(request).recommender

    async def build() -> Answer:
        body = await search(recommender, q, user_id, Query(limit, kind, category))
        subjects = [TRENDS] if user_id is None else [TRENDS, user_subject(user_id)]
        return answer(request, body, *subjects)

    return await cached(request, build)


def checked_query(field: str, text: str) -> str:
    """The text, where it is not too long.

    Raises:
        InvalidRequest: it is.
    """
    if len(text) > QUERY_CHARS_MAX:
        reason = f"expected at most {QUERY_CHARS_MAX} characters, got {len(text)}"
        raise InvalidRequest(field, reason)
    return text


async def search(
    recommender: Recommender, text: str, user_id: str | None, query: Query
) -> SearchResults:
    """The items that match a text, at most `query.limit`.

    Where no item has all words, unknown words are corrected; where none has all of these either,
    items with some of the words are found.
    """
    if not text.strip():
        return SearchResults(await _unasked(recommender, user_id, query), None)
    words = parse_query(text)
    if not words:
        return SearchResults([], None)
    found, words, every = await _find(recommender.store, words, user_id, query)
    understood = " ".join(word.text for word in words)
    corrected = understood if any(word.corrected for word in words) else None
    if corrected is not None and found:
        reason = Reason("corrected", f"Did you mean “{corrected}”?")
    else:
        typed = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        reason = Reason("match", f"Matches {'' if every else 'part of '}“{typed}”")
    items = [
        listed_item(match.detail, score, reason)
        for score, match in _best(found, words, query.limit)
    ]
    return SearchResults(items, corrected if found else None)


async def _unasked(recommender: Recommender, user_id: str | None, query: Query) -> list[ListedItem]:
    if user_id is None:
        return (await trending(recommender, query)).items
    return (await recommend(recommender, user_id, query))[0].items


async def _find(
    store: ServingStore, words: list[Word], user_id: str | None, query: Query
) -> tuple[list[Found], list[Word], bool]:
    """The matches, the words that they match, and whether they match them all."""
    wanted = Search(
        words=words,
        limit=max(query.limit, SCORED_MIN),
        user_id=user_id,
        kind=query.kind,
        category=query.category,
    )
    found = await find(store, wanted)
    if found:
        return found, words, True
    unknown = await unknown_words(store, words)
    corrected = [await _corrected(store, word) if word in unknown else word for word in words]
    if corrected != words:
        found = await find(store, replace(wanted, words=corrected))
    if found or len(words) == 1:
        return found, corrected, True
    return await find(store, replace(wanted, words=corrected, every=False)), corrected, False


async def _corrected(store: ServingStore, word: Word) -> Word:
    """The known word that was meant, or the word itself."""
    if not may_be_misspelt(word):
        return word
    return correction(word, await similar_terms(store, word.text)) or word


def _score(found: Found, words: list[Word]) -> float:
    labels = [found.detail.category or "", *found.detail.tags]
    return blended_score(lexical_score(words, found.detail.title, labels), found.taste)


def _best(found: list[Found], words: list[Word], limit: int) -> list[tuple[float, Found]]:
    """Scores and matches, best first; equals stay in the order of the store."""
    scored = [(_score(match, words), match) for match in found]
    return sorted(scored, key=lambda pair: -pair[0])[:limit]

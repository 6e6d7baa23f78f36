"""Suggestions while one types: titles, categories and tags with words that begin so."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.answers import answer, cached, documented
from api.cache import TRENDS, Answer
from api.recommender import Recommender
from api.search import QueryText, corrections
from api.services import services_of
from schemas.discovery import Suggestion, Suggestions
from vane.search import Word, parse_query
from vane.store.search import titles

LIMIT_MAX = 20
LABELS_MAX = 3
"""Categories and tags among the suggestions, in front."""

router = APIRouter(tags=["items"])


@router.get("/v1/suggestions", responses=documented(Suggestions, 401, 403, 422, 503))
async def get_suggestions(
    request: Request,
    q: QueryText,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 8,
) -> Response:
    """What the text may become: categories and tags first, then titles, the most popular first.

    A blank one gives none. A word with which nothing begins is corrected.
    """
    services = services_of(request)
    services.encoder.start()  # who types will search

    async def build() -> Answer:
        return answer(request, await suggest(services.recommender, q, limit), TRENDS)

    return await cached(request, build)


async def suggest(recommender: Recommender, text: str, limit: int) -> Suggestions:
    """At most `limit` suggestions."""
    words = parse_query(text)
    if not words:
        return Suggestions([], None)
    found = await _beginning(recommender, words, limit)
    if found:
        return Suggestions(found, None)
    corrected = await corrections(recommender.store, words)
    if corrected == words:
        return Suggestions([], None)
    found = await _beginning(recommender, corrected, limit)
    meant = " ".join(word.text for word in corrected)
    return Suggestions(found, meant if found else None)


async def _beginning(recommender: Recommender, words: list[Word], limit: int) -> list[Suggestion]:
    labels = (await recommender.shelf()).labels
    if labels.stale():
        labels.refresh()
    text = " ".join(word.text for word in words)
    named = labels.beginning(text, min(limit, LABELS_MAX))
    titled: dict[str, str] = {}
    for item, title in await titles(recommender.store, words, 2 * limit):
        titled.setdefault(title, item)
    found = [Suggestion(label.text, label.type, items=label.items) for label in named]
    found += [Suggestion(title, "title", item) for title, item in titled.items()]
    return found[:limit]

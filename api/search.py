"""Search: by words, typos corrected, and by meaning; ordered by fit and taste; for API and CLI."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as Parameter

from api.answers import answer, cached, documented
from api.cache import TRENDS, Answer, user_subject
from api.encoder import QueryEncoder
from api.params import Limit, OptionalUserId
from api.recommend import listed_item, recommend, trending
from api.recommender import Query, Recommender
from api.selection import Filtered
from api.services import services_of
from schemas.discovery import SearchResults
from schemas.responses import ListedItem, Reason
from vane.errors import InvalidRequest
from vane.fusion import ALL_WORDS, CORRECTED_WORDS, SOME_WORDS, TASTE, fused
from vane.search import (
    EXACT_TITLE,
    QUERY_CHARS_MAX,
    Word,
    blended_score,
    correction,
    is_title,
    lexical_score,
    may_be_misspelt,
    parse_query,
)
from vane.store.search import (
    Found,
    Meant,
    Search,
    find,
    find_meant,
    similar_terms,
    unknown_words,
)
from vane.store.serving import Detail, ServingStore

router = APIRouter(tags=["items"])

SCORED_MIN = 50
"""At least so many matches get the final score."""
MEANT_CHARS_MIN = 4
"""A text of shorter words is a beginning, and means nothing yet."""


async def _text(q: Annotated[str, Parameter(description="what was typed")]) -> str:
    return checked_query("q", q)


QueryText = Annotated[str, Depends(_text)]


@router.get("/v1/search", responses=documented(SearchResults, 401, 403, 422, 503))
async def get_search(
    request: Request, q: QueryText, user_id: OptionalUserId, more: Filtered, limit: Limit = 10
) -> Response:
    """Items that match the words of `q`, and its meaning; of a blank one, what is recommended.

    Words may be unfinished or misspelt, and accents do not matter. With `user_id` the user's taste
    orders what fits equally well. `mode` tells whether the meaning was looked at, too: that takes
    the embedding model, and a quarter of a second at most.
    """
    services = services_of(request)

    async def build() -> Answer:
        query = Query(limit, more=more)
        body = await search(services.recommender, q, user_id, query, services.encoder)
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
    recommender: Recommender,
    text: str,
    user_id: str | None,
    query: Query,
    encoder: QueryEncoder | None = None,
) -> SearchResults:
    """The items that match a text, at most `query.limit`.

    Where no item has all words, unknown words are corrected; where none has all of these either,
    items with some of the words are found. With an encoder, items of that meaning join them.
    """
    if not text.strip():
        return SearchResults(await _unasked(recommender, user_id, query), None)
    words = parse_query(text)
    if not words:
        return SearchResults([], None)
    store = recommender.store
    asked = Search(
        words=words,
        limit=max(query.limit, SCORED_MIN),
        user_id=user_id,
        wanted=await recommender.wanted(query),
    )
    by_words = await _find(store, asked)
    corrected = by_words.corrected
    typed = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if corrected is not None:
        reason = Reason("corrected", f"Did you mean “{corrected}”?")
    else:
        part = "" if by_words.every else "part of "
        reason = Reason("match", f"Matches {part}“{typed}”")
    meant = await _meant(store, encoder, typed, asked)
    scored = by_words.scored() if meant is None else _joined(by_words, meant)
    names = {found.detail.item_id for found in by_words.found}
    meaning = Reason("meaning", f"About “{typed}”")
    items = [
        listed_item(detail, score, reason if detail.item_id in names else meaning)
        for score, detail in scored[: query.limit]
    ]
    return SearchResults(items, corrected, "lexical" if meant is None else "hybrid")


@dataclass(frozen=True, slots=True)
class _ByWords:
    """The matches of words, and whether they have them all."""

    found: list[Found]
    words: list[Word]
    every: bool = True

    @property
    def corrected(self) -> str | None:
        """What was looked for instead of what was typed, where that found anything."""
        if not self.found or not any(word.corrected for word in self.words):
            return None
        return " ".join(word.text for word in self.words)

    @property
    def weights(self) -> tuple[float, float]:
        """Of the words and of the meaning."""
        if not self.every:
            return SOME_WORDS
        return ALL_WORDS if self.corrected is None else CORRECTED_WORDS

    def scored(self) -> list[tuple[float, Detail]]:
        """Scores and matches, best first; equals stay in the order of the store."""
        scored = [(_score(match, self.words), match.detail) for match in self.found]
        return sorted(scored, key=lambda pair: -pair[0])


async def _meant(
    store: ServingStore, encoder: QueryEncoder | None, text: str, asked: Search
) -> list[Meant] | None:
    """What the text means, best first; None where that is not known."""
    if encoder is None or max(map(len, text.split())) < MEANT_CHARS_MIN:
        return None
    meaning = await encoder.encode(text)
    if meaning is None:
        return None
    found = await find_meant(store, meaning, asked)
    return sorted(found, key=lambda meant: -(meant.cosine + TASTE * (meant.found.taste or 0.0)))


def _joined(by_words: _ByWords, meant: list[Meant]) -> list[tuple[float, Detail]]:
    """Both lists as one, best first; what has that very title stays in front."""
    scored = by_words.scored()
    words, meaning = by_words.weights
    details = {found.detail.item_id: found.detail for found, _ in meant}
    scores = fused([([detail.item_id for _, detail in scored], words), ([*details], meaning)])
    details |= {detail.item_id: detail for _, detail in scored}
    for _, detail in scored:
        scores[detail.item_id] += EXACT_TITLE * is_title(by_words.words, detail.title)
    return sorted(
        ((score, details[item]) for item, score in scores.items()), key=lambda pair: -pair[0]
    )


async def _unasked(recommender: Recommender, user_id: str | None, query: Query) -> list[ListedItem]:
    if user_id is None:
        return (await trending(recommender, query)).items
    return (await recommend(recommender, user_id, query))[0].items


async def _find(store: ServingStore, asked: Search) -> _ByWords:
    """The matches; of words as they were typed, of corrected ones, or of some of them."""
    words = list(asked.words)
    found = await find(store, asked)
    if found:
        return _ByWords(found, words)
    corrected = await corrections(store, words)
    if corrected != words:
        found = await find(store, replace(asked, words=corrected))
    if found or len(words) == 1:
        return _ByWords(found, corrected)
    found = await find(store, replace(asked, words=corrected, every=False))
    return _ByWords(found, corrected, every=False)


async def corrections(store: ServingStore, words: list[Word]) -> list[Word]:
    """The words, each unknown one replaced by the known one that was meant, if there is any."""
    unknown = await unknown_words(store, words)
    return [await _corrected(store, word) if word in unknown else word for word in words]


async def _corrected(store: ServingStore, word: Word) -> Word:
    """The known word that was meant, or the word itself."""
    if not may_be_misspelt(word):
        return word
    return correction(word, await similar_terms(store, word.text)) or word


def _score(found: Found, words: list[Word]) -> float:
    labels = [found.detail.category or "", *found.detail.tags]
    return blended_score(lexical_score(words, found.detail.title, labels), found.taste)

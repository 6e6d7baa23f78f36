"""Lists of items: from the store's candidates to the body of an answer, for API and CLI alike."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import xxhash
from msgspec import UNSET
from numpy.typing import NDArray

from schemas.responses import (
    Interest,
    ItemList,
    ListedItem,
    Profile,
    Reason,
    Recommendations,
)
from schemas.responses import RecentItem as RecentItemBody
from vane import ranking
from vane.ranking import Candidates, Doubles
from vane.store.serving import Affinity, Cause, Detail, ServingStore, UserState, Wanted, vectors

AFFINITIES_MAX = 20
"""Categories, and tags, that a profile names."""
INTEREST_MIN = 0.3
"""From this affinity on a category or tag is an interest."""
INTERESTS_MAX = 10


class Query(NamedTuple):
    """What a caller asks for."""

    limit: int = 10
    kind: str | None = None
    category: str | None = None
    exclude_seen: bool = True
    explain: bool = False


class _Ranked(NamedTuple):
    """The head of a ranked list."""

    item_ids: list[str]
    scores: Doubles
    parts: Doubles
    candidates: Candidates


async def recommend(store: ServingStore, user_id: str, query: Query) -> tuple[Recommendations, str]:
    """The list for a user, and the entity tag that names its content.

    An unknown user gets what is popular. A user who has seen everything gets seen items again, and
    one who hid all of these gets hidden ones: the list is empty only where no available item
    matches the filters.
    """
    state, ranked = await _rank(store, user_id, query)
    items = await _listed(store, user_id, ranked, query)
    personal = bool(np.isfinite(ranked.candidates.long).any())
    versions = f"{ranking.MODEL_VERSION} {state.settings_version} {state.version}"
    name = list_name(versions, user_id, query, items)
    body = Recommendations(
        user_id=user_id,
        request_id=name,
        version=state.version,
        strategy="personal" if personal else "trending",
        items=items,
    )
    return body, f'"{name}"'


def list_name(versions: str, user_id: str, query: Query, items: Sequence[ListedItem]) -> str:
    """Names a list by all that it depends on: the same list has the same name everywhere."""
    content = (versions, user_id, query, [item.item_id for item in items])
    return xxhash.xxh3_128_hexdigest(msgspec.msgpack.encode(content))


async def trending(store: ServingStore, query: Query) -> ItemList:
    """What is popular now, then what is new."""
    _, ranked = await _rank(store, None, query)
    return ItemList(await _listed(store, None, ranked, query))


async def similar(store: ServingStore, item_id: str, limit: int) -> ItemList:
    """The items most like an item; what is popular of its kind where it has no content.

    Raises:
        NotFound: there is no such item.
    """
    item = await store.item(item_id)
    near = await store.similar(item_id, limit)
    if not near:
        popular = await trending(store, Query(limit + 1, kind=item.kind))
        return ItemList([other for other in popular.items if other.item_id != item_id][:limit])
    details, _ = await store.listed([found for found, _ in near], None)
    reason = Reason("similar", f"Similar to {item.title or item_id}", item_id)
    return ItemList(
        [listed_item(details[found], score, reason) for found, score in near if found in details]
    )


async def profile(store: ServingStore, user_id: str, half_life_s: float) -> Profile:
    """What is known of a user's taste."""
    state, affinities, recent = await store.profile(user_id, half_life_s)
    categories, tags = _strongest(affinities, "category"), _strongest(affinities, "tag")
    named = [Interest("category", name, share) for name, share in categories.items()]
    named += [Interest("tag", name, share) for name, share in tags.items()]
    clear = [interest for interest in named if interest.affinity >= INTEREST_MIN]
    return Profile(
        user_id=user_id,
        version=state.version,
        as_of=state.as_of,
        events=state.events,
        categories=categories,
        tags=tags,
        recent_items=[RecentItemBody(*item) for item in recent],
        interests=sorted(clear, key=lambda interest: -interest.affinity)[:INTERESTS_MAX],
    )


async def _rank(
    store: ServingStore, user_id: str | None, query: Query
) -> tuple[UserState, _Ranked]:
    """The best candidates by the first rule that leaves any."""
    for exclude_seen, exclude_hidden in ((query.exclude_seen, True), (False, True), (False, False)):
        wanted = Wanted(
            kind=query.kind,
            category=query.category,
            exclude_seen=exclude_seen,
            exclude_hidden=exclude_hidden,
        )
        state, item_ids, candidates = await store.candidates(user_id, wanted)
        if item_ids or user_id is None:
            break
    parts = ranking.contributions(candidates)
    scores = parts.sum(axis=1)
    rows = ranking.top(scores, query.limit)
    head = _Ranked(
        [item_ids[row] for row in rows], scores[rows], parts[rows], candidates.take(rows)
    )
    return state, head


async def _listed(
    store: ServingStore, user_id: str | None, ranked: _Ranked, query: Query
) -> list[ListedItem]:
    """The ranked items as they are shown, each with its reason."""
    details, causes = await store.listed(ranked.item_ids, user_id)
    contents = [details[item_id].content if item_id in details else None
                for item_id in ranked.item_ids]  # fmt: skip
    reasons = _reasons(ranked, contents, causes, await store.item_mean())
    return [
        listed_item(details[item_id], score, reason, parts if query.explain else None)
        for item_id, score, reason, parts in zip(
            ranked.item_ids, ranked.scores, reasons, ranked.parts, strict=True
        )
        if item_id in details
    ]


def _reasons(
    ranked: _Ranked, contents: Sequence[bytes | None], causes: Sequence[Cause], mean: NDArray[Any]
) -> list[Reason]:
    count = len(ranked.item_ids)
    closest, cosine = np.zeros(count, np.int64), np.full(count, np.nan)
    if causes and count:
        past = ranking.centred(vectors([cause.content for cause in causes]), mean)
        closest, cosine = ranking.closest(ranking.centred(vectors(contents), mean), past)
    codes = ranking.reason_codes(ranked.parts, ranked.candidates, cosine)
    reasons = []
    for code, row in zip(codes, closest.tolist(), strict=True):
        if code == "because":
            cause = causes[row]
            text = ranking.reason_text(code, cause.action, cause.title or cause.item_id)
            reasons.append(Reason(code, text, cause.item_id))
        else:
            reasons.append(Reason(code, ranking.reason_text(code)))
    return reasons


def listed_item(
    detail: Detail, score: float, reason: Reason, parts: Doubles | None = None
) -> ListedItem:
    """An item as lists show it; `parts` are what each feature added to the score."""
    components = (
        UNSET if parts is None else dict(zip(ranking.FEATURES, parts.tolist(), strict=True))
    )
    return ListedItem(
        item_id=detail.item_id,
        score=float(score),
        title=detail.title,
        kind=detail.kind,
        category=detail.category,
        tags=detail.tags,
        price=detail.price,
        currency=detail.currency,
        image_url=detail.image_url,
        url=detail.url,
        reason=reason,
        components=components,
    )


def _strongest(affinities: Sequence[Affinity], kind: str) -> dict[str, float]:
    """The positive affinities of a kind over the largest of them, strongest first."""
    liked = [(row.name, row.share) for row in affinities if row.kind == kind and row.share > 0]
    return {name: share / liked[0][1] for name, share in liked[:AFFINITIES_MAX]}

"""Lists of items: from ranked candidates to the body of an answer, for API and CLI alike."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np
import xxhash
from msgspec import UNSET
from numpy.typing import NDArray

from api.recommender import Query, Ranked, Recommender
from schemas.responses import (
    Interest,
    ItemList,
    ListedItem,
    Profile,
    Reason,
    Recommendations,
)
from schemas.responses import RecentItem as RecentItemBody
from vane import reasons
from vane.features import FEATURES
from vane.following import FOLLOWED
from vane.ranking import part_of
from vane.retrieval import CONTENT, SOURCES
from vane.store.serving import Affinity, Detail, ServingStore

AFFINITIES_MAX = 20
"""Categories, and tags, that a profile names."""
INTEREST_MIN = 0.3
"""From this affinity on a category or tag is an interest."""
INTERESTS_MAX = 10

Parts = dict[str, float]
"""What a score consists of, by name."""

_BELONGS = np.array([[part_of(name) == source for source in SOURCES] for name in FEATURES], float)
_PERSONAL = [SOURCES.index(name) for name in (*CONTENT, *FOLLOWED)]


class _Why(NamedTuple):
    """Why an item is in a list; the recent item behind it, by its place, or None."""

    code: reasons.Code
    cause: int | None


async def recommend(
    recommender: Recommender, user_id: str, query: Query
) -> tuple[Recommendations, str, datetime | None]:
    """The list for a user, the entity tag that names its content, and the user's newest event.

    An unknown user gets what is popular. A user who has seen everything gets seen items again, and
    one who hid all of these gets hidden ones: the list is empty only where no available item
    matches the filters.
    """
    ranked = await recommender.rank(user_id, query)
    watch = recommender.meter.stopwatch()
    items = await listed(recommender, ranked, query)
    watch.lap("details")
    state = ranked.moment.state
    name = list_name(versions(ranked), user_id, query, items)
    body = Recommendations(
        user_id=user_id,
        request_id=name,
        version=state.version,
        strategy="personal" if is_personal(ranked) else "trending",
        items=items,
    )
    recommender.meter.made(body.strategy)
    recommender.meter.listed(items)
    if recommender.on_list is not None:
        recommender.on_list(body, ranked)
    return body, f'"{name}"', state.as_of


def versions(ranked: Ranked) -> str:
    """Of all that a list is made by."""
    state, model = ranked.moment.state, ranked.model
    return f"{model.version} {state.settings_version} {state.version}"


def list_name(made_by: str, user_id: str | None, query: Query, items: Sequence[ListedItem]) -> str:
    """Names a list by all that it depends on: the same list has the same name everywhere."""
    content = (made_by, user_id, query, [item.item_id for item in items])
    return xxhash.xxh3_128_hexdigest(msgspec.msgpack.encode(content))


async def trending(recommender: Recommender, query: Query) -> ItemList:
    """What is popular now, then what is new."""
    ranked = await recommender.rank(None, query)
    return ItemList(await listed(recommender, ranked, query))


async def similar(recommender: Recommender, item_id: str, limit: int) -> ItemList:
    """The items most like an item; what is popular of its kind where it has no content.

    Raises:
        NotFound: there is no such item.
    """
    store = recommender.store
    item, shelf = await store.item(item_id), await recommender.shelf()
    _, lists = await shelf.around(store, [], [item_id], {})
    near = [
        (found, cosine)
        for numbers, cosines in lists
        for found, cosine in zip(shelf.ids(numbers), cosines.tolist(), strict=True)
    ][:limit]
    if not near:
        popular = await trending(recommender, Query(limit + 1, kind=item.kind))
        return ItemList([other for other in popular.items if other.item_id != item_id][:limit])
    details = await shelf.details.read(store, [found for found, _ in near])
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


def is_personal(ranked: Ranked) -> bool:
    """Whether anything that the user did is in the candidates' scores."""
    return bool((np.nan_to_num(ranked.moment.sources.values[:, _PERSONAL]) != 0).any())


async def listed(recommender: Recommender, ranked: Ranked, query: Query) -> list[ListedItem]:
    """The ranked items as they are shown, each with its reason."""
    moment = ranked.moment
    components = _components(ranked) if query.explain else [None] * len(ranked.rows)
    ids = moment.ids(ranked.rows)
    whys = _whys(ranked)
    causes = [moment.past[why.cause].item_id for why in whys if why.cause is not None]
    details = await moment.shelf.details.read(recommender.store, [*ids, *causes])
    return [
        listed_item(details[item_id], score, _reason(ranked, why, details), parts)
        for item_id, score, why, parts in zip(
            ids, ranked.scores.tolist(), whys, components, strict=True
        )
        if item_id in details
    ]


def _components(ranked: Ranked) -> list[Parts | None]:
    """What each part adds to the scores."""
    found = ranked.model.contributions(ranked.moment.features, ranked.rows)
    found |= {name: added[ranked.rows] for name, added in ranked.boosts.items()}
    return [
        {name: float(column[row]) for name, column in found.items()}
        for row in range(len(ranked.rows))
    ]


def _whys(ranked: Ranked) -> list[_Why]:
    """The reasons go by the linear ranker, whose shares are easily told."""
    moment, rows = ranked.moment, ranked.rows
    closest, cosine = _closest(ranked)
    visits = ranked.visits if ranked.visits.size else np.zeros((len(rows), 1), np.float32)
    codes = reasons.codes(
        _source_parts(ranked), moment.sources.values[rows], cosine, visits.max(axis=1)
    )
    causes = {"because": closest, "together": visits.argmax(axis=1)}
    return [
        _Why(code, int(causes[code][row]) if code in causes else None)
        for row, code in enumerate(codes)
    ]


def _source_parts(ranked: Ranked) -> NDArray[np.float64]:
    """(m, len(SOURCES)): what each source adds to the linear score of the ranked items."""
    added = ranked.model.linear.contributions(ranked.moment.features, ranked.rows)
    return np.asarray(added @ _BELONGS)


def _closest(ranked: Ranked) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The place of the most similar recent item, and its cosine; nan without text."""
    moment, rows = ranked.moment, ranked.rows
    if not len(moment.causes) or not len(rows):
        return np.zeros(len(rows), np.int64), np.full(len(rows), np.nan)
    cosines = moment.contents[rows] @ moment.causes.T
    best = cosines.argmax(axis=1)
    return best, np.take_along_axis(cosines, best[:, None], 1)[:, 0].astype(np.float64)


def _reason(ranked: Ranked, why: _Why, details: dict[str, Detail]) -> Reason:
    if why.cause is None:
        return Reason(why.code, reasons.text(why.code))
    event = ranked.moment.past[why.cause]
    cause = details.get(event.item_id)
    title = cause.title if cause and cause.title else event.item_id
    return Reason(why.code, reasons.text(why.code, event.action, title), event.item_id)


def listed_item(
    detail: Detail, score: float, reason: Reason, components: Parts | None = None
) -> ListedItem:
    """An item as lists show it; `components` are what its score consists of."""
    return ListedItem(
        item_id=detail.item_id,
        score=score,
        title=detail.title,
        kind=detail.kind,
        category=detail.category,
        tags=detail.tags,
        price=detail.price,
        currency=detail.currency,
        image_url=detail.image_url,
        url=detail.url,
        reason=reason,
        components=UNSET if components is None else components,
    )


def _strongest(affinities: Sequence[Affinity], kind: str) -> dict[str, float]:
    """The positive affinities of a kind over the largest of them, strongest first."""
    liked = [(row.name, row.share) for row in affinities if row.kind == kind and row.share > 0]
    return {name: share / liked[0][1] for name, share in liked[:AFFINITIES_MAX]}

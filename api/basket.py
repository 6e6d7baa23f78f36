"""Lists for a basket or a session that the caller names: nothing of it is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray

from api.access import caller_of
from api.answers import JSON, documented, documented_body
from api.body import read_object
from api.params import checked_text
from api.recommend import is_personal, list_name, listed, versions
from api.recommender import Query, Recommender
from api.selection import query_of
from api.services import services_of
from schemas.discovery import BasketRecommendations
from schemas.requests import BasketItem, BasketRequest
from vane.errors import InvalidEvent, InvalidRequest
from vane.interaction import event_time_us, timestamp_us
from vane.preference import decay
from vane.store.moments import NEAR_ITEMS, About, PastEvent, Tastes, Wanted
from vane.store.near import near_to
from vane.store.serving import ServingStore
from vane.tuning import RATING

BASKET_BYTES_MAX = 262_144

router = APIRouter(tags=["users"])

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


@router.post(
    "/v1/recommendations",
    responses=documented(BasketRecommendations, 401, 403, 413, 422, 503),
    openapi_extra=documented_body(BasketRequest, required=False),
)
async def post_recommendations(request: Request) -> Response:
    """What goes with a basket or an anonymous session, and with the user where one is named.

    The taste is that of these items, on top of the user's. Nothing is stored. The items themselves
    never come.
    """
    wanted = await read_object(request, BasketRequest, BASKET_BYTES_MAX)
    if wanted.user_id is not None:
        caller_of(request).require_user(checked_text("user_id", wanted.user_id))
    body = await for_basket(services_of(request).recommender, wanted)
    return Response(msgspec.json.encode(body), media_type=JSON)


async def for_basket(recommender: Recommender, wanted: BasketRequest) -> BasketRecommendations:
    """The list for a basket.

    Raises:
        InvalidRequest: names the field.
    """
    now_us = recommender.knowledge.now_us()
    weights = recommender.knowledge.tuning.action_weights
    acts = [_act(place, item, weights, now_us) for place, item in enumerate(wanted.items)]
    newest = sorted(enumerate(acts), key=lambda act: (act[1].ts_us, act[0]), reverse=True)
    acts = [act for _, act in newest]
    query = query_of(wanted)
    query = query._replace(exclude=(*query.exclude, *dict.fromkeys(act.item_id for act in acts)))
    known = await _known(recommender, wanted.user_id, query, acts, now_us)
    ranked = await recommender.rank(wanted.user_id, query, known)
    items = await listed(recommender, ranked, query)
    recommender.meter.listed(items)
    table = ranked.moment.shelf.table
    return BasketRecommendations(
        user_id=wanted.user_id,
        request_id=list_name(versions(ranked), wanted.user_id, query, items),
        version=ranked.moment.state.version,
        strategy="personal" if is_personal(ranked) else "trending",
        items=items,
        unknown=[*dict.fromkeys(act.item_id for act in acts if act.item_id not in table.number)],
    )


def _act(
    place: int, item: str | BasketItem, weights: Mapping[str, float], now_us: int
) -> PastEvent:
    """What was done with an item of the basket; the future is now."""
    if isinstance(item, str):
        item = BasketItem(item)
        checked_text(f"items[{place}]", item.item_id)
    field = f"items[{place}]"
    checked_text(f"{field}.item_id", item.item_id)
    weight = weights.get(item.action) if item.weight is None else item.weight
    if weight is None:
        raise InvalidRequest(f"{field}.action", "unknown action: name its weight")
    if item.weight is None and item.action == RATING:
        raise InvalidRequest(f"{field}.weight", "a rating needs its weight")
    try:
        ts_us = now_us if item.ts is None else min(event_time_us(item.ts), now_us)
    except InvalidEvent as error:
        raise InvalidRequest(f"{field}.ts", error.reason) from None
    return PastEvent(item.item_id, item.action, ts_us, weight)


async def _known(
    recommender: Recommender,
    user_id: str | None,
    query: Query,
    acts: Sequence[PastEvent],
    now_us: int,
) -> About:
    """The user as if all this had just been done."""
    store, user = recommender.store, await recommender.about(user_id, query)
    shelf = await recommender.shelf()
    ids = [act.item_id for act in acts]
    contents, worded = await shelf.raw(store, ids)
    lives = recommender.knowledge.tuning.half_lives_s
    ages = np.array([now_us - act.ts_us for act in acts], np.int64)
    weights = np.array([act.weight for act in acts]) * worded
    terms = decay(ages, lives) * weights[:, None]
    known = user._replace(
        state=user.state._replace(events=user.state.events + len(acts)),
        past=sorted([*acts, *user.past], key=lambda act: -act.ts_us),
    )
    if not terms.any():
        return known
    known = known._replace(tastes=_sum(_aged(user, lives, now_us), contents, terms))
    wanted = await recommender.wanted(query)
    wanted = replace(wanted, exclude=(*query.exclude, *user.seen, *user.hidden))
    near = [
        [] if taste is None else await _near(store, taste, wanted)
        for taste in known.queries(await store.item_mean())
    ]
    return known._replace(near_long=near[0], near_short=near[1])


async def _near(store: ServingStore, taste: Floats, wanted: Wanted) -> list[str]:
    (found,) = await near_to(store, [taste], wanted, NEAR_ITEMS)
    return [item for item, _ in found]


def _aged(user: About, lives: tuple[float, float], now_us: int) -> Tastes | None:
    """The user's tastes, decayed to now."""
    if user.tastes is None or user.state.as_of is None:
        return None
    age = max(0, now_us - timestamp_us(user.state.as_of))
    (left,) = decay(np.array([age]), lives)
    long, short, *masses = user.tastes
    return Tastes(
        (long * left[0]).astype(np.float32),
        (short * left[1]).astype(np.float32),
        masses[0] * left[0],
        masses[1] * left[1],
    )


def _sum(tastes: Tastes | None, contents: Floats, terms: Doubles) -> Tastes:
    """The tastes and n further terms: contents (n, d) by weights (n, 2) for long and short."""
    vectors, masses = terms.T @ contents, terms.sum(axis=0)
    if tastes is not None:
        vectors += [tastes.long, tastes.short]
        masses += [tastes.mass_long, tastes.mass_short]
    long, short = vectors.astype(np.float32)
    return Tastes(long, short, *masses.tolist())

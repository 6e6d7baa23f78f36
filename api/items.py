"""Routes about items."""

from fastapi import APIRouter, Request, Response

from api.answers import answer, cached, documented
from api.cache import TRENDS, Answer, item_subject
from api.params import ItemId, Limit
from api.recommend import similar, trending
from api.recommender import Query
from api.selection import Filtered
from api.services import services_of
from schemas.responses import Item, ItemList

router = APIRouter(tags=["items"])


@router.get("/v1/items/{item_id:path}/similar", responses=documented(ItemList, 404, 422, 503))
async def get_similar(request: Request, item_id: ItemId, limit: Limit = 10) -> Response:
    """The items most like an item."""
    recommender = services_of(request).recommender

    async def build() -> Answer:
        return answer(request, await similar(recommender, item_id, limit), item_subject(item_id))

    return await cached(request, build)


@router.get("/v1/items/{item_id:path}", responses=documented(Item, 404, 422, 503))
async def get_item(request: Request, item_id: ItemId) -> Response:
    """All that is known of an item."""
    store = services_of(request).store

    async def build() -> Answer:
        return answer(request, await store.item(item_id), item_subject(item_id))

    return await cached(request, build)


@router.get("/v1/trending", responses=documented(ItemList, 422, 503))
async def get_trending(request: Request, more: Filtered, limit: Limit = 10) -> Response:
    """What is popular now, then what is new."""
    recommender = services_of(request).recommender

    async def build() -> Answer:
        body = await trending(recommender, Query(limit, more=more))
        return answer(request, body, TRENDS)

    return await cached(request, build)

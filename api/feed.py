"""A feed across kinds: cards page by page, in an order that stays while the taste moves."""

import time
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi import Query as Parameter
from msgspec import structs
from numpy.typing import NDArray

from api.answers import answer, cached, computed, documented, respond
from api.cache import TRENDS, Answer, user_subject
from api.cursor import Cursor, fingerprints, user_hash
from api.params import OptionalUserId
from api.recommend import is_personal, list_name, listed, versions
from api.recommender import Query, Ranked, Recommender
from api.selection import ListQuery
from api.services import services_of
from schemas.discovery import Card, Feed
from schemas.responses import ListedItem
from vane.diversity import pool_size
from vane.store.embeds import read_embeds
from vane.store.moments import About

FEED_ITEMS_MAX = 200
"""Items of a feed; then it is time for a new one."""
ISSUED_S_STEP = 600
"""Equal lists have equal cursors for so long, so that polls get a 304."""

router = APIRouter(tags=["users"])

Ints = NDArray[np.int64]


@router.get("/v1/feed", responses=documented(Feed, 401, 403, 410, 422, 503))
async def get_feed(
    request: Request,
    user_id: OptionalUserId,
    query: ListQuery,
    cursor: Annotated[str | None, Parameter(description="next_cursor of the page before")] = None,
) -> Response:
    """Items of all kinds with what they embed, page by page.

    All pages of a `request_id` are one list that was made with the first one: none of its items
    comes twice, and none is left out but those that the user has hidden or that went meanwhile. A
    cursor that is none is a 422, one that is older than an hour a 410. With a cursor, filters and
    boosts are those of the first page.
    """
    recommender = services_of(request).recommender
    subjects = [TRENDS] if user_id is None else [TRENDS, user_subject(user_id)]

    async def first() -> Answer:
        body = await first_page(recommender, user_id, query)
        return answer(request, body, *subjects, version=body.version)

    if not cursor:
        return await cached(request, first)
    rest = Cursor.decode(cursor, user_id, time.time())

    async def later() -> Answer:
        body = await later_page(recommender, user_id, rest, query.limit)
        return answer(request, body, *subjects)

    return respond(request, await computed(request, later))


async def first_page(recommender: Recommender, user_id: str | None, query: Query) -> Feed:
    """The first page, with the cursor of the rest of the list."""
    wide = query._replace(limit=FEED_ITEMS_MAX)
    scored = await recommender.score(await recommender.moment(user_id, wide), query)
    left = await recommender.best(scored, user_id, len(scored.scores))
    pages: list[Ints] = []
    visits = []
    while len(left) and sum(map(len, pages)) < FEED_ITEMS_MAX:
        rows, visited = recommender.diverse(scored, left[: pool_size(query.limit)], query)
        pages.append(rows)
        visits.append(visited)
        left = left[~np.isin(left, rows)]
    order = np.concatenate([*pages, np.zeros(0, np.int64)])[:FEED_ITEMS_MAX]
    head = scored.ranked(order[: query.limit], visits[0] if visits else scored.moment.visits(order))
    items = await listed(recommender, head, query)
    issued_s = int(time.time()) // ISSUED_S_STEP * ISSUED_S_STEP
    ids = scored.moment.ids(order)
    content = f"{versions(head)} {issued_s} {' '.join(ids)}"
    rest = Cursor(
        issued_s=issued_s,
        user=user_hash(user_id),
        version=scored.moment.state.version,
        personal=is_personal(head),
        request_id=list_name(content, user_id, query, items),
        fingerprints=fingerprints(ids),
        scores=scored.scores[order],
    )
    return await _page(recommender, user_id, items, rest, query.limit)


async def later_page(
    recommender: Recommender, user_id: str | None, rest: Cursor, limit: int
) -> Feed:
    """A page by its cursor: the order and scores of the list, the reasons of this moment."""
    query = Query(limit=limit)
    known = await recommender.about(user_id, query)
    numbers, scores = await _still_there(recommender, known, rest.take(limit))
    moment = await recommender.moment(user_id, query, known, numbers)
    ranked = Ranked(
        moment, recommender.knowledge.model, np.arange(len(numbers)), scores, moment.visits(numbers)
    )
    items = await listed(recommender, ranked, query)
    return await _page(recommender, user_id, items, rest, limit)


async def _still_there(
    recommender: Recommender, known: About, page: Cursor
) -> tuple[Ints, NDArray[np.float64]]:
    """Numbers and scores of the items of a page that may still be shown to the user."""
    shelf = await recommender.shelf()
    number, hidden = shelf.fingerprints.numbers(page.fingerprints), set(known.hidden)
    found = [
        (number[mark], score)
        for mark, score in zip(page.fingerprints.tolist(), page.scores.tolist(), strict=True)
        if mark in number and shelf.table.ids[number[mark]] not in hidden
    ]
    numbers = np.array([row for row, _ in found], np.int64)
    fits = shelf.table.selectable(numbers)
    return numbers[fits], np.array([score for _, score in found])[fits]


async def _page(
    recommender: Recommender, user_id: str | None, items: list[ListedItem], rest: Cursor, limit: int
) -> Feed:
    embeds = await read_embeds(recommender.store, [item.item_id for item in items])
    more = rest.after(limit)
    recommender.meter.listed(items)
    return Feed(
        user_id=user_id,
        request_id=rest.request_id,
        version=rest.version,
        strategy="personal" if rest.personal else "trending",
        items=[Card(**structs.asdict(item), embeds=embeds.get(item.item_id, [])) for item in items],
        next_cursor=more.encode() if len(more.fingerprints) else None,
    )

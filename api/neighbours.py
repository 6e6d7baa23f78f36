"""People who like what you like: items of users with a taste like the user's.

There is no index over the users' vectors, as they change all the time: the nearest are found among
a random sample, which the process keeps for a minute. Nobody learns who they are, and an item comes
only where several of them went for it.
"""

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray

from api.answers import answer, cached, documented
from api.cache import Answer, user_subject
from api.params import Limit, UserId
from api.people import PeopleSample
from api.recommend import listed_item
from api.recommender import Query, Recommender
from api.selection import Filtered
from api.services import services_of
from api.shelf import known_numbers
from schemas.discovery import AlikeItems
from schemas.responses import Reason
from vane.store.alike import People, went_for

NEAREST_MAX = 50
COSINE_MIN = 0.3
"""Whose taste is less like the user's is no neighbour."""
TOGETHER_MIN = 3
"""An item that fewer of them went for might tell who they are."""
REASON = Reason("alike", "People with your taste went for this")

router = APIRouter(tags=["users"])

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@router.get(
    "/v1/users/{user_id:path}/neighbours", responses=documented(AlikeItems, 401, 403, 422, 503)
)
async def get_neighbours(
    request: Request, user_id: UserId, more: Filtered, limit: Limit = 10
) -> Response:
    """What people with the user's taste went for lately, and the user has not seen.

    Empty for who is unknown or has touched no item with text, and where nobody is alike.
    """
    services = services_of(request)

    async def build() -> Answer:
        query = Query(limit, more=more)
        body = await neighbours(services.recommender, services.people, user_id, query)
        return answer(request, body, user_subject(user_id))

    return await cached(request, build)


async def neighbours(
    recommender: Recommender, sample: PeopleSample, user_id: str, query: Query
) -> AlikeItems:
    """The items that the nearest users went for, the most typical of them first."""
    store = recommender.store
    known = await recommender.about(user_id, query)
    taste, _ = known.queries(await store.item_mean())
    if taste is None:
        return AlikeItems(user_id, 0, [])
    alike = _nearest(await sample.get(store), taste, user_id)
    found = await went_for(store, [*alike]) if alike else []
    shelf = await recommender.shelf()
    likeness = np.array([*alike.values()])[[place for place, _ in found]]
    numbers, scores = _scored(known_numbers(shelf.table, [item for _, item in found]), likeness)
    wanted = np.isin(numbers, shelf.matching(query.filter, numbers))
    wanted &= ~np.isin(numbers, known_numbers(shelf.table, [*known.seen, *known.hidden]))
    numbers, scores = numbers[wanted], scores[wanted]
    scores /= np.sqrt(shelf.table.events[numbers] + 1.0)  # what all go for tells little of a taste
    best = np.argsort(-scores, kind="stable")[: query.limit]
    ids = shelf.ids(numbers[best])
    details = await shelf.details.read(store, ids)
    items = [
        listed_item(details[item], score, REASON)
        for item, score in zip(ids, scores[best].tolist(), strict=True)
        if item in details
    ]
    return AlikeItems(user_id, len(alike), items)


def _nearest(people: People, taste: Floats, user_id: str) -> dict[str, float]:
    """The users most like a taste (d,) with their cosines, without the user."""
    if not people.ids:
        return {}
    cosines = people.tastes @ taste
    nearest = {
        people.ids[row]: float(cosines[row])
        for row in np.argsort(-cosines)[: NEAREST_MAX + 1].tolist()
        if cosines[row] >= COSINE_MIN
    }
    nearest.pop(user_id, None)
    return dict(list(nearest.items())[:NEAREST_MAX])


def _scored(numbers: Ints, weights: Doubles) -> tuple[Ints, Doubles]:
    """The items that at least TOGETHER_MIN went for, each with the sum of their likeness.

    Args:
        numbers: (n,) the item of each going, -1 where there is none any more.
        weights: (n,) how like the user's the taste of who went is.
    """
    items, slot, count = np.unique(numbers, return_inverse=True, return_counts=True)
    kept = (items >= 0) & (count >= TOGETHER_MIN)
    return items[kept], np.asarray(np.bincount(slot, weights, len(items))[kept], np.float64)

"""Routes about a user: recommendations and profile."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi import Query as Parameter
from starlette.types import Scope

from api.answers import answer, cached, documented, respond
from api.cache import TRENDS, Answer, Key, user_subject
from api.params import Limit, UserId, WaitMs
from api.recommend import profile, recommend
from api.recommender import Query
from api.selection import ListQuery
from api.services import Services, services_of
from api.waiting import Token
from schemas.responses import Profile, Recommendations
from vane.errors import Unavailable

router = APIRouter(tags=["users"])

APPLIED_HEADER = "Vane-Applied"
WAYS = {b"after", b"wait_ms", b"access_token"}
"""Parameters that are no part of what is asked for."""
LIST_ROUTE = "/v1/users/{user_id:path}/recommendations"

Build = Callable[[], Awaitable[Answer]]


@router.get(LIST_ROUTE, responses=documented(Recommendations, 422, 503))
async def get_recommendations(
    request: Request,
    user_id: UserId,
    query: ListQuery,
    after: Annotated[str | None, Parameter(description="token of POST /v1/events")] = None,
    wait_ms: WaitMs = 1_000,
) -> Response:
    """The list for a user; an unknown one gets what is popular.

    With `after`, waits until the events behind the token are applied, at most `wait_ms`; the header
    `Vane-Applied` says whether they are.
    """
    if not after:
        return await _recommendations(request, user_id, query, cached)
    token = Token.decode(after)
    applied = await services_of(request).applied.wait(token, wait_ms / 1e3)
    anew = partial(cached, key=list_key(request.scope))
    response = await _recommendations(request, user_id, query, anew)
    response.headers[APPLIED_HEADER] = "true" if applied else "false"
    return response


@router.get("/recommend/{user_id:path}", responses=documented(Recommendations, 422, 503))
async def get_recommend(request: Request, user_id: UserId, n: Limit = 10) -> Response:
    """The list for a user, for short."""
    return await _recommendations(request, user_id, Query(n), cached)


@router.get("/v1/users/{user_id:path}/profile", responses=documented(Profile, 422, 503))
async def get_profile(request: Request, user_id: UserId) -> Response:
    """What is known of a user's taste."""
    services = services_of(request)

    async def build() -> Answer:
        body = await profile(services.store, user_id, services.knowledge.tuning.half_life_long_s)
        subject = user_subject(user_id)
        return answer(request, body, subject, version=body.version, as_of=body.as_of)

    return await cached(request, build)


async def _recommendations(
    request: Request,
    user_id: str,
    query: Query,
    serve: Callable[[Request, Build], Awaitable[Response]],
) -> Response:
    services, route = services_of(request), request.scope["route"].path
    try:
        return await serve(request, list_builder(services, user_id, query, route))
    except Unavailable:
        found, age_s = list_from_memory(services, user_id, query, route)
        return respond(request, found, {"Age": str(age_s)})


def list_key(scope: Scope) -> Key:
    """Under which the cache has a list, whichever way it is asked for."""
    query: bytes = scope["query_string"]
    asked = (pair for pair in query.split(b"&") if pair.partition(b"=")[0] not in WAYS)
    return scope["raw_path"].removesuffix(b"/stream"), b"&".join(asked)


def list_builder(services: Services, user_id: str, query: Query, route: str) -> Build:
    """Computes a user's list as an answer of this route."""

    async def build() -> Answer:
        body, etag, as_of = await recommend(services.recommender, user_id, query)
        trends = (TRENDS,) if body.strategy == "trending" else ()
        subjects = (user_subject(user_id), *trends)
        watch = services.metrics.making.stopwatch()
        raw = msgspec.json.encode(body)
        watch.lap("encoding")
        return Answer(raw, etag.encode(), route, subjects, body.version, as_of)

    return build


def list_from_memory(
    services: Services, user_id: str, query: Query, route: str
) -> tuple[Answer, int]:
    """What was popular when PostgreSQL last answered, as a user's list, and its age in seconds.

    Raises:
        Unavailable: that is nothing.
    """
    body = services.memory.recommendations(user_id, query)
    services.metrics.fallbacks["popular"].add()
    tag = f'"{body.request_id}"'.encode()
    found = Answer(msgspec.json.encode(body), tag, route, (), body.version)
    return found, services.memory.age_s

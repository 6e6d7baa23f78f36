"""From a body to an answer: entity tags, the cache, and the last known one when all else fails."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import xxhash
from fastapi import Request, Response

from api.cache import Answer, Key
from api.services import services_of
from schemas import discovery, events, requests, responses
from vane.errors import Unavailable

JSON = "application/json"
CACHE_CONTROL = "private, no-cache"
SCHEMA_REF = "#/components/schemas/{name}"
DOCUMENTED = [
    responses.Recommendations,
    discovery.BasketRecommendations,
    discovery.Feed,
    discovery.AlikeItems,
    discovery.Suggestions,
    responses.ItemList,
    discovery.SearchResults,
    responses.Item,
    responses.Profile,
    responses.AcceptedEvents,
    responses.AcceptedImpressions,
    responses.Session,
    responses.Account,
    responses.MergedUser,
    responses.ApiKey,
    responses.ApiKeys,
    responses.NewApiKey,
    responses.TuningSettings,
    responses.SettingsHistory,
    responses.CommandStatus,
    responses.Commands,
    responses.ErasedUser,
    responses.UserExport,
    responses.Status,
    responses.Health,
    responses.Problem,
    events.InteractionEvent,
    requests.SeenList,
    requests.SessionRequest,
    requests.AccountRequest,
    requests.MergeRequest,
    requests.KeyRequest,
    requests.RotationRequest,
    requests.BasketRequest,
]


def documented(
    body: type[msgspec.Struct], *problems: int, status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of a route's answers."""
    described: dict[int | str, dict[str, Any]] = {status: _content(body, JSON, "the answer")}
    for code in problems:
        described[code] = _content(responses.Problem, "application/problem+json", "a problem")
    return described


def documented_body(body: type[msgspec.Struct], *, required: bool = True) -> dict[str, Any]:
    """OpenAPI's description of a request's body."""
    schema = {"$ref": SCHEMA_REF.format(name=body.__name__)}
    return {"requestBody": {"required": required, "content": {JSON: {"schema": schema}}}}


def _content(body: type[msgspec.Struct], media_type: str, description: str) -> dict[str, Any]:
    schema = {"$ref": SCHEMA_REF.format(name=body.__name__)}
    return {"description": description, "content": {media_type: {"schema": schema}}}


def answer(
    request: Request,
    body: msgspec.Struct,
    *subjects: str,
    etag: str | None = None,
    version: int | None = None,
    as_of: datetime | None = None,
) -> Answer:
    """An answer with the entity tag given, or one that names exactly these bytes."""
    encoded = msgspec.json.encode(body)
    tag = etag or f'"{xxhash.xxh3_128_hexdigest(encoded)}"'
    return Answer(encoded, tag.encode(), request.scope["route"].path, subjects, version, as_of)


async def computed(request: Request, build: Callable[[], Awaitable[Answer]]) -> Answer:
    """Compute an answer, and learn from it whether PostgreSQL is there."""
    return await services_of(request).compute(build)


async def cached(
    request: Request, build: Callable[[], Awaitable[Answer]], key: Key | None = None
) -> Response:
    """Compute an answer and keep it under the request's target, or another key.

    Where PostgreSQL is away, the last known answer is given with its age.
    """
    services = services_of(request)
    key = key or (request.scope["raw_path"], request.scope["query_string"])
    try:
        found = await services.fill(key, build)
    except Unavailable:
        known = services.last_known(key)
        if known is None:
            raise
        return respond(request, known[0], {"Age": str(int(known[1]))})
    return respond(request, found)


def respond(request: Request, found: Answer, headers: Mapping[str, str] | None = None) -> Response:
    """The answer, or 304 where the client has it."""
    names = {"ETag": found.etag.decode(), "Cache-Control": CACHE_CONTROL, **(headers or {})}
    if has_tag(request.headers.get("if-none-match", "").encode(), found.etag):
        return Response(status_code=304, headers=names)
    return Response(found.body, 200, names, JSON)


def has_tag(if_none_match: bytes, etag: bytes) -> bool:
    """Whether the client's tags include `etag`, weakly compared (RFC 9110, section 13.1.2)."""
    if not if_none_match:
        return False
    tags = {tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")}
    return etag in tags or b"*" in tags

"""What every request meets first: the admin key, ready answers from the cache, and the metrics."""

import asyncio
import time

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import CACHE_CONTROL, JSON, has_tag
from api.cache import Answer
from api.callers import Credentials
from api.problems import error_response
from api.services import Services
from vane.errors import Forbidden, Unauthenticated, Unavailable, VaneError

ADMIN = b"/v1/admin"
REQUEST_S_MAX = 16.0
"""Until an answer begins; the longest wait that a client may ask for, and a list, fit in."""


class Front:
    """ASGI middleware.

    Paths are routed as they came, still percent-encoded: an id may hold a slash, and no other
    spelling of a path gets around the check of the admin key.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        services: Services = scope["app"].state.services
        scope["path"] = scope["raw_path"].decode("latin-1")
        status, route, answered = 500, "unmatched", None

        async def watch(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], time.perf_counter()
            await send(message)

        try:
            found = _ready(services, scope)
            if found is not None:
                route = found.route
                await _send_ready(scope, watch, found)
            elif (refused := await _admin_problem(services, scope)) is not None:
                await refused(scope, receive, watch)
            else:
                await self._in_time(scope, receive, watch)
                route = getattr(scope.get("route"), "path", route)
        finally:
            seconds = (answered or time.perf_counter()) - began  # a stream goes on for hours
            services.metrics.request(scope["method"], route, status, seconds)

    async def _in_time(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; 503 where no answer has begun in time."""
        try:
            async with asyncio.timeout(REQUEST_S_MAX) as deadline:

                async def begin(message: Message) -> None:
                    deadline.reschedule(None)
                    await send(message)

                await self._app(scope, receive, begin)
        except TimeoutError:
            if not deadline.expired():
                raise
            late = Unavailable(f"no answer within {REQUEST_S_MAX:g} s")
            await error_response(late)(scope, receive, send)


def _ready(services: Services, scope: Scope) -> Answer | None:
    if scope["method"] != "GET":
        return None
    found = services.cache.get((scope["raw_path"], scope["query_string"]))
    if found is None or not services.callers.may_read(scope, found.subjects):
        return None
    services.metrics.cache["hit"].add()
    return found


async def _send_ready(scope: Scope, send: Send, found: Answer) -> None:
    headers = [(b"etag", found.etag), (b"cache-control", CACHE_CONTROL.encode())]
    tags = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
    if has_tag(tags, found.etag):
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    headers += [
        (b"content-type", JSON.encode()),
        (b"content-length", str(len(found.body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": found.body})


async def _admin_problem(services: Services, scope: Scope) -> Response | None:
    """The refusal of a request to the admin API, also to what is not there; None: it may pass."""
    path: bytes = scope["raw_path"]
    if path != ADMIN and not path.startswith(ADMIN + b"/"):
        return None
    given = Credentials.of(scope)
    if given.key is None:
        return error_response(Unauthenticated("the admin API needs an admin key in X-API-Key"))
    try:
        (await services.callers.find(given)).require_scope("admin")
    except Unauthenticated as error:
        return error_response(Forbidden(str(error)))
    except VaneError as error:
        return error_response(error)
    return None

"""What every request meets first: the admin key, ready answers from the cache, and the metrics."""

import asyncio
import time
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import CACHE_CONTROL, JSON, has_tag
from api.callers import Credentials
from api.problems import error_response
from api.services import Services
from api.spans import request_span, told
from vane.errors import Forbidden, Unauthenticated, Unavailable, VaneError

if TYPE_CHECKING:
    from vane.traces import Span

ADMIN = b"/v1/admin"
REQUEST_S_MAX = 16.0
"""Until an answer begins; the longest wait that a client may ask for, and a list, fit in."""


_CONTROL = (b"cache-control", CACHE_CONTROL.encode())
_TYPE = (b"content-type", JSON.encode())


class Application(FastAPI):
    """Gives ready answers before any middleware: all of these take longer than such an answer.

    A browser's call from another origin goes the long way, past what allows origins, to `Front`.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once, or pass on."""
        if scope["type"] == "http" and not any(name == b"origin" for name, _ in scope["headers"]):
            services: Services | None = getattr(self.state, "services", None)
            if services is not None and await _answered(services, scope, send):
                return
        await super().__call__(scope, receive, send)


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
        services: Services = scope["app"].state.services
        if await _answered(services, scope, send):
            return
        with request_span(scope) as span:
            await self._measured(services, scope, receive, send, span)

    async def _measured(
        self, services: Services, scope: Scope, receive: Receive, send: Send, span: "Span | None"
    ) -> None:
        """Pass on, and note how long it took and what came of it."""
        began = time.perf_counter()
        scope["path"] = scope["raw_path"].decode("latin-1")
        status, route, answered = 500, "unmatched", None

        async def watch(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], time.perf_counter()
            await send(message)

        try:
            if (refused := await _admin_problem(services, scope)) is not None:
                await refused(scope, receive, watch)
            else:
                await self._in_time(scope, receive, watch)
                route = getattr(scope.get("route"), "path", route)
        finally:
            seconds = (answered or time.perf_counter()) - began  # a stream goes on for hours
            services.metrics.request(scope["method"], route, status, seconds)
            told(span, scope, route, status)

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


async def _answered(services: Services, scope: Scope, send: Send) -> bool:
    """Send the answer that is ready; False where there is none that the caller may have."""
    if scope["method"] != "GET":
        return False
    began = time.perf_counter()
    found = services.cache.get((scope["raw_path"], scope["query_string"]))
    if found is None or not services.callers.may_read(scope, found.subjects):
        return False
    services.metrics.cache["hit"].add()
    tags = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
    headers, status, body = [(b"etag", found.etag), _CONTROL], 304, b""
    if not has_tag(tags, found.etag):
        status, body = 200, found.body
        headers += [_TYPE, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    services.metrics.request("GET", found.route, status, time.perf_counter() - began)
    return True


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

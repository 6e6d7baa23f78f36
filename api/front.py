"""What every request meets first: the admin key, ready answers from the cache, and the metrics."""

import hmac
import time
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import CACHE_CONTROL, JSON, has_tag
from api.cache import Answer
from api.problems import problem, problem_response
from api.services import Services

ADMIN = b"/v1/admin"


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
        status, route = 500, "unmatched"

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            found = _ready(services, scope)
            if found is not None:
                route = found.route
                await _send_ready(scope, watch, found)
            elif (refused := _admin_problem(services, scope)) is not None:
                await refused(scope, receive, watch)
            else:
                await self._app(scope, receive, watch)
                route = getattr(scope.get("route"), "path", route)
        finally:
            seconds = time.perf_counter() - began
            services.metrics.request(scope["method"], route, status, seconds)


def _ready(services: Services, scope: Scope) -> Answer | None:
    if scope["method"] != "GET":
        return None
    found = services.cache.get((scope["raw_path"], scope["query_string"]))
    if found is not None:
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


def _admin_problem(services: Services, scope: Scope) -> Any:
    """The refusal of a request to the admin API; None where it may pass."""
    path: bytes = scope["raw_path"]
    if path != ADMIN and not path.startswith(ADMIN + b"/"):
        return None
    given = Request(scope).headers.get("x-api-key")
    if not given:
        body = problem(401, "the admin API needs the admin key in X-API-Key")
        return problem_response(body, {"WWW-Authenticate": "ApiKey"})
    expected = services.settings.admin_key
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        return problem_response(problem(403, "this is not the admin key"))
    return None

"""Who may call what: a rule for each route, held in front of it before anything else is looked at.

A route that the table lacks is refused when the application is made, so none is open by oversight.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Literal, NamedTuple

from fastapi import FastAPI, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.callers import BEARER, EVERYONE, Caller, Callers, Credentials
from api.params import path_id
from schemas.requests import KeyScope


class Rule(NamedTuple):
    """What a call needs where access is by keys; where it is open, only `ADMIN` needs anything.

    Attributes:
        scope: that an API key must have, whichever user the call is about; None: nothing is needed.
        tokens: which users' tokens will do instead: none, any, or that of the user whom the path or
            the query names as `user_id`. "body": the route reads whom the call is about and asks
            `caller_of(request).require_user(user_id)` itself.
        in_query: whether a token may come as `?access_token=`, where headers cannot be sent.
    """

    scope: KeyScope | None
    tokens: Literal["none", "any", "path", "query", "body"] = "none"
    in_query: bool = False


OPEN = Rule(None)
CATALOGUE = Rule("read", "any")
OWN = Rule("read", "path")
ADMIN = Rule("admin")

RULES: Mapping[str, Rule] = {
    "GET /v1/users/{user_id:path}/recommendations": OWN,
    "GET /v1/users/{user_id:path}/recommendations/stream": Rule("read", "path", in_query=True),
    "GET /v1/users/{user_id:path}/profile": OWN,
    "POST /v1/users/{user_id:path}/merge": Rule("ingest", "path"),
    "GET /v1/users/{user_id:path}/export": Rule("admin", "path"),
    "DELETE /v1/users/{user_id}": Rule("admin", "path"),
    "GET /recommend/{user_id:path}": OWN,
    "GET /v1/items/{item_id:path}/similar": CATALOGUE,
    "GET /v1/items/{item_id:path}": CATALOGUE,
    "GET /v1/trending": CATALOGUE,
    "GET /v1/users/{user_id:path}/neighbours": OWN,
    "POST /v1/recommendations": Rule("read", "body"),
    "GET /v1/feed": Rule("read", "query"),
    "GET /v1/search": Rule("read", "query"),
    "GET /v1/suggestions": CATALOGUE,
    "POST /v1/events": Rule("ingest", "body"),
    "POST /v1/impressions": Rule("ingest", "body"),
    "POST /v1/sessions": OPEN,  # of a visitor; with an email it needs a key
    "POST /v1/accounts": Rule("ingest"),
    "GET /v1/admin/status": ADMIN,
    "GET /v1/admin/settings": ADMIN,
    "POST /v1/admin/tune": ADMIN,
    "POST /v1/admin/retrain": ADMIN,
    "POST /v1/admin/rebuild": ADMIN,
    "GET /v1/admin/commands": ADMIN,
    "GET /v1/admin/commands/{command_id:path}": ADMIN,
    "PUT /v1/admin/settings": ADMIN,
    "GET /v1/admin/settings/history": ADMIN,
    "GET /v1/admin/keys": ADMIN,
    "POST /v1/admin/keys": ADMIN,
    "POST /v1/admin/keys/{key_id}/rotate": ADMIN,
    "DELETE /v1/admin/keys/{key_id}": ADMIN,
    "GET /livez": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": OPEN,
    "GET /openapi.json": OPEN,
    "GET /docs": OPEN,
    "GET /docs/oauth2-redirect": OPEN,
    "GET /pictures/{item_id}.svg": OPEN,
    "GET /": OPEN,
    "GET /web/{name:path}": OPEN,
}
"""Method and path of every route → its rule."""


def guarded(routes: Sequence[BaseRoute]) -> Iterator[Route]:
    """The routes, each behind its rule.

    Raises:
        LookupError: a route has none.
    """
    for route in routes:
        assert isinstance(route, Route)
        behind = copy(route)  # routes of a module are shared by applications
        behind.app = _Guard(route.app, rule_of(route))
        yield behind


def rule_of(route: Route) -> Rule:
    """The rule of a route.

    Raises:
        LookupError: it has none.
    """
    methods = sorted((route.methods or set()) - {"HEAD"})
    rules = {RULES.get(f"{method} {route.path}") for method in methods}
    if len(rules) != 1 or None in rules:
        raise LookupError(f"{'/'.join(methods)} {route.path} needs a rule in api/access.py")
    (rule,) = rules
    assert rule is not None
    return rule


def allow_origins(app: FastAPI, origins: str) -> None:
    """Let pages of these origins, comma-separated, call from browsers, and read what they need."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[origin.strip() for origin in origins.split(",")],
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "X-API-Key", "Content-Type", "If-None-Match"],
        expose_headers=["ETag", "Vane-Applied", "Age", "Retry-After"],
    )


def caller_of(request: Request) -> Caller:
    """Who makes a call that its rule has let pass."""
    caller: Caller = request.scope["vane.caller"]
    return caller


async def admit(request: Request, rule: Rule) -> Caller:
    """As `admitted`, by what came with a request; whether the user is its own is not asked."""
    given = Credentials.of(request.scope)
    if rule.in_query and given == Credentials(None):
        token = request.query_params.get("access_token", "")
        given = Credentials(None, BEARER + token.encode() if token else None)
    return await admitted(request.app.state.services.callers, rule, given)


async def admitted(callers: Callers, rule: Rule, given: Credentials) -> Caller:
    """Who makes a call, where the rule lets that one pass.

    Raises:
        Unauthenticated: nothing says who calls, or it is not valid now.
        Forbidden: the key has not the scope, or a token does not do.
        TooMany: it has called too often.
        Unavailable: the keys were never read, and PostgreSQL does not answer.
    """
    if rule.scope is None or (callers.open and rule != ADMIN):
        return EVERYONE
    caller = await callers.find(given)
    callers.count(caller)
    if caller.user_id is None or rule.tokens == "none":
        caller.require_scope(rule.scope)
    return caller


class _Guard:
    """A route behind its rule."""

    def __init__(self, app: ASGIApp, rule: Rule) -> None:
        self._app, self._rule = app, rule

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        scope["vane.caller"] = caller = await admit(request, self._rule)
        if self._rule.tokens == "path":
            caller.require_user(path_id("user_id", request.path_params["user_id"]))
        elif self._rule.tokens == "query" and (wanted := request.query_params.get("user_id")):
            caller.require_user(wanted)
        await self._app(scope, receive, send)

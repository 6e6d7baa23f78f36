"""Every route with every sort of key and token, in front of the routes themselves."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from api.access import OPEN, RULES, Rule, guarded, rule_of
from api.app import create_app
from api.cache import Cache
from api.callers import Callers, Credentials
from api.metrics import Metrics
from vane.errors import Unauthenticated, Unavailable
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.keys import create_key
from vane.store.serving import open_store
from vane.tokens import LEEWAY_S

SECRET = "a secret of more than thirty-two bytes"
ADMIN_KEY = "the admin key of these tests"
USER = "ada/ü"
OPEN_ROUTES = {
    "POST /v1/sessions",
    "GET /livez",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/oauth2-redirect",
    "GET /pictures/{item_id}.svg",
    "GET /",
    "GET /web/{name:path}",
}
FORGED = ("expired", "alg none", "wrong secret", "wrong issuer", "wrong audience", "no subject")
KEYS = ("none", "wrong key", "revoked", "read", "ingest", "admin", "admin key", "basic")
CALLERS = (*KEYS, "own", "other", *FORGED)


def token(**claims: Any) -> str:
    known = {"iss": "shop", "aud": "vane", "sub": USER, "exp": time.time() + 60} | claims
    given = {name: value for name, value in known.items() if value is not None}
    return jwt.encode(given, SECRET, "HS256")


def tokens() -> dict[str, str]:
    claims = jwt.decode(token(), SECRET, ["HS256"], audience="vane")
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    return {
        "own": token(),
        "other": token(sub="bob"),
        "expired": token(exp=time.time() - 60),
        "alg none": f"{header}.{token().split('.')[1]}.",
        "wrong secret": jwt.encode(claims, "x" * 32),
        "wrong issuer": token(iss="other"),
        "wrong audience": token(aud="other"),
        "no subject": token(sub=None),
    }


def expected(rule: Rule, who: str, *, admin: bool) -> int:
    """The status that such a caller gets; 299 comes from the route itself."""
    if rule == OPEN:
        return 299
    if who in {"read", "ingest", "admin", "admin key"}:
        return 299 if who in {rule.scope, "admin", "admin key"} else 403
    if who in {"wrong key", "revoked"}:
        return 403 if admin else 401
    if admin or who not in {"own", "other"}:
        return 401
    if rule.tokens == "none" or (who == "other" and rule.tokens in {"path", "query"}):
        return 403
    return 299


class Stubbed:
    """The application with all that stands before its routes, and nothing behind them."""

    def __init__(self, settings: Settings) -> None:
        self.app = create_app(settings)
        for route in self.routes():
            route.app._app = self._stub  # type: ignore[attr-defined]
        self.callers = Callers(settings)
        self.app.state.services = SimpleNamespace(
            callers=self.callers, cache=Cache(10, 60), metrics=Metrics()
        )

    def routes(self) -> Iterator[Route]:
        for route in self.app.routes:
            assert isinstance(route, Route)
            yield route

    def calls(self) -> Iterator[tuple[str, str, Route]]:
        """Method, template and route of each that is served."""
        for route in self.routes():
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, route.path, route

    async def _stub(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://vane") as client:
            yield client


@pytest.fixture
def closed(settings: Settings) -> Settings:
    return replace(
        settings,
        access="keys",
        admin_key=ADMIN_KEY,
        jwt_secret=SECRET,
        jwt_issuer="shop",
        jwt_audience="vane",
        user_calls_per_s_max=0,
    )


def headers_of(settings: Settings) -> dict[str, dict[str, str]]:
    """Headers of every sort of caller."""
    with connect(settings, "tests") as connection:
        keys = {name: create_key(connection, name, [name]).secret for name in ("read", "ingest")}
        keys["admin"] = create_key(connection, "admin", ["admin"]).secret
        keys["revoked"] = create_key(connection, "revoked", ["read", "ingest", "admin"]).secret
        connection.execute("update api_key set revoked_at = now() where name = 'revoked'")
    keys |= {"wrong key": keys["read"][:-1], "admin key": ADMIN_KEY}
    found = {name: {"X-API-Key": key} for name, key in keys.items()}
    found |= {name: {"Authorization": f"Bearer {text}"} for name, text in tokens().items()}
    found |= {"none": {}, "basic": {"Authorization": "Basic YWRhOmFkYQ=="}}
    assert set(found) == set(CALLERS)
    return found


def target(path: str, rule: Rule, user: str = USER) -> str:
    """An address of a route, about a user."""
    filled = path.replace("user_id:path", "user_id").replace("{user_id}", quote(user, safe=""))
    filled = filled.replace("{item_id:path}", "i")
    for name in ("item_id", "key_id", "name:path"):
        filled = filled.replace("{" + name + "}", "1")
    return filled + (f"?user_id={quote(user)}" if rule.tokens == "query" else "")


def test_every_route_lets_pass_whom_its_rule_names(closed: Settings) -> None:
    async def run() -> list[object]:
        stubbed, headers, wrong = Stubbed(closed), headers_of(closed), list[object]()
        async with open_store(closed, "tests") as store, stubbed.client() as client:
            await stubbed.callers.refresh(store)
            for method, path, route in stubbed.calls():
                rule = rule_of(route)
                for who in CALLERS:
                    answer = await client.request(method, target(path, rule), headers=headers[who])
                    wanted = expected(rule, who, admin=path.startswith("/v1/admin"))
                    if answer.status_code != wanted:
                        wrong.append((method, path, who, answer.status_code, wanted))
                    if answer.status_code != 299:
                        assert answer.headers["content-type"] == "application/problem+json"
                        assert answer.json()["status"] == answer.status_code
                    assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)
        return wrong

    assert asyncio.run(run()) == []


def test_where_access_is_open_only_admin_needs_a_key(closed: Settings) -> None:
    async def run() -> None:
        stubbed, headers = Stubbed(replace(closed, access="open")), headers_of(closed)
        async with open_store(closed, "tests") as store, stubbed.client() as client:
            await stubbed.callers.refresh(store)
            for method, path, route in stubbed.calls():
                rule = rule_of(route)
                admin = path.startswith("/v1/admin")
                for who in CALLERS:
                    answer = await client.request(method, target(path, rule), headers=headers[who])
                    wanted = expected(rule, who, admin=True) if admin else 299
                    assert (who, answer.status_code) == (who, wanted), path

    asyncio.run(run())


def test_only_listed_routes_are_open_and_a_route_without_a_rule_is_refused() -> None:
    served = {f"{method} {path}" for method, path, _ in Stubbed(Settings()).calls()}
    assert served == set(RULES)
    assert {route for route, rule in RULES.items() if rule.scope is None} == OPEN_ROUTES
    admin = {route for route in RULES if "/v1/admin" in route}
    assert {route for route, rule in RULES.items() if rule == Rule("admin")} == admin
    for route, rule in RULES.items():
        assert ("{user_id" in route) == (rule.tokens == "path"), route
    new = FastAPI(openapi_url=None)
    new.add_api_route("/v1/new", lambda: None)
    with pytest.raises(LookupError, match="GET /v1/new needs a rule"):
        list(guarded(new.routes))


def test_a_token_in_the_address_is_for_streams_alone(closed: Settings) -> None:
    async def run() -> set[str]:
        stubbed, let_in = Stubbed(closed), set()
        async with stubbed.client() as client:
            for method, path, route in stubbed.calls():
                rule = rule_of(route)
                if rule == OPEN or path.startswith("/v1/admin"):
                    continue
                address = target(path, rule)
                mark = "&" if "?" in address else "?"
                for who in ("own", "other", "expired", "alg none"):
                    given = f"{address}{mark}access_token={tokens()[who]}"
                    status = (await client.request(method, given)).status_code
                    if status == 299:
                        let_in.add(f"{who} {method} {path}")
                    elif rule.in_query:
                        assert status == (403 if who == "other" else 401)
                    else:
                        assert status == 401
        return let_in

    assert asyncio.run(run()) == {"own GET /v1/users/{user_id:path}/recommendations/stream"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/users/ada%2F%C3%BC/profile", 299),
        ("/v1/users/%61da%2f%c3%bc/profile", 299),
        ("/v1/users/ada/%C3%BC/profile", 299),
        ("/v1/users/bob/profile", 403),
        ("/v1/users/%62ob/profile", 403),
        ("/v1/users/ada%2F%C3%BC%2F..%2Fbob/profile", 403),
        ("/v1/users/ada%2F%C3%BC/../bob/profile", 403),
        ("/v1/users/ada%2F%C3%BC/profile/x/profile", 403),
        ("/v1/users/ada%2F%C3%BC%00/profile", 422),
        ("/v1/users/%ff/profile", 422),
        ("/v1/users//profile", 422),
        ("/v1/%75sers/bob/profile", 404),
        ("/v1/users%2Fbob%2Fprofile", 404),
        ("//v1/users/bob/profile", 404),
        ("/v1/search?q=a&user_id=bob", 403),
        ("/v1/search?q=a&user_id=ada%2F%C3%BC", 299),
        ("/v1/search?q=a&user_id=bob&user_id=ada%2F%C3%BC", 299),  # the last one counts
        ("/v1/search?q=a&user_id=ada%2F%C3%BC&user_id=bob", 403),
        ("/v1/search?q=a&user%5Fid=bob", 403),
        ("/v1/search?q=a", 299),
        ("/v1/%61dmin/keys", 404),
        ("/v1/admin/../admin/keys", 401),
        ("/v1//admin/keys", 404),
        ("/v1/admin%2Fkeys", 404),
        ("/v1/ADMIN/keys", 404),
    ],
)
def test_no_other_spelling_gets_around(closed: Settings, path: str, status: int) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "raw_path": path.partition("?")[0].encode(),
        "path": path,
        "query_string": path.partition("?")[2].encode(),
        "headers": [(b"authorization", f"bearer  {token()} ".encode())],
    }

    async def run() -> Any:
        stubbed, sent = Stubbed(closed), list[Any]()

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request"}

        await stubbed.app(scope, receive, send)
        return sent[0]["status"]

    assert asyncio.run(run()) == status


class Away:
    """A store whose PostgreSQL does not answer."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        raise Unavailable("away")
        yield


def test_keys_that_are_known_outlive_postgresql(closed: Settings) -> None:
    async def run() -> None:
        secrets = {name: found.get("X-API-Key") for name, found in headers_of(closed).items()}
        keys = {name: Credentials((secret or "").encode()) for name, secret in secrets.items()}
        away: Any = Away()
        callers, new = Callers(closed), Callers(closed)
        async with open_store(closed, "tests") as store:
            await callers.refresh(store)
        following = [asyncio.create_task(each.follow(away)) for each in (callers, new)]
        await asyncio.sleep(0.05)
        assert (await callers.find(keys["read"])).scopes == {"read"}
        with pytest.raises(Unauthenticated):
            await callers.find(keys["wrong key"])
        for who in ("read", "wrong key"):  # it may be a key: nobody can tell now
            with pytest.raises(Unavailable):
                await new.find(keys[who])
        assert "admin" in (await new.find(keys["admin key"])).scopes
        own = Credentials(None, f"Bearer {token()}".encode())
        assert (await new.find(own)).user_id == USER
        for task in following:
            task.cancel()

    asyncio.run(run())


def test_what_is_remembered_ends_in_time(closed: Settings) -> None:
    async def run() -> None:
        with connect(closed, "tests") as connection:
            secret = create_key(connection, "short", ["read"]).secret
            connection.execute("update api_key set expires_at = now() + interval '1 second'")
        callers = Callers(closed)
        async with open_store(closed, "tests") as store:
            await callers.refresh(store)
        short = token(exp=time.time() - LEEWAY_S + 1)
        both = Credentials(secret.encode()), Credentials(None, f"Bearer {short}".encode())
        for given in both:
            await callers.find(given)
        await asyncio.sleep(1.2)
        for given in both:
            with pytest.raises(Unauthenticated, match="expired"):
                await callers.find(given)

    asyncio.run(run())


def test_who_calls_too_often_waits(closed: Settings) -> None:
    slow = replace(closed, user_calls_per_s_max=2, key_calls_per_s_max=3)

    async def run() -> None:
        stubbed, headers = Stubbed(slow), headers_of(slow)
        async with open_store(slow, "tests") as store, stubbed.client() as client:
            await stubbed.callers.refresh(store)
            for who, count in (("own", 4), ("other", 4), ("read", 6)):
                for number in range(count + 2):
                    answer = await client.get("/v1/trending", headers=headers[who])
                    assert (number, answer.status_code) == (number, 299 if number < count else 429)
                assert answer.headers["retry-after"] == "1"
                assert json.loads(answer.content)["status"] == 429
            free = [await client.get("/livez", headers=headers["own"]) for _ in range(9)]
            assert {answer.status_code for answer in free} == {299}

    asyncio.run(run())


def test_pages_of_other_origins_may_call_where_they_are_named(closed: Settings) -> None:
    async def run() -> None:
        stubbed = Stubbed(replace(closed, cors_origins="https://shop.example, https://b.example"))
        asked = {"Access-Control-Request-Method": "GET"}
        asked["Access-Control-Request-Headers"] = "authorization, if-none-match"
        async with stubbed.client() as client:
            for origin, allowed in (("https://b.example", True), ("https://evil.example", False)):
                headers = {"Origin": origin}
                asking = await client.options("/v1/trending", headers=headers | asked)
                assert (asking.status_code == 200) == allowed
                refused = await client.get("/v1/trending", headers=headers)
                own = {"Authorization": f"Bearer {token()}"}
                taken = await client.get("/v1/trending", headers=headers | own)
                assert (refused.status_code, taken.status_code) == (401, 299)
                for answer in (refused, taken):
                    found = answer.headers.get("access-control-allow-origin")
                    assert found == (origin if allowed else None)
                exposed = taken.headers.get("access-control-expose-headers", "")
                assert {"ETag", "Vane-Applied", "Age"} <= set(exposed.split(", ")) or not allowed
        async with Stubbed(closed).client() as client:
            answer = await client.get("/livez", headers={"Origin": "https://shop.example"})
            assert "access-control-allow-origin" not in answer.headers

    asyncio.run(run())

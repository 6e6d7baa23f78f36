"""Keys, tokens and sessions in front of the real API."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import httpx
import jwt
import pytest

from api.access import RULES
from schemas.events import SettingsHint
from tests.api.conftest import ADMIN_KEY, Api, running, wait_until
from tests.api.seed import Seed
from vane.bus import SETTINGS
from vane.settings import Settings
from vane.store.accounts import create_demo_accounts
from vane.store.connection import Connection
from vane.store.keys import create_key, revoke_key

SECRET = "a secret of more than thirty-two bytes"
ADMIN = {"X-API-Key": ADMIN_KEY}
Headers = dict[str, str]


@pytest.fixture
def closed(api_settings: Settings) -> Iterator[Api]:
    """An API with access by keys, for the tokens of a shop."""
    settings = replace(
        api_settings, access="keys", jwt_secret=SECRET, jwt_issuer="shop", jwt_audience="vane"
    )
    with running(settings) as started:
        wait_until(lambda: started.services.subscription.connected)
        yield started


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def site(user: str) -> Headers:
    claims = {"iss": "shop", "aud": "vane", "sub": user, "exp": time.time() + 60}
    return bearer(jwt.encode(claims, SECRET, "HS256"))


def post(api: Api, path: str, body: Any = None, headers: Headers | None = None) -> httpx.Response:
    return api.client.post(path, json=body, headers=headers or {})


def new_key(api: Api, *scopes: str) -> Headers:
    answer = post(api, "/v1/admin/keys", {"name": "test", "scopes": scopes}, ADMIN)
    assert answer.status_code == 201
    return {"X-API-Key": answer.json()["secret"]}


def visitor(api: Api) -> tuple[str, str]:
    body = post(api, "/v1/sessions").json()
    return body["user_id"], body["token"]


def hits(api: Api) -> float:
    return api.services.metrics.cache["hit"].value


@pytest.mark.parametrize(
    "address",
    [
        "/v1/users/ada/recommendations?limit=3",
        "/v1/users/ada/profile",
        "/recommend/ada",
        "/v1/search?q=the&user_id=ada",
        "/v1/search?q=&user_id=ada",
        "/v1/feed?user_id=ada",
    ],
)
def test_a_ready_answer_is_given_to_nobody_else(closed: Api, seed: Seed, address: str) -> None:
    seed.user("ada", seed.items(5)[:2])
    closed.sync()
    read, ingest = new_key(closed, "read"), new_key(closed, "ingest")
    assert closed.get(address).status_code == 401
    mine = closed.get(address, headers=site("ada"))
    assert mine.status_code == 200
    before = hits(closed)
    for headers in (site("ada"), read, ADMIN):
        again = closed.get(address, headers=headers)
        assert (again.status_code, again.content) == (200, mine.content)
    if not address.startswith("/v1/feed"):  # pages of feeds are kept by their cursors
        assert hits(closed) == before + 3
    before = hits(closed)
    etag = {"If-None-Match": mine.headers.get("etag", "*")}
    refused = [({}, 401), (site("bob"), 403), (ingest, 403), ({"X-API-Key": "x"}, 401)]
    for headers, status in refused:
        assert closed.get(address, headers=headers).status_code == status
        assert closed.get(address, headers=headers | etag).status_code == status
    assert hits(closed) == before


def test_what_is_nobodys_is_for_everyone_with_a_token(closed: Api, seed: Seed) -> None:
    seed.items(3)
    closed.sync()
    for headers in (site("ada"), site("bob"), bearer(visitor(closed)[1])):
        assert closed.get("/v1/trending", headers=headers).status_code == 200
    assert closed.get("/v1/trending").status_code == 401


def test_a_token_sends_events_of_its_user_alone(closed: Api) -> None:
    def event(user: str) -> dict[str, str]:
        return {"user_id": user, "item_id": "i", "action": "like"}

    def cloud(user: str) -> dict[str, Any]:
        head = {"specversion": "1.0", "id": "1", "source": "x", "type": "y"}
        return {**head, "data": {"event_id": "e", "ts": 1e12, **event(user)}}

    def status(body: Any, headers: Headers) -> int:
        return post(closed, "/v1/events", body, headers).status_code

    assert status(event("ada"), site("ada")) == 202
    assert status({"events": [event("ada"), event("ada")]}, site("ada")) == 202
    accepted = closed.services.metrics.events["accepted"].value
    assert status(event("bob"), site("ada")) == 403
    assert status({"events": [event("ada"), event("bob")]}, site("ada")) == 403
    assert status({"events": [event("ada"), cloud("bob")]}, site("ada")) == 403
    assert status(event("ada"), {}) == 401
    assert status(event("ada"), new_key(closed, "read")) == 403
    assert closed.services.metrics.events["accepted"].value == accepted
    both = {"events": [event("ada"), event("bob")]}
    assert status(both, new_key(closed, "ingest")) == 202


BODIES: dict[str, Callable[[str], Any]] = {
    "POST /v1/events": lambda user: {"user_id": user, "item_id": "i", "action": "like"},
    "POST /v1/impressions": lambda user: {
        "user_id": user,
        "request_id": "r",
        "items": [{"item_id": "i", "position": 0}],
    },
    "POST /v1/recommendations": lambda user: {"items": [], "user_id": user},
}


def test_every_route_that_names_its_user_in_the_body_looks(closed: Api, seed: Seed) -> None:
    seed.items(3)
    closed.sync()
    routes = {route for route, rule in RULES.items() if rule.tokens == "body"}
    assert routes == set(BODIES)
    for route, body in BODIES.items():
        path = route.split()[1]
        assert post(closed, path, body("ada"), site("ada")).status_code not in {401, 403}, route
        assert post(closed, path, body("bob"), site("ada")).status_code == 403, route


def test_a_visitor_sees_its_own_alone(closed: Api) -> None:
    (mine, token), (other, _) = visitor(closed), visitor(closed)
    for path in ("recommendations", "profile"):
        assert closed.get(f"/v1/users/{mine}/{path}", headers=bearer(token)).status_code == 200
        assert closed.get(f"/v1/users/{other}/{path}", headers=bearer(token)).status_code == 403
        assert closed.get(f"/v1/users/{mine}/{path}").status_code == 401


def test_tokens_of_accounts_are_for_back_ends_with_a_key(
    closed: Api, connection: Connection
) -> None:
    create_demo_accounts(connection)
    john = {"email": "john1@example.com"}
    ingest, read = new_key(closed, "ingest"), new_key(closed, "read")
    own = bearer(visitor(closed)[1])
    for path in ("/v1/sessions", "/v1/accounts"):
        given: list[tuple[Headers, int]] = [({}, 401), (read, 403), (own, 403)]
        for headers, status in given:
            assert post(closed, path, john, headers).status_code == status
    session = post(closed, "/v1/sessions", john, ingest).json()
    assert session["user_id"] == "john1"
    profile = closed.get("/v1/users/john1/profile", headers=bearer(session["token"]))
    assert profile.status_code == 200
    assert post(closed, "/v1/accounts", {"email": "new@example.com"}, ingest).status_code == 201


def test_a_merge_needs_the_consent_of_both(closed: Api, seed: Seed, connection: Connection) -> None:
    items = seed.items(4)
    (anon, token), (_, other) = visitor(closed), visitor(closed)
    seed.user(anon, items[:2])
    ingest, read = new_key(closed, "ingest"), new_key(closed, "read")

    def merge(headers: Headers, proof: str | None) -> int:
        body = {"visitor": anon, "visitor_token": proof}
        return post(closed, "/v1/users/ada/merge", body, headers).status_code

    assert merge({}, token) == 401
    assert merge(read, token) == 403
    assert merge(site("bob"), token) == 403
    assert merge(bearer(token), token) == 403
    for proof in (None, "", "x", other, token[:-2]):
        assert merge(site("ada"), proof) == merge(ingest, proof) == 403
    aliases = "select count(*) from user_preference where alias_of is not null"
    assert connection.execute(aliases).fetchone() == (0,)
    assert merge(site("ada"), token) == merge(ingest, token) == 200
    assert connection.execute(aliases).fetchone() == (1,)


def test_an_account_is_nobodys_visitor(api: Api, connection: Connection) -> None:
    create_demo_accounts(connection)
    answer = post(api, "/v1/users/jane2/merge", {"visitor": "john1"})
    assert (answer.status_code, answer.json()["field"]) == (422, "visitor")
    assert "has an account" in answer.json()["detail"]
    assert post(api, "/v1/users/jane2/merge", {"visitor": "somebody"}).status_code == 200


def test_a_secret_is_shown_once_and_stored_nowhere(closed: Api, connection: Connection) -> None:
    wanted = {"name": "shop", "scopes": ["read", "ingest", "read"], "expires_in_days": 2}
    answer = post(closed, "/v1/admin/keys", wanted, ADMIN)
    secret, key = answer.json()["secret"], answer.json()["key"]
    assert answer.headers["cache-control"] == "no-store"
    assert len(secret) >= 43
    assert (key["name"], key["scopes"]) == ("shop", ["ingest", "read"])
    assert key["expires_at"] > key["created_at"]
    row = connection.execute("select api_key::text, sha256 from api_key").fetchone()
    assert row is not None
    assert secret not in row[0]
    assert row[1] == sha256(secret.encode()).digest()
    listed = closed.get("/v1/admin/keys", headers=ADMIN)
    assert listed.json() == {"keys": [key]}
    assert "sha256" not in listed.text
    assert closed.get("/v1/trending", headers={"X-API-Key": secret}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", {"name": "x", "scopes": []}, 422),
        ("", {"name": "x", "scopes": ["write"]}, 422),
        ("", {"name": "", "scopes": ["read"]}, 422),
        ("", {"name": "x", "scopes": ["read"], "expires_in_days": 0}, 422),
        ("", {}, 422),
        ("/7/rotate", {}, 404),
        ("/7/rotate", {"grace_minutes": -1}, 422),
        ("/0/rotate", {}, 422),
        ("/x/rotate", {}, 422),
    ],
)
def test_a_wrong_key_request_makes_none(api: Api, path: str, body: Any, status: int) -> None:
    answer = post(api, f"/v1/admin/keys{path}", body, ADMIN)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert api.get("/v1/admin/keys", headers=ADMIN).json() == {"keys": []}


def test_a_rotation_refuses_no_request(closed: Api, connection: Connection) -> None:
    old = create_key(connection, "shop", ["read"])
    current, statuses, done = [old.secret], list[int](), threading.Event()
    wait_until(lambda: closed.get("/v1/trending", headers=_key(old.secret)).status_code == 200)

    def load() -> None:
        with httpx.Client(base_url=str(closed.client.base_url)) as client:
            while not done.is_set():
                answer = client.get("/v1/trending", headers=_key(current[0]))
                statuses.append(answer.status_code)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    path = f"/v1/admin/keys/{old.key.id}"
    made = post(closed, f"{path}/rotate", {"grace_minutes": 1}, ADMIN)
    new = made.json()["secret"]
    assert (made.status_code, made.json()["key"]["replaces"]) == (201, old.key.id)
    time.sleep(0.3)  # both are accepted, so the shop may change over when it likes
    before = len(statuses)
    current[0] = new
    wait_until(lambda: len(statuses) > before + 20)
    done.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    assert closed.get("/v1/trending", headers=_key(old.secret)).status_code == 200
    ended = closed.client.delete(path, headers=ADMIN)
    assert ended.json()["revoked_at"] is not None
    assert closed.get("/v1/trending", headers=_key(old.secret)).status_code == 401
    assert closed.get("/v1/trending", headers=_key(new)).status_code == 200
    assert post(closed, f"{path}/rotate", {}, ADMIN).status_code == 404


def _key(secret: str) -> Headers:
    return {"X-API-Key": secret}


def test_keys_that_others_make_and_end_are_followed(closed: Api, connection: Connection) -> None:
    """By a hint at once, and without any hint within seconds."""
    made = create_key(connection, "shop", ["read"])
    closed.hint(SETTINGS, SettingsHint("keys", time.time()))
    wait_until(lambda: closed.get("/v1/trending", headers=_key(made.secret)).status_code == 200, 1)
    noted = "select last_used_at is not null from api_key"
    wait_until(lambda: connection.execute(noted).fetchone() == (True,))
    revoke_key(connection, made.key.id)
    wait_until(lambda: closed.get("/v1/trending", headers=_key(made.secret)).status_code == 401, 5)


def test_the_command_makes_lists_rotates_and_revokes(
    settings: Settings, connection: Connection
) -> None:
    environ = os.environ | {
        "VANE_DATABASE_URL": settings.database_url,
        "VANE_REDIS_URL": settings.redis_url,
    }

    def vane(*words: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "vane", "keys", *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    status, secret, told = vane("create", "--name", "shop", "--scope", "read", "--scope", "ingest")
    assert (status, told) == (0, "key 1, ingest read: shown this once\n")
    status, out, _ = vane("rotate", "1", "--grace", "5", "--json")
    assert json.loads(out)["key"]["replaces"] == 1
    assert vane("revoke", "2")[:2] == (0, "key 2 is revoked\n")
    status, listed, _ = vane("list")
    assert "accepted until" in listed.splitlines()[1]
    assert "revoked" in listed.splitlines()[2]
    assert secret.strip() not in listed
    digest = sha256(secret.strip().encode()).digest()
    row = connection.execute("select id from api_key where sha256 = %s", [digest]).fetchone()
    assert row == (1,)
    assert vane("revoke", "9") == (1, "", "vane: no API key 9\n")
    assert vane("create", "--name", "x", "--scope", "write")[0] == 2


def test_settings_of_tokens_that_do_not_go_together_are_wrong_use(settings: Settings) -> None:
    environ = os.environ | {
        "VANE_DATABASE_URL": settings.database_url,
        "VANE_REDIS_URL": settings.redis_url,
        "VANE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "VANE_ADMIN_KEY": ADMIN_KEY,
        "VANE_JWT_SECRET": "short",
        "VANE_JWT_ISSUER": "shop",
        "VANE_JWT_AUDIENCE": "vane",
    }
    command = [sys.executable, "-m", "vane", "api", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    access, problem = done.stderr.splitlines()
    assert (done.returncode, access) == (
        2,
        "access is by API keys (vane keys create) and users' tokens",
    )
    assert problem.startswith("vane: setting VANE_JWT_SECRET='***' is not allowed")

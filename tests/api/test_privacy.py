"""Export and erasure over HTTP and by command: what a user, an operator and a stranger see."""

import json
import os
from dataclasses import replace
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from tests.api.conftest import ADMIN_KEY, Api, running, wait_until
from tests.api.seed import Seed
from tests.support import unit_vectors
from vane.cli import build_app
from vane.kafka_admin import describe_topic
from vane.settings import Settings, variable
from vane.store.accounts import create_demo_accounts
from vane.store.connection import Connection
from vane.store.positions import open_log

KEY = {"X-API-Key": ADMIN_KEY}
USER, PATH = "jane/1", "/v1/users/jane%2F1"


@pytest.fixture
def known(seed: Seed, connection: Connection, api_settings: Settings) -> Seed:
    """The user has viewed two of four items, one event waits, one message was broken."""
    identity, _ = describe_topic(api_settings.kafka_bootstrap, "user-interactions")
    log_id = open_log(connection, identity)
    for number, vector in enumerate(unit_vectors(4)):
        seed.item(f"i{number}", vector, category="cars")
    seed.user(USER, ["i0", "i1"], version=4)
    seed.user("john", ["i2"], version=7)
    connection.execute("insert into account values (%s, 'jane@example.com', 'Jane')", [USER])
    connection.execute(
        "insert into dead_letter "
        "values (%s, 0, 90, 'interactions', 'action', 'unknown', null, %s, now())",
        [log_id, json.dumps({"user_id": USER, "action": "nonsense"}).encode()],
    )
    return seed


def erase(api: Api, path: str = PATH, **options: Any) -> httpx.Response:
    return api.client.delete(path, **({"headers": KEY} | options))


def export(api: Api, path: str = PATH) -> Any:
    answer = api.get(f"{path}/export", headers=KEY)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    return answer.json()


def run(settings: Settings, *arguments: str) -> Any:
    addresses = ("database_url", "redis_url", "kafka_bootstrap")
    environ = {variable(name): getattr(settings, name) for name in addresses}
    return CliRunner().invoke(
        build_app(arguments[0]), list(arguments), env={**os.environ, **environ}
    )


@pytest.mark.usefixtures("known")
def test_an_export_has_all_that_is_stored(api: Api, api_settings: Settings) -> None:
    body = export(api)
    assert list(body) == [
        *("user_id", "exported_at", "profile", "state", "older", "account", "visitors", "events"),
        *("pending", "dead_letters"),
    ]
    assert (body["user_id"], body["profile"]["categories"]) == (USER, {"cars": 1.0})
    assert (body["state"]["version"], len(body["state"]["long"])) == (4, 384)
    assert body["account"]["email"] == "jane@example.com"
    assert {event["item_id"] for event in body["events"]} == {"i0", "i1"}
    assert [json.loads(letter["message"])["action"] for letter in body["dead_letters"]] == [
        "nonsense"
    ]
    by_command = json.loads(run(api_settings, "export", USER).stdout)
    assert by_command | {"exported_at": ""} == body | {"exported_at": ""}


@pytest.mark.usefixtures("known")
def test_an_export_longer_than_a_block_is_whole(api: Api, seed: Seed) -> None:
    for _ in range(2_100):
        seed.interaction(USER, "i3")
    assert len(export(api)["events"]) == 2_102


def test_an_export_of_nobody_is_empty(api: Api) -> None:
    body = export(api, "/v1/users/nobody")
    assert (body["state"], body["account"], body["events"]) == (None, None, [])


@pytest.mark.usefixtures("known")
def test_an_erased_user_is_nobody_at_once(api: Api, connection: Connection) -> None:
    list_path = f"{PATH}/recommendations"
    api.sync()
    assert api.get(list_path).json()["strategy"] == "personal"
    answer = erase(api)
    assert answer.json() == {
        "user_id": USER,
        "version": 5,
        "visitors": [],
        "events": 2,
        "pending": 0,
        "dead_letters": 1,
        "accounts": 1,
    }
    assert api.get(list_path).json()["strategy"] == "trending"
    assert api.get(f"{PATH}/profile").json()["events"] == 0
    body = export(api)
    assert (body["state"]["events"], body["account"], body["events"]) == (0, None, [])
    assert body["dead_letters"] == []
    assert body["state"]["erased_at"]
    cuts = connection.execute("select count(*) from erasure where user_id = %s", [USER])
    assert cuts.fetchone() == (4,)
    assert erase(api).json()["events"] == 0
    john = api.get("/v1/users/john/profile").json()
    assert john["events"] == 1


@pytest.mark.usefixtures("known")
def test_an_erasure_elsewhere_leaves_nothing_for_hard_times(
    api: Api, api_settings: Settings
) -> None:
    path = f"{PATH}/recommendations"
    api.get(path)
    key = (path.encode(), b"")
    assert api.services.cache.last_known(key)
    erased = run(api_settings, "erase", USER, "--json")
    assert json.loads(erased.stdout)["events"] == 2
    wait_until(lambda: api.services.cache.last_known(key) is None)


def test_only_the_user_and_admins_may(api_settings: Settings) -> None:
    with running(replace(api_settings, access="keys")) as api:
        session = api.client.post("/v1/sessions", json={}).json()
        own = {"Authorization": f"Bearer {session['token']}"}
        path = f"/v1/users/{session['user_id']}"
        for method, suffix in (("GET", "/export"), ("DELETE", "")):
            for asked, headers, status in [
                (path, {}, 401),
                (path, {"X-API-Key": "wrong"}, 401),
                ("/v1/users/somebody", own, 403),
                (path, own, 200),
                ("/v1/users/somebody", KEY, 200),
            ]:
                answer = api.client.request(method, asked + suffix, headers=headers)
                assert answer.status_code == status, (method, asked, headers)


@pytest.mark.usefixtures("known")
def test_a_merged_user_is_named_by_the_account(api: Api, api_settings: Settings) -> None:
    api.client.post(f"{PATH}/merge", json={"visitor": "anon"})
    for answer in (erase(api, "/v1/users/anon"), api.get("/v1/users/anon/export", headers=KEY)):
        assert (answer.status_code, answer.json()["field"]) == (422, "user_id")
        assert USER not in answer.text
    refused = run(api_settings, "erase", "anon")
    assert f"was merged into {USER}: erase that one" in str(refused.exception)
    assert export(api)["visitors"] == ["anon"]
    assert erase(api).json()["visitors"] == ["anon"]
    assert export(api, "/v1/users/anon")["visitors"] == []


def test_an_erased_demo_account_does_not_come_back(api: Api, connection: Connection) -> None:
    create_demo_accounts(connection)
    assert erase(api, "/v1/users/john1").json()["accounts"] == 1
    create_demo_accounts(connection)
    names = {name for (name,) in connection.execute("select user_id from account")}
    assert "jane2" in names
    assert "john1" not in names

"""Settings over HTTP: read, changed while everything runs, kept from lost updates."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.api.conftest import ADMIN_KEY, Api
from tests.api.seed import Seed
from vane.store.connection import Connection
from vane.store.replay import raise_generation

KEY = {"X-API-Key": ADMIN_KEY}


def put(api: Api, body: Any, **headers: str) -> httpx.Response:
    return api.client.put("/v1/admin/settings", json=body, headers=KEY | headers)


def settings_of(api: Api) -> dict[str, Any]:
    body = api.get("/v1/admin/settings", headers=KEY).json()
    return {row["name"]: row["value"] for row in body["settings"]}


def test_a_change_holds_at_once_and_is_kept(api: Api, seed: Seed) -> None:
    before = api.get("/v1/admin/settings", headers=KEY)
    assert before.headers["etag"] == '"1"'
    event = {"user_id": "u", "item_id": "i", "action": "wish"}
    assert api.client.post("/v1/events", json=event).status_code == 422
    answer = put(api, {"action_weights": {"wish": 4}})
    assert (answer.status_code, answer.headers["etag"], answer.json()["version"]) == (200, '"2"', 2)
    assert settings_of(api)["action_weights"]["wish"] == 4
    assert api.client.post("/v1/events", json=event).status_code == 202
    assert put(api, {"action_weights": {"wish": 4}}).json()["version"] == 2
    put(api, {"action_weights": {"wish": None}})
    history = api.get("/v1/admin/settings/history", headers=KEY).json()["versions"]
    assert [(row["version"], row["changed_by"]) for row in history] == [
        (3, "api"),
        (2, "api"),
        (1, "before"),
    ]
    assert "wish" in history[1]["value"]["action_weights"]
    assert "wish" not in history[0]["value"]["action_weights"]


def test_answers_that_were_kept_are_dropped(api: Api, seed: Seed) -> None:
    seed.items(3)
    api.sync()
    path = "/v1/users/u/recommendations"
    tag = api.get(path).headers["etag"]
    put(api, {"diversity.strength": 0.5})
    assert api.get(path).headers["etag"] != tag


def test_nothing_is_changed_over_a_version_that_was_not_seen(api: Api) -> None:
    assert put(api, {"diversity.strength": 0.5}, **{"If-Match": '"1"'}).status_code == 200
    late = put(api, {"diversity.strength": 0.9}, **{"If-Match": '"1"'})
    assert (late.status_code, late.json()["detail"]) == (
        412,
        "the settings have version 2 by now, not 1",
    )
    assert (
        put(api, {"diversity.strength": 0.9}, **{"If-Match": "seven"}).json()["field"] == "If-Match"
    )
    assert settings_of(api)["diversity.strength"] == 0.5
    assert put(api, {"diversity.strength": 0.9}, **{"If-Match": "*"}).json()["version"] == 3


def test_changes_of_many_at_once_all_hold(api: Api) -> None:
    names = [f"act{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda name: put(api, {"action_weights": {name: 1}}), names))
    assert [answer.status_code for answer in answers] == [200] * 12
    assert settings_of(api)["action_weights"].keys() >= set(names)
    assert max(answer.json()["version"] for answer in answers) == 13


def test_what_is_wrong_is_named_and_changes_nothing(api: Api) -> None:
    answer = put(api, {"diversity.strength": 7, "action_weights": {"view": 9}, "x": 1})
    assert answer.status_code == 422
    body = answer.json()
    assert [error["field"] for error in body["errors"]] == ["diversity.strength", "x"]
    assert "7 is not allowed; allowed: a number from 0 to 1" in body["detail"]
    assert settings_of(api)["action_weights"]["view"] == 1
    rebuild = put(api, {"half_life_short_s": 60})
    assert (rebuild.status_code, rebuild.json()["field"]) == (409, "half_life_short_s")
    assert "vane rebuild --half-life-short" in rebuild.json()["detail"]


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"7", b"\xff", b"[" * 9_000])
def test_a_body_that_is_no_object_is_refused(api: Api, raw: bytes) -> None:
    answer = api.client.put("/v1/admin/settings", content=raw, headers=KEY)
    assert (answer.status_code, answer.json()["field"]) == (422, "$")


def test_a_rebuild_is_in_the_history_too(api: Api, connection: Connection) -> None:
    api.get("/v1/admin/settings", headers=KEY)
    raise_generation(connection, 1_000.0, 100.0)
    history = api.get("/v1/admin/settings/history", headers=KEY).json()["versions"]
    assert [row["changed_by"] for row in history] == ["rebuild", "before"]
    assert settings_of(api)["half_life_short_s"] == 100


def test_only_the_admin_may(api: Api) -> None:
    for method, path in [("GET", ""), ("PUT", ""), ("GET", "/history")]:
        assert api.client.request(method, f"/v1/admin/settings{path}").status_code == 401

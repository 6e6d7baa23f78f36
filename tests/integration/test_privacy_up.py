"""Erasure, settings and commands of a whole running `vane up`."""

import uuid
from typing import Any

import httpx
import pytest

from tests.running import RunningUp, wait_until


@pytest.fixture
def api(vane_up: RunningUp) -> Any:
    endpoints = vane_up.endpoints
    with httpx.Client(base_url=endpoints.api, timeout=30) as client:
        client.headers["X-API-Key"] = endpoints.admin_key
        yield client


def send(api: httpx.Client, user: str, action: str = "view") -> httpx.Response:
    return api.post("/v1/events", json={"user_id": user, "item_id": "i", "action": action})


def events_of(api: httpx.Client, user: str) -> Any:
    return api.get(f"/v1/users/{user}/profile").json()["events"]


def test_an_erased_user_stays_away_and_may_come_back(api: httpx.Client) -> None:
    user = f"erased-{uuid.uuid4().hex}"
    for _ in range(3):
        assert send(api, user).status_code == 202
    wait_until(lambda: events_of(api, user) == 3, 30)
    send(api, user)
    erased = api.delete(f"/v1/users/{user}").json()
    assert erased["events"] in {3, 4}
    assert events_of(api, user) == 0
    send(api, user)
    wait_until(lambda: events_of(api, user) > 0, 30)
    body = api.get(f"/v1/users/{user}/export").json()
    assert (len(body["events"]), body["state"]["events"]) == (1, 1)


def test_settings_hold_in_the_flows_soon(api: httpx.Client) -> None:
    user, action = f"wishes-{uuid.uuid4().hex}", f"act-{uuid.uuid4().hex[:8]}"
    assert send(api, user, action).status_code == 422
    changed = api.put("/v1/admin/settings", json={"action_weights": {action: 2}})
    assert changed.status_code == 200
    assert send(api, user, action).status_code == 202
    wait_until(lambda: events_of(api, user) == 1, 30)


def test_a_command_is_done_by_the_flow(api: httpx.Client) -> None:
    answer = api.post("/v1/admin/rebuild", json={"trends": False})
    place = answer.headers["location"]
    wait_until(lambda: api.get(place).json()["state"] in {"done", "failed"}, 60)
    found = api.get(place).json()
    assert (found["state"], found["error"]) == ("done", None)
    assert found["result"]["users"] >= 0

"""Long work asked for over HTTP: accepted into the topic, and what became of it."""

from typing import Any

import msgspec
import pytest

from tests.api.conftest import ADMIN_KEY, Api
from vane.kafka_admin import create_topics
from vane.store.connection import Connection

KEY = {"X-API-Key": ADMIN_KEY}


@pytest.fixture
def topic(kafka_bootstrap: str) -> None:
    create_topics(kafka_bootstrap, {"admin-commands": 1})


@pytest.mark.usefixtures("topic")
@pytest.mark.parametrize(
    ("name", "args"), [("tune", {"events": 5_000}), ("retrain", {}), ("rebuild", {"trends": False})]
)
def test_a_command_is_accepted_and_found_again(api: Api, name: str, args: Any) -> None:
    answer = api.client.post(f"/v1/admin/{name}", json=args, headers=KEY)
    body = answer.json()
    assert (answer.status_code, body["command"], body["args"]) == (202, name, args)
    found = api.get(answer.headers["location"], headers=KEY).json()
    assert (found["command_id"], found["state"]) == (body["command_id"], "sent")
    listed = api.get("/v1/admin/commands", headers=KEY).json()["commands"]
    assert [row["command_id"] for row in listed] == [body["command_id"]]


@pytest.mark.usefixtures("topic")
def test_a_command_without_a_body_is_one_too(api: Api, connection: Connection) -> None:
    answer = api.client.post("/v1/admin/tune", headers=KEY)
    assert (answer.status_code, answer.json()["args"]) == (202, {})
    connection.execute(
        "update admin_command set state = 'done', result = %s",
        [msgspec.json.encode({"activated": True}).decode()],
    )
    found = api.get(answer.headers["location"], headers=KEY).json()
    assert (found["state"], found["result"]) == ("done", {"activated": True})


@pytest.mark.parametrize(
    ("body", "field"),
    [({"events": 1}, "events"), ({"nonsense": 1}, "nonsense"), ([], "$"), ("x", "$")],
)
def test_wrong_options_are_named(api: Api, body: Any, field: str) -> None:
    answer = api.client.post("/v1/admin/tune", json=body, headers=KEY)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_nobody_else_may_and_unknown_ones_are_not_found(api: Api) -> None:
    for path in ("tune", "retrain", "rebuild"):
        assert api.client.post(f"/v1/admin/{path}").status_code == 401
    assert api.get("/v1/admin/commands").status_code == 401
    assert api.get("/v1/admin/commands/x", headers=KEY).status_code == 404
    assert api.get("/v1/admin/commands?limit=0", headers=KEY).status_code == 422

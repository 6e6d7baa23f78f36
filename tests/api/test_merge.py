"""Merging a visitor over HTTP: what a front end sees of it."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.api.conftest import Api
from tests.api.seed import Seed
from tests.support import unit_vectors
from vane.store.connection import Connection

VISITOR, ACCOUNT = "anon-1", "john/1"


def merge(api: Api, visitor: str = VISITOR, account: str = "john%2F1") -> httpx.Response:
    return api.client.post(f"/v1/users/{account}/merge", json={"visitor": visitor})


def profile(api: Api, user: str) -> Any:
    return api.get(f"/v1/users/{user}/profile").json()


@pytest.fixture
def seen(seed: Seed) -> Seed:
    """The visitor has viewed i0 and i1 of four items, the account i2."""
    for number, vector in enumerate(unit_vectors(4)):
        seed.item(f"i{number}", vector)
    seed.user(VISITOR, ["i0", "i1"], version=4)
    seed.user(ACCOUNT, ["i2"], version=7)
    return seed


def test_the_user_has_it_and_the_visitor_is_nobody(api: Api, seen: Seed) -> None:
    assert [profile(api, user)["events"] for user in (VISITOR, "john%2F1")] == [2, 1]
    answer = merge(api)
    assert (answer.status_code, answer.json()) == (200, {"user_id": ACCOUNT, "version": 8})
    assert merge(api).json() == answer.json()
    mine = profile(api, "john%2F1")
    assert (mine["events"], mine["version"]) == (3, 8)
    assert {item["item_id"] for item in mine["recent_items"]} == {"i0", "i1", "i2"}
    nobody = profile(api, VISITOR)
    assert (nobody["events"], nobody["as_of"], nobody["recent_items"]) == (0, None, [])
    assert nobody["categories"] == nobody["tags"] == {}
    assert ACCOUNT not in json.dumps(nobody)


def test_both_users_lists_change_at_once(api: Api, seen: Seed) -> None:
    paths = [f"/v1/users/{user}/recommendations" for user in (VISITOR, "john%2F1")]
    api.sync()
    before = [api.get(path).json() for path in paths]
    assert [body["strategy"] for body in before] == ["personal", "personal"]
    merge(api)
    visitors, mine = (api.get(path).json() for path in paths)
    assert visitors["strategy"] == "trending"
    assert mine["strategy"] == "personal"
    assert [item["item_id"] for item in mine["items"]] == ["i3"]


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"visitor": ACCOUNT}, "visitor", "into itself"),
        ({"visitor": "taken"}, "visitor", "into another account before"),
        ({"visitor": ""}, "visitor", ""),
        ({"visitor": "x" * 129}, "visitor", ""),
        ({"visitor": "a\nb"}, "visitor", "control character"),
        ({"visitor": 7}, "visitor", ""),
        ({}, "visitor", "missing"),
        ([], "$", ""),
    ],
)
def test_a_wrong_merge_names_the_field(api: Api, body: Any, field: str, reason: str) -> None:
    assert merge(api, "taken", "somebody").status_code == 200
    answer = api.client.post("/v1/users/john%2F1/merge", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert reason in answer.json()["detail"]
    assert "somebody" not in answer.text


def test_many_merges_at_once_count_everybody_once(
    api: Api, seed: Seed, connection: Connection
) -> None:
    """40 visitors into two accounts, each three times, by eight clients in one mixed order."""
    seed.item("i0", unit_vectors(1)[0])
    visitors = [f"anon-{number}" for number in range(40)]
    for visitor in visitors:
        seed.user(visitor, ["i0", "i0"])
    calls = [(visitor, f"acc{int(visitor[5:]) % 2}") for visitor in visitors * 3]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda call: merge(api, *call).status_code, calls))
    assert answers == [200] * 120
    rows = connection.execute(
        "select user_id, events, mass_long from user_preference where alias_of is null order by 1"
    )
    assert [(user, events) for user, events, _ in rows.fetchall()] == [("acc0", 40), ("acc1", 40)]
    logged = connection.execute("select user_id, count(*) from interaction group by 1 order by 1")
    assert logged.fetchall() == [("acc0", 40), ("acc1", 40)]

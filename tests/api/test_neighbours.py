"""What people with the same taste went for: items, never people."""

from typing import Any

from schemas.events import PreferenceHint
from tests.api.conftest import Api
from tests.api.seed import Seed
from vane.bus import PREFERENCES


def asked(api: Api, user: str, **params: object) -> dict[str, Any]:
    answer = api.get(f"/v1/users/{user}/neighbours", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ids(body: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in body["items"]]


def crowd(api: Api, seed: Seed) -> None:
    """Six film lovers and six car lovers; ada likes films, and knows fewer of them."""
    films, cars = seed.items(20, "films", seed=1), seed.items(20, "cars", seed=2)
    for number in range(6):
        seed.user(f"cinema-{number}", films[:8])
        seed.user(f"garage-{number}", cars[:8])
    seed.interaction("cinema-0", "films-15")
    seed.interaction("cinema-1", "films-15")
    for number in range(4):
        seed.interaction(f"cinema-{number}", "cars-19")
    seed.user("ada", films[:3])
    seed.interaction("ada", "films-4", action="hide", weight=-4.0, excludes=True)
    api.sync()


def test_items_that_several_neighbours_went_for(api: Api, seed: Seed) -> None:
    crowd(api, seed)
    body = asked(api, "ada")
    assert (body["user_id"], body["people"]) == ("ada", 6)
    assert set(ids(body)) == {"films-3", "films-5", "films-6", "films-7", "cars-19"}
    assert {item["reason"]["code"] for item in body["items"]} == {"alike"}
    assert set(ids(asked(api, "ada", category="cars"))) == {"cars-19"}
    assert len(ids(asked(api, "ada", limit=2))) == 2
    for path in ("neighbours", "recommendations", "profile"):
        text = api.get(f"/v1/users/ada/{path}").text
        assert "cinema-" not in text
        assert "garage-" not in text


def test_what_is_sold_does_not_come(api: Api, seed: Seed) -> None:
    crowd(api, seed)
    seed.connection.execute("update item set available = false where item_id = 'films-3'")
    seed.connection.execute("delete from item where item_id = 'films-5'")
    api.sync()
    assert set(ids(asked(api, "ada"))) == {"films-6", "films-7", "cars-19"}


def test_without_a_taste_there_are_no_neighbours(api: Api, seed: Seed) -> None:
    seed.item("bare")
    for user in ("ada", "bob", "cy", "dan"):
        seed.interaction(user, "bare")
    api.sync()
    for user in ("ada", "nobody"):
        assert asked(api, user) == {"user_id": user, "people": 0, "items": []}


def test_the_answer_follows_the_user(api: Api, seed: Seed) -> None:
    crowd(api, seed)
    assert "films-7" in ids(asked(api, "ada"))
    seed.interaction("ada", "films-7", action="hide", weight=-4.0, excludes=True)
    api.hint(PREFERENCES, PreferenceHint([("ada", seed.bump("ada"))], 1, 0, 1, 0.0))
    assert "films-7" not in ids(asked(api, "ada"))


def test_any_id_is_an_id(api: Api, seed: Seed) -> None:
    seed.item("a/b ?&#ü", kind="odd/kind")
    api.sync()
    for user in ("a%2Fb", "a/b", "%C3%BC%20%F0%9F%9A%97", "..%2F..", "neighbours"):
        assert asked(api, user)["people"] == 0
    for user in ("a%00", "%0A", "x" * 129, "%FF"):
        answer = api.get(f"/v1/users/{user}/neighbours")
        assert (answer.status_code, answer.json()["field"]) == (422, "user_id"), answer.text
    found = api.get("/v1/feed", params={"user_id": "ü/?#", "kind": "odd/kind"}).json()
    assert ids(found) == ["a/b ?&#ü"]
    assert (
        api.client.post("/v1/recommendations", json={"items": ["a/b ?&#ü"]}).json()["items"] == []
    )

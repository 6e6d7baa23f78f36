"""Lists for a basket or an anonymous session: its taste counts, nothing of it stays."""

import json
from typing import Any

import httpx

from tests.api.conftest import Api
from tests.api.seed import Seed

PATH = "/v1/recommendations"


def listed(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def share(ids: list[str], category: str) -> float:
    return sum(item.startswith(category) for item in ids) / len(ids)


def shop(api: Api, seed: Seed) -> None:
    """Cars and films, equally popular."""
    for number, category in enumerate(("cars", "films")):
        for place, item in enumerate(seed.items(60, category, seed=number)):
            seed.trend(item, 1.0 + 0.01 * (place * 37 % 60))
    api.sync()


def test_what_goes_with_a_basket(api: Api, seed: Seed) -> None:
    shop(api, seed)
    basket = ["films-3", {"item_id": "films-9", "action": "view"}, "no such item"]
    answer = api.client.post(PATH, json={"items": basket, "explain": True})
    body = answer.json()
    assert share(listed(answer), "films") > 0.5
    assert not {"films-3", "films-9"} & set(listed(answer))
    assert (body["user_id"], body["version"], body["strategy"]) == (None, 0, "personal")
    assert body["unknown"] == ["no such item"]
    assert {item["reason"]["code"] for item in body["items"]} & {"because"}
    texts = {item["reason"]["text"] for item in body["items"]}
    assert texts & {"Because you put The films-3 in your basket", "Because you viewed The films-9"}
    assert body["items"][0]["components"]
    assert api.client.post(PATH, json=json.loads(answer.request.content)).json() == body
    (count,) = seed.connection.execute("select count(*) from interaction").fetchone() or ()
    assert count == 0


def test_the_basket_joins_the_user(api: Api, seed: Seed) -> None:
    """A user of cars puts one film into the basket; what was hidden stays out."""
    shop(api, seed)
    seed.user("ada", ["cars-1", "cars-2"], version=7)
    seed.interaction("ada", "films-5", action="hide", weight=-4.0, excludes=True)
    answer = api.client.post(
        PATH, json={"items": ["films-3"], "user_id": "ada", "limit": 100, "category": ["films"]}
    )
    assert answer.json()["version"] == 7
    films = {f"films-{number}" for number in range(60)}
    assert set(listed(answer)) == films - {"films-3", "films-5"}
    both = listed(api.client.post(PATH, json={"items": ["films-3"], "user_id": "ada", "limit": 40}))
    alone = listed(api.client.post(PATH, json={"user_id": "ada", "limit": 40}))
    assert alone == listed(api.get("/v1/users/ada/recommendations?limit=40"))
    assert share(both, "films") > share(alone, "films")


def test_weights_and_times_count(api: Api, seed: Seed) -> None:
    shop(api, seed)

    def films_for(*items: dict[str, Any]) -> float:
        return share(listed(api.client.post(PATH, json={"items": items, "limit": 30})), "films")

    car, film = {"item_id": "cars-1"}, {"item_id": "films-1"}
    disliked = {"item_id": "films-2", "weight": -4}
    old = {"ts": "2020-01-01T00:00:00Z"}
    assert films_for(car, film | {"weight": 50}) > films_for(car | {"weight": 50}, film)
    assert films_for(car | old, film) > films_for(car, film | old)
    assert films_for(car, film | {"ts": 4_000_000_000_000}) == films_for(car, film)
    assert films_for(car, disliked) <= films_for(car)


def test_an_empty_basket_and_one_of_unknown_items_give_what_is_popular(
    api: Api, seed: Seed
) -> None:
    shop(api, seed)
    trending = listed(api.get("/v1/trending"))
    for body in ({}, {"items": ["a", "b"]}, {"items": [], "user_id": "nobody"}):
        answer = api.client.post(PATH, json=body)
        assert listed(answer) == trending
        assert answer.json()["strategy"] == "trending"
    assert listed(api.client.post(PATH)) == trending


WRONG: list[tuple[Any, str]] = [
    ([], "$"),
    ({"items": "a"}, "items"),
    ({"items": [3]}, "items[0]"),
    ({"items": [{"action": "view"}]}, "items[0].item_id"),
    ({"items": ["a", ""]}, "items[1]"),
    ({"items": ["a\u0000"]}, "items[0]"),
    ({"items": ["x" * 129]}, "items[0]"),
    ({"items": [{"item_id": "a", "action": "poke"}]}, "items[0].action"),
    ({"items": [{"item_id": "a", "action": "rating"}]}, "items[0].weight"),
    ({"items": [{"item_id": "a", "weight": 101}]}, "items[0].weight"),
    ({"items": [{"item_id": "a", "ts": "yesterday"}]}, "items[0].ts"),
    ({"items": [{"item_id": "a", "ts": 1}]}, "items[0].ts"),
    ({"items": ["a"] * 101}, "items"),
    ({"user_id": ""}, "user_id"),
    ({"user_id": "a\u0007"}, "user_id"),
    ({"limit": 0}, "limit"),
    ({"limit": True}, "limit"),
    ({"tags": ["a\u0000"]}, "tags"),
    ({"price_min": -1}, "price_min"),
    ({"price_min": 2, "price_max": 1}, "price_min"),
    ({"boosts": [{"field": "price", "value": "1", "factor": 2}]}, "boosts[0].field"),
    ({"boosts": [{"field": "tag", "value": "x", "factor": 0}]}, "boosts[0].factor"),
    ({"boosts": [{"field": "tag", "value": "\u0001", "factor": 2}]}, "boosts"),
    ({"exclude": [str(number) for number in range(101)]}, "exclude"),
]


def test_what_is_wrong_is_named(api: Api) -> None:
    for body, field in WRONG:
        answer = api.client.post(PATH, json=body)
        assert (answer.status_code, answer.json()["field"]) == (422, field), (body, answer.text)
    for raw in (b"{", b"\xff\xfe", b"[" * 100_000):
        assert api.client.post(PATH, content=raw).status_code == 422
    assert api.client.post(PATH, content=b" " * 300_000).status_code == 413

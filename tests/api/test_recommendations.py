import functools

import msgspec
import pytest

from schemas.events import CatalogHint, TrendsHint
from schemas.responses import Item, ItemList, Profile, Recommendations
from tests.api.conftest import Api, wait_until
from tests.api.seed import Seed
from vane.bus import CATALOG, TRENDS


def recommended(api: Api, user: str, **params: object) -> Recommendations:
    api.sync()
    answer = api.get(f"/v1/users/{user}/recommendations", params=params)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=Recommendations, strict=True)


def first_is(api: Api, path: str, item_id: str) -> bool:
    return bool(api.get(path).json()["items"][0]["item_id"] == item_id)


def ids(body: Recommendations | ItemList) -> list[str]:
    return [item.item_id for item in body.items]


def test_a_user_gets_items_like_those_viewed_with_the_item_that_caused_them(
    api: Api, seed: Seed
) -> None:
    cars, films = seed.items(30, "cars", seed=1), seed.items(30, "films", seed=2)
    seed.user("ada", cars[:3], version=7)
    body = recommended(api, "ada")
    assert (body.user_id, body.version, body.strategy) == ("ada", 7, "personal")
    assert len(body.items) == 10
    assert all(item.category == "cars" for item in body.items)
    assert not set(ids(body)) & set(cars[:3] + films)
    reason = body.items[0].reason
    assert reason.code == "because"
    assert reason.item_id in cars[:3]
    assert reason.text == f"Because you viewed The {reason.item_id}"
    scores = [item.score for item in body.items]
    assert scores == sorted(scores, reverse=True)


def test_the_cause_is_the_closest_item_of_the_past(api: Api, seed: Seed) -> None:
    cars, films = seed.items(10, "cars", seed=1), seed.items(10, "films", seed=2)
    seed.user("ada", [cars[0], films[0]], action="like")
    body = recommended(api, "ada", limit=100)
    for item in body.items:
        assert item.reason.code == "because"
        assert item.reason.item_id == f"{item.category}-0"
        assert item.reason.text == f"Because you liked The {item.category}-0"


def test_explain_adds_up_to_the_score(api: Api, seed: Seed) -> None:
    cars = seed.items(20)
    seed.trend(cars[9], 5.0)
    seed.user("ada", cars[:2])
    for item in recommended(api, "ada", explain=True).items:
        assert isinstance(item.components, dict)
        assert sum(item.components.values()) == pytest.approx(item.score)
    answer = api.get("/v1/users/ada/recommendations").json()
    assert "components" not in answer["items"][0]


def test_an_unknown_user_gets_what_is_popular_then_what_is_new(api: Api, seed: Seed) -> None:
    cars = seed.items(10)
    seed.trend(cars[3], 100.0)
    seed.trend(cars[5], 101.0)
    body = recommended(api, "nobody")
    assert (body.version, body.strategy) == (0, "trending")
    assert ids(body)[:2] == [cars[5], cars[3]]
    assert len(body.items) == 10
    assert body.items[0].reason.text == "Popular now"
    assert {item.reason.text for item in body.items[2:]} == {"New"}


def test_a_user_without_any_vector_gets_what_is_popular(api: Api, seed: Seed) -> None:
    cars = seed.items(5)
    seed.item("bare")
    seed.connection.execute(
        "insert into user_preference values ('ada', array_fill(0::real, array[384])::vector,"
        " array_fill(0::real, array[384])::vector, 0, 0, now(), 4, 1, 0, '')"
    )
    seed.interaction("ada", "bare")
    body = recommended(api, "ada")
    assert (body.version, body.strategy) == (4, "trending")
    assert sorted(ids(body)) == cars


def test_seen_items_stay_out_unless_asked_for(api: Api, seed: Seed) -> None:
    cars = seed.items(6)
    seed.user("ada", cars[:4])
    assert sorted(ids(recommended(api, "ada"))) == cars[4:]
    assert sorted(ids(recommended(api, "ada", exclude_seen=False))) == cars


def test_excluded_items_stay_out_also_among_the_seen_ones(api: Api, seed: Seed) -> None:
    cars = seed.items(6)
    seed.user("ada", cars[:2])
    seed.interaction("ada", cars[5], action="hide", weight=-4.0, excludes=True)
    assert sorted(ids(recommended(api, "ada", exclude_seen=False))) == cars[:5]


def test_who_has_seen_everything_gets_seen_items_but_no_hidden_ones(api: Api, seed: Seed) -> None:
    cars = seed.items(6)
    seed.user("ada", cars)
    seed.interaction("ada", cars[0], action="hide", weight=-4.0, excludes=True)
    assert sorted(ids(recommended(api, "ada"))) == cars[1:]


def test_who_has_hidden_everything_still_gets_a_list(api: Api, seed: Seed) -> None:
    cars = seed.items(3)
    seed.user("ada", cars)
    for car in cars:
        seed.interaction("ada", car, action="hide", weight=-4.0, excludes=True)
    assert sorted(ids(recommended(api, "ada"))) == cars


def test_an_item_without_content_is_listed(api: Api, seed: Seed) -> None:
    seed.item("bare", title="", tags=[])
    seed.user("ada", seed.items(3))
    body = recommended(api, "ada")
    assert ids(body) == ["bare"]
    assert body.items[0].reason.text == "New"


def test_an_empty_catalogue_gives_an_empty_list(api: Api) -> None:
    assert recommended(api, "ada").items == []


def test_filters_and_availability(api: Api, seed: Seed) -> None:
    seed.items(4, "cars", seed=1)
    films = seed.items(4, "films", seed=2, kind="video")
    seed.items(4, "gone", seed=3, available=False)
    assert sorted(ids(recommended(api, "nobody", kind="video"))) == films
    two = ids(recommended(api, "nobody", category="films", limit=2))
    assert len(two) == 2
    assert set(two) < set(films)
    assert recommended(api, "nobody", category="gone").items == []
    assert len(recommended(api, "nobody", kind="", category="", limit=100).items) == 8


@pytest.mark.parametrize(
    "user", ["a/b", "a b", "日本", "50%", "a%2Fb", "?#&", "x/profile", "é" * 128]
)
def test_any_user_id_can_be_named(api: Api, seed: Seed, user: str) -> None:
    seed.user(user, seed.items(5)[:1], version=3)
    encoded = "".join(f"%{byte:02X}" for byte in user.encode())
    for path in (f"/v1/users/{encoded}/recommendations", f"/recommend/{encoded}"):
        body = api.get(path).json()
        assert (body["user_id"], body["version"]) == (user, 3)
    assert api.get(f"/v1/users/{encoded}/profile").json()["user_id"] == user


def test_a_slash_in_an_id_need_not_be_encoded(api: Api, seed: Seed) -> None:
    seed.item("shop/1/similar")
    seed.item("shop/1")
    assert api.get("/v1/items/shop/1").json()["item_id"] == "shop/1"
    assert api.get("/v1/items/shop%2F1%2Fsimilar").json()["item_id"] == "shop/1/similar"
    assert "items" in api.get("/v1/items/shop/1/similar").json()


def test_the_short_route_gives_the_same_list(api: Api, seed: Seed) -> None:
    seed.user("ada", seed.items(20)[:2])
    long, short = recommended(api, "ada", limit=5), api.get("/recommend/ada?n=5").json()
    assert short["request_id"] == long.request_id
    assert [item["item_id"] for item in short["items"]] == ids(long)


def test_similar_items_leave_out_the_item_itself(api: Api, seed: Seed) -> None:
    cars = seed.items(8, "cars", seed=1)
    seed.items(8, "films", seed=2)
    api.sync()
    body = msgspec.json.decode(api.get("/v1/items/cars-0/similar?limit=7").content, type=ItemList)
    assert sorted(ids(body)) == cars[1:]
    assert body.items[0].reason.text == "Similar to The cars-0"
    assert api.get("/v1/items/none/similar").status_code == 404


def test_what_is_similar_to_an_item_without_content_is_popular_of_its_kind(
    api: Api, seed: Seed
) -> None:
    cars = seed.items(3)
    seed.items(3, "films", seed=2, kind="video")
    seed.item("bare")
    api.sync()
    body = msgspec.json.decode(api.get("/v1/items/bare/similar").content, type=ItemList)
    assert sorted(ids(body)) == cars


def test_an_item(api: Api, seed: Seed) -> None:
    seed.item("car", price=9.5, attributes='{"seats": 5}', stats='{"plays": 3}')
    answer = api.get("/v1/items/car")
    body = msgspec.json.decode(answer.content, type=Item)
    assert (body.price, body.attributes, body.stats) == (9.5, {"seats": 5}, {"plays": 3})
    assert api.get("/v1/items/other").json()["status"] == 404
    seed.connection.execute("update item set title = 'New' where item_id = 'car'")
    assert api.get("/v1/items/car").content == answer.content
    api.hint(CATALOG, CatalogHint(["car"], 0.0))
    assert api.get("/v1/items/car").json()["title"] == "New"


def test_trending_follows_its_hints(api: Api, seed: Seed) -> None:
    cars = seed.items(4)
    nobody = "/v1/users/nobody/recommendations"
    seed.trend(cars[1], 50.0)
    api.sync()
    for path in ("/v1/trending", nobody):
        assert api.get(path).json()["items"][0]["item_id"] == cars[1]
    seed.trend(cars[2], 60.0)
    api.hint(TRENDS, TrendsHint(1, 0.0))
    for path in ("/v1/trending", nobody):
        wait_until(functools.partial(first_is, api, path, cars[2]))


def test_a_profile(api: Api, seed: Seed) -> None:
    cars, films = seed.items(3, "cars", seed=1), seed.items(3, "films", seed=2)
    seed.user("ada", [films[0], *cars], version=5)
    seed.interaction("ada", films[1], action="hide", weight=-8.0, excludes=True)
    seed.interaction("ada", "not known yet")
    body = msgspec.json.decode(api.get("/v1/users/ada/profile").content, type=Profile)
    assert (body.version, body.events) == (5, 4)
    assert body.categories == {"cars": 1.0}
    assert body.tags["tag-cars-2"] == pytest.approx(1.0)
    assert body.recent_items[0].item_id == "not known yet"
    assert body.recent_items[1].action == "hide"
    assert body.interests[0].name == "cars"
    unknown = msgspec.json.decode(api.get("/v1/users/nobody/profile").content, type=Profile)
    assert (unknown.version, unknown.events, unknown.recent_items) == (0, 0, [])

"""Filters, exclusions and boosts of lists: whatever passes comes, nothing else does."""

import asyncio
from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.conftest import Api
from tests.api.seed import Seed, literal
from tests.support import unit_vectors
from vane.filters import Filter
from vane.preference import Floats
from vane.store.moments import Wanted
from vane.store.near import near_to

NOBODY = "/v1/users/nobody/recommendations"
ADA = "/v1/users/ada/recommendations"


def listed(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["item_id"] for item in items]


@pytest.fixture
def shop(api: Api, seed: Seed) -> Api:
    """Cars and films, the even ones on sale, priced by their number; ada looked at two cars."""
    for number, (category, kind) in enumerate((("cars", "product"), ("films", "video"))):
        seed.items(40, category, seed=number, kind=kind)
    seed.connection.execute(
        "update item set price = split_part(item_id, '-', 2)::float8,"
        " tags = case when right(item_id, 1) in ('0', '2', '4', '6', '8')"
        " then array['sale', 'even'] else array['odd'] end"
    )
    seed.connection.execute("update item set price = null where item_id = 'cars-5'")
    seed.user("ada", ["cars-0", "cars-1"])
    api.sync()
    return api


PASSING: list[tuple[str, set[str]]] = [
    ("kind=video", {f"films-{n}" for n in range(40)}),
    (
        "category=cars&category=films&tags=odd&price_max=4",
        {"cars-1", "cars-3", "films-1", "films-3"},
    ),
    ("category=films&tags=sale&tags=odd&price_min=38", {"films-38", "films-39"}),
    ("category=cars&price_min=4&price_max=6", {"cars-4", "cars-6"}),
    ("category=films&price_min=12.5&price_max=12.6", set()),
    ("tags=nothing", set()),
    ("kind=&tags=&price_max=1", {"cars-0", "cars-1", "films-0", "films-1"}),
]


def test_all_that_passes_comes_and_nothing_else(shop: Api) -> None:
    for query, expected in PASSING:
        for path in (NOBODY, "/v1/trending"):
            assert set(ids(listed(shop.get(f"{path}?limit=100&{query}")))) == expected, query
        unseen = expected - {"cars-0", "cars-1"}
        assert set(ids(listed(shop.get(f"{ADA}?limit=100&{query}")))) == unseen, query


def test_exclusions_hold_even_where_nothing_else_is_left(shop: Api) -> None:
    query = "category=films&price_min=37&limit=5"
    assert set(ids(listed(shop.get(f"{NOBODY}?{query}")))) == {f"films-{n}" for n in (37, 38, 39)}
    shorter = listed(shop.get(f"{NOBODY}?{query}&exclude=films-38&exclude=cars-7&exclude=none"))
    assert set(ids(shorter)) == {"films-37", "films-39"}
    none = "&".join(f"exclude=films-{number}" for number in (37, 38, 39))
    assert listed(shop.get(f"{NOBODY}?{query}&{none}")) == []


def test_a_boost_moves_what_it_names_and_explains_itself(shop: Api) -> None:
    plain = listed(shop.get(f"{NOBODY}?limit=20&explain=true"))
    path = f"{NOBODY}?limit=20&explain=true&boost=tag:odd:8&boost=kind:video:0.2"
    boosted = listed(shop.get(path))

    def odd_cars(items: list[dict[str, Any]]) -> int:
        return sum("odd" in item["tags"] and item["kind"] == "product" for item in items)

    assert odd_cars(plain) < odd_cars(boosted)
    assert boosted[0]["kind"] == "product"
    assert boosted[0]["tags"] == ["odd"]
    assert boosted[0]["components"]["boost:tag:odd"] > 0
    assert boosted[0]["components"]["boost:kind:video"] == 0
    for item in boosted:
        assert sum(item["components"].values()) == pytest.approx(item["score"], abs=1e-5)


def test_a_boosted_item_that_no_source_names_is_a_candidate(api: Api, seed: Seed) -> None:
    for number in range(400):
        seed.item(f"hit-{number}")
        seed.trend(f"hit-{number}", 1_000.0 - number)
    seed.item("gem", tags=["rare:one"])
    seed.trend("gem", 500.0)
    seed.connection.execute(
        "update item set created_at = now() - interval '1 minute' where item_id = 'gem'"
    )
    api.sync()
    assert "gem" not in ids(listed(api.get(f"{NOBODY}?limit=100")))
    found = listed(api.get(NOBODY, params={"limit": 100, "boost": "tag:rare:one:10"}))
    assert "gem" in ids(found)


WRONG = [
    ("price_min=cheap", "price_min"),
    ("price_min=-1", "price_min"),
    ("price_max=inf", "price_max"),
    ("price_min=nan", "price_min"),
    ("price_min=3&price_max=2", "price_min"),
    ("tags=" + "x" * 257, "tags"),
    ("category=%00", "category"),
    ("kind=" + "&kind=".join("abcdefghijklmnopqrstuvwxyz"), "kind"),
    ("exclude=" + "&exclude=".join(map(str, range(101))), "exclude"),
    ("exclude=a%0Ab", "exclude"),
    ("boost=tag:sale", "boost"),
    ("boost=tag:sale:lots", "boost"),
    ("boost=tag:sale:nan", "boost"),
    ("boost=tag:sale:0.01", "boost"),
    ("boost=tag:sale:11", "boost"),
    ("boost=tag::2", "boost"),
    ("boost=price:3:2", "boost"),
    ("boost=" + "&boost=".join(["tag:a:2"] * 11), "boost"),
    ("limit=0", "limit"),
    ("limit=101", "limit"),
    ("limit=ten", "limit"),
    ("exclude_seen=perhaps", "exclude_seen"),
    ("explain=" + "y" * 10_000, "explain"),
]


def test_what_is_wrong_is_named(api: Api) -> None:
    for query, field in WRONG:
        answer = api.get(f"{NOBODY}?{query}")
        assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


def test_odd_values_are_only_values(api: Api, seed: Seed) -> None:
    values = ["größe ✓", "a/b&c=d", "'; drop table item; --", "tag:x:2"]
    for number, value in enumerate(values):
        seed.item(f"odd-{number}", category=value, kind=value, tags=[value])
    api.sync()
    for number, value in enumerate(values):
        for name in ("kind", "category", "tags"):
            assert ids(listed(api.get(NOBODY, params={name: value}))) == [f"odd-{number}"]
        boosted = listed(api.get(NOBODY, params={"boost": f"tag:{value}:2", "explain": True}))
        parts = {item["item_id"]: item["components"][f"boost:tag:{value}"] for item in boosted}
        assert [item for item, part in parts.items() if part > 0] == [f"odd-{number}"]


def test_recall_of_a_filter_that_passes_one_item_in_a_hundred(api: Api, seed: Seed) -> None:
    """The text index goes on scanning: the nearest that pass are found, not the nearest at all."""
    count = 5_000
    rng = np.random.default_rng(3)
    centres = unit_vectors(50, seed=4)
    vectors = centres[rng.integers(0, 50, count)] + 0.6 * unit_vectors(count, seed=5)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with seed.connection.cursor() as cursor:
        cursor.executemany(
            "insert into item (item_id, version, title, tags, content) values (%s, 1, 'T', %s, %s)",
            [
                (f"i{row}", ["rare"] if row % 100 == 0 else [], literal(vector))
                for row, vector in enumerate(vectors)
            ],
        )
    seed.connection.execute("analyze item")
    api.sync()
    query = vectors[7]
    passing = np.arange(0, count, 100)
    nearest = passing[np.argsort(-vectors[passing] @ query)][:40]
    found = nearest_rare(api, query)
    assert len(set(found) & {f"i{row}" for row in nearest}) >= 38
    assert len(listed(api.get(f"{NOBODY}?tags=rare&limit=100"))) == 50


def nearest_rare(api: Api, query: Floats) -> list[str]:
    """The 40 nearest with the tag, as serving asks PostgreSQL."""
    work = near_to(api.services.store, [query], Wanted(Filter(tags=("rare",))), 40)
    (found,) = asyncio.run_coroutine_threadsafe(work, api.loop).result(10)
    return [item for item, _ in found]

"""Suggestions while one types."""

from typing import Any

from schemas.events import CatalogHint
from tests.api.conftest import Api
from tests.api.seed import Seed
from vane.bus import CATALOG
from vane.catalogue import Item
from vane.store.search_index import write_index

PATH = "/v1/suggestions"


def suggested(api: Api, text: str, **params: object) -> dict[str, Any]:
    answer = api.get(PATH, params={"q": text} | params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def texts(api: Api, text: str, **params: object) -> list[str]:
    return [found["text"] for found in suggested(api, text, **params)["suggestions"]]


def shop(api: Api, seed: Seed) -> None:
    rows = [
        ("octavia", "Škoda Octavia", "Estate", ["diesel", "family"]),
        ("fabia", "Skoda Fabia", "Hatchback", ["petrol"]),
        ("esprit", "Lotus Esprit", "Sports car", ["petrol"]),
        ("sold", "Skoda Sold", "Gone", ["gone"]),
        ("matrix", "The Matrix", "Science fiction", ["action"]),
        ("twin", "The Matrix", "Science fiction", ["action"]),
    ]
    items = [
        Item(item_id=item, title=title, category=category, tags=tags)
        for item, title, category, tags in rows
    ]
    for item in items:
        seed.item(
            item.item_id,
            title=item.title,
            category=item.category,
            tags=item.tags,
            available=item.item_id != "sold",
        )
    with seed.connection.transaction():
        write_index(seed.connection, items)
    seed.trend("fabia", 5.0)
    seed.trend("octavia", 9.0)
    api.sync()


def test_titles_categories_and_tags_that_begin_so(api: Api, seed: Seed) -> None:
    shop(api, seed)
    body = suggested(api, "es")
    assert body["corrected"] is None
    assert body["suggestions"] == [
        {"text": "Estate", "type": "category", "item_id": None, "items": 1},
        {"text": "Lotus Esprit", "type": "title", "item_id": "esprit", "items": None},
    ]
    assert texts(api, "SKO") == ["Škoda Octavia", "Skoda Fabia"]  # the more popular one first
    assert texts(api, "škoda fa") == ["Skoda Fabia"]
    assert texts(api, "petrol")[0] == "petrol"
    assert texts(api, "fict")[0] == "Science fiction"
    assert texts(api, "matr") == ["The Matrix"]  # once, although two items have it
    assert texts(api, "s", limit=2) == ["Science fiction", "Sports car"]
    assert texts(api, "gone") == texts(api, "") == texts(api, " \t!") == texts(api, "zzzzz") == []


def test_a_typo_is_corrected_where_nothing_begins_so(api: Api, seed: Seed) -> None:
    shop(api, seed)
    body = suggested(api, "octvia")
    assert (body["corrected"], body["suggestions"][0]["item_id"]) == ("octavia", "octavia")
    assert texts(api, "dieesl")[0] == "diesel"


def test_new_labels_appear(api: Api, seed: Seed) -> None:
    shop(api, seed)
    assert texts(api, "van") == []
    seed.item("van", category="Vans")
    api.sync()
    labels = api.services.recommender._shelf.labels
    labels._until = 0.0
    api.hint(CATALOG, CatalogHint(["van"], 0.0))
    assert texts(api, "van") == ["Vans"]


def test_what_is_wrong_is_named(api: Api) -> None:
    for params, field in (
        ({}, "q"),
        ({"q": "x" * 257}, "q"),
        ({"q": "x" * 10_000}, "q"),
        ({"q": "a", "limit": "21"}, "limit"),
        ({"q": "a", "limit": "0"}, "limit"),
    ):
        answer = api.get(PATH, params=params)
        assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    for odd in ("\x00", "' | '", "a:*", "%", "日本", "🚗", "\u202e"):
        assert texts(api, odd) == []

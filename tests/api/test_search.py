# ruff: noqa: RUF001 - scripts with look-alike letters are the point
import os
import subprocess
import sys
from collections.abc import Callable
from urllib.parse import quote

import msgspec
import pytest

from schemas.discovery import SearchResults
from schemas.events import CatalogHint, PreferenceHint
from schemas.responses import Problem
from tests.api.conftest import Api
from tests.api.seed import Seed
from tests.support import unit_vectors
from vane.bus import CATALOG, PREFERENCES
from vane.search import QUERY_CHARS_MAX
from vane.settings import Settings
from vane.store import search as store_search
from vane.store.connection import Connection
from vane.store.search_index import index_outdated

Shelf = Callable[..., None]


@pytest.fixture
def shelf(seed: Seed, connection: Connection) -> Shelf:
    """Puts items with these titles on the shelf, by id, and indexes them."""

    def put(titles: dict[str, str], **columns: object) -> None:
        vectors = unit_vectors(len(titles), seed=len(titles))
        for vector, (item_id, title) in zip(vectors, titles.items(), strict=True):
            seed.item(item_id, vector, **({"tags": []} | columns | {"title": title}))
        index_outdated(connection)

    return put


def search(api: Api, text: str, **params: object) -> SearchResults:
    answer = api.get("/v1/search", params={"q": text, **params})
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=SearchResults, strict=True)


def ids(body: SearchResults) -> list[str]:
    return [item.item_id for item in body.items]


def test_words_beginnings_accents_and_case(api: Api, shelf: Shelf) -> None:
    shelf({"octavia": "Škoda Octavia", "golf": "Volkswagen Golf", "fabia": "Skoda Fabia"})
    for text in ("skoda", "ŠKODA", "sko", "s"):
        assert sorted(ids(search(api, text))) == ["fabia", "octavia"]
    for text in ("skoda octavia", "octavia škoda", "octa sk", "  Octavia!  "):
        body = search(api, text)
        assert ids(body) == ["octavia"]
        assert body.corrected is None
    assert search(api, "sko").items[0].reason.text == "Matches “sko”"
    assert search(api, " a\u202e\tskoda").items[0].reason.text == "Matches part of “a skoda”"


@pytest.mark.parametrize(
    ("title", "found_by"),
    [
        ("Купить Москвич", ["москвич", "МОСК", "москивч"]),
        ("東京タワーの写真", ["東京", "タワー", "写", "真"]),
        ("مُدُن العرب", ["مدن", "العرب"]),
        ("서울 여행", ["서울", "여"]),
        ("Honda CR-V", ["CR-V", "crv", "cr v", "honda cr"]),
        ("L'Été à Nîmes", ["ete", "l’été", "nimes"]),
    ],
)
def test_any_script(api: Api, shelf: Shelf, title: str, found_by: list[str]) -> None:
    shelf({"this": title, "other": "Something else"})
    for text in found_by:
        assert ids(search(api, text)) == ["this"], text


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Scoda", "skoda"),
        ("Octvia", "octavia"),
        ("scoda octvia", "skoda octavia"),
        ("skoda octaiva", "skoda octavia"),
        ("skdoa oct", "skoda oct"),
        ("bwm", "bmw"),
    ],
)
def test_a_misspelt_word_is_corrected(api: Api, shelf: Shelf, typed: str, meant: str) -> None:
    shelf({"octavia": "Škoda Octavia", "fabia": "Škoda Fabia", "x5": "BMW X5", "soda": "Soda"})
    body = search(api, typed)
    assert body.corrected == meant
    assert body.items[0].reason.code == "corrected"
    assert body.items[0].reason.text == f"Did you mean “{meant}”?"
    assert ids(body)[0] == {"bmw": "x5", "skoda": "fabia"}.get(meant, "octavia")


def test_a_known_word_is_not_corrected(api: Api, shelf: Shelf) -> None:
    shelf({"skoda": "Skoda", "scoda": "Scoda"})
    assert ids(search(api, "scoda")) == ["scoda"]


def test_no_correction_to_a_word_that_is_gone(
    api: Api, shelf: Shelf, connection: Connection
) -> None:
    shelf({"skoda": "Skoda", "golf": "Golf"})
    connection.execute("delete from item where item_id = 'skoda'")
    assert search(api, "scoda") == SearchResults([], None)
    assert connection.execute("select count(*) from item_search").fetchone() == (1,)


def test_fields_rank_title_then_labels_then_description(api: Api, shelf: Shelf) -> None:
    shelf({"told": "One"}, description="A red octavia.")
    shelf({"tagged": "Two"}, tags=["octavia"])
    shelf({"begun": "Octaviana"})
    shelf({"titled": "Skoda Octavia"})
    shelf({"exact": "octavia!"})
    assert ids(search(api, "Octavia")) == ["exact", "titled", "begun", "tagged", "told"]


def test_items_with_every_word_or_else_with_some(api: Api, shelf: Shelf) -> None:
    shelf({"a": "Red car", "b": "Blue car", "c": "Green boat"})
    assert ids(search(api, "blue car")) == ["b"]
    body = search(api, "blue boat")
    assert sorted(ids(body)) == ["b", "c"]
    assert body.items[0].reason.text == "Matches part of “blue boat”"
    assert search(api, "blue xyzzyx").items[0].item_id == "b"
    assert search(api, "xyzzyx") == SearchResults([], None)


def test_the_users_taste_orders_what_fits_equally_well(
    api: Api, seed: Seed, connection: Connection
) -> None:
    cars = seed.items(10, "cars", seed=1, title="Red thing")
    films = seed.items(10, "films", seed=2, title="Red thing")
    seed.item("exact", -unit_vectors(1)[0], title="red")
    index_outdated(connection)
    seed.user("ada", cars[:3])
    seed.user("ben", films[:3])
    for user, liked in (("ada", cars), ("ben", films)):
        found = ids(search(api, "red", user_id=user, limit=100))
        assert found[0] == "exact"
        assert set(found[1:11]) == set(liked)
        assert len(found) == 21
    assert search(api, "red", user_id="nobody") == search(api, "red")


def test_without_a_taste_the_popular_ones_come_first(api: Api, shelf: Shelf, seed: Seed) -> None:
    shelf({f"car{number}": f"Car {number}" for number in range(5)})
    seed.trend("car3", 50.0)
    seed.trend("car1", 51.0)
    assert ids(search(api, "car"))[:2] == ["car1", "car3"]


def test_what_is_ranked_is_bounded_but_holds_the_exact_title(
    api: Api, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf({f"car{number}": f"Car {number}" for number in range(20)} | {"car": "Car"})
    monkeypatch.setattr(store_search, "MATCHES_MAX", 5)
    found = ids(search(api, "car", limit=100))
    assert len(found) in {5, 6}
    assert found[0] == "car"


def test_filters_limit_and_availability(api: Api, shelf: Shelf) -> None:
    shelf({"a": "Car one", "b": "Car two"}, kind="ad", category="cars")
    shelf({"c": "Car three"}, kind="film", category="films")
    shelf({"d": "Car four"}, available=False)
    api.sync()
    assert sorted(ids(search(api, "car"))) == ["a", "b", "c"]
    assert ids(search(api, "car", kind="film")) == ["c"]
    assert sorted(ids(search(api, "car", category="cars"))) == ["a", "b"]
    assert len(search(api, "car", limit=1).items) == 1
    assert ids(search(api, "four")) == []


@pytest.mark.parametrize("text", ["", " ", "\t\u3000"])
def test_a_blank_query_gives_what_the_user_is_recommended(api: Api, seed: Seed, text: str) -> None:
    cars = seed.items(10)
    seed.user("ada", cars[:2])
    seed.trend(cars[5], 9.0)
    api.sync()
    assert ids(search(api, text))[0] == cars[5]
    recommended = api.get("/v1/users/ada/recommendations").json()["items"]
    mine = search(api, text, user_id="ada")
    assert ids(mine) == [item["item_id"] for item in recommended]
    assert "because" in {item.reason.code for item in mine.items}


NASTY = ["'; drop table item; --", "a & | !", "<-> :* !! ((", "<script>alert(1)</script>", "\\",
         "\\'", "''", "🚗", "a\0b", "\u202eabc", "%", "_", "x" * QUERY_CHARS_MAX, "' " * 128,
         "é" * 256, "a-" * 128, "\ufffd", "٣", "ﷺ", "\U000e0001", "^", "^a", "a b c d e f g h i j k l m n o p q r"]  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("text", NASTY)
def test_operators_and_markup_are_only_text(api: Api, shelf: Shelf, text: str) -> None:
    shelf({"nasty": text.replace("\0", ""), "car": "Car"})
    body = search(api, text)
    assert "car" not in ids(body) or "c" in text
    if any(char.isalnum() for char in text):
        assert ids(body)[0] == "nasty"
    assert ids(search(api, "car")) == ["car"]


def test_queries_that_are_no_text_are_only_text(api: Api) -> None:
    for raw in ("%ff%fe", "%ed%a0%80", "%00"):
        assert api.get(f"/v1/search?q={raw}").status_code == 200


@pytest.mark.parametrize(
    ("path", "field", "reason"),
    [
        ("/v1/search", "q", "required"),
        ("/v1/search?q=" + "x" * 10_240, "q", "at most 256 characters, got 10240"),
        ("/v1/search?q=" + quote("é" * 257), "q", "got 257"),
        ("/v1/search?q=a&limit=0", "limit", ""),
        ("/v1/search?q=a&limit=101", "limit", ""),
        ("/v1/search?q=a&user_id=%00", "user_id", "control"),
        ("/v1/search?q=a&user_id=" + "x" * 129, "user_id", "128"),
    ],
)
def test_bad_requests_name_the_field(api: Api, path: str, field: str, reason: str) -> None:
    answer = api.get(path)
    body = msgspec.json.decode(answer.content, type=Problem)
    assert (answer.status_code, body.field) == (422, field)
    assert reason in body.detail


def test_hints_drop_what_was_found(api: Api, shelf: Shelf, seed: Seed) -> None:
    shelf({"a": "Car a", "other": "Boat"})
    assert ids(search(api, "car", user_id="ada")) == ["a"]
    shelf({"b": "Car b"})
    assert ids(search(api, "car", user_id="ada")) == ["a"]
    api.hint(CATALOG, CatalogHint(items=["b"], ts=0))
    assert sorted(ids(search(api, "car", user_id="ada"))) == ["a", "b"]
    seed.user("ada", ["b"])
    api.hint(PREFERENCES, PreferenceHint([("ada", 1)], 1, 0, 1, 0.0))
    assert ids(search(api, "car", user_id="ada")) == ["b", "a"]


def test_the_index_is_kept_by_its_rules(shelf: Shelf, connection: Connection) -> None:
    shelf({"a": "Old car"})
    assert index_outdated(connection) == 0
    connection.execute("update item_search set revision = 0, terms = ''")
    assert index_outdated(connection) == 1
    row = connection.execute("select count(*) from item_search where terms @@ 'car'").fetchone()
    assert row == (1,)


def vane_search(settings: Settings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "vane", "search", *arguments],
        env=os.environ | {"VANE_DATABASE_URL": settings.database_url, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_finds_as_the_api_does(settings: Settings, shelf: Shelf) -> None:
    shelf({"octavia": "Škoda Octavia", "golf": "Golf"})
    done = vane_search(settings, "scoda", "--json", "--user", "ada", "--limit", "3")
    body = msgspec.json.decode(done.stdout, type=SearchResults)
    assert (ids(body), body.corrected) == (["octavia"], "skoda")
    shown = vane_search(settings, "scoda").stdout
    assert shown.startswith("Did you mean: skoda\n")
    assert "Škoda Octavia" in shown
    wrong = vane_search(settings, "x" * 257)
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "vane: text: expected at most 256 characters, got 257\n",
    )

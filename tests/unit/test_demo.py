"""The demo catalogue: valid, plausible, the same everywhere; its pictures and their route."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api import pictures, problems
from schemas.events import ProductUpdate
from vane.catalogue import parse_update
from vane.cli.demo import messages, progress
from vane.demo import demo_items, draw
from vane.demo.bodies import BODIES
from vane.demo.models import FUELS, models
from vane.demo.posters import GENRES

DAY = date(2026, 11, 21)
ITEMS = list(demo_items(DAY))
CARS = [item for item in ITEMS if item.kind == "car"]
BY_ID = {item.item_id: item for item in ITEMS}

SHA256 = "50e3769707e29bce6beb4e5cb3470de2f30dec4e362a3ecd628aa7403e3a1eb5"
DIGEST = """
import hashlib, datetime, msgspec
from vane.demo import demo_items
items = list(demo_items(datetime.date(2026, 11, 21)))
print(hashlib.sha256(msgspec.json.encode(items)).hexdigest())
"""


def facts(item: ProductUpdate) -> dict[str, Any]:
    assert isinstance(item.attributes, dict)
    return item.attributes


def price(item: ProductUpdate) -> float:
    assert isinstance(item.price, float)
    return item.price


def published(item: ProductUpdate) -> datetime:
    assert isinstance(item.published_at, datetime)
    return item.published_at


def test_the_kinds_and_how_many_of_each() -> None:
    counts = Counter(item.kind for item in ITEMS)
    assert set(counts) == {"car", "film", "video", "article"}
    assert counts["car"] == 1_500
    assert counts["film"] >= 200
    assert counts["video"] == counts["article"] == 60


def test_every_item_is_a_valid_update_of_its_own() -> None:
    for item, message in zip(ITEMS, messages(ITEMS), strict=True):
        assert parse_update(message.value) == item
        assert message.key.decode() == item.item_id
        assert re.fullmatch(r"[a-z]+-[a-z0-9-]*[a-z0-9]", item.item_id)
        assert item.title
        assert item.category
        assert item.tags
        assert item.author
        assert item.image_url == f"/pictures/{item.item_id}.svg"
    assert len(BY_ID) == len(ITEMS)


def test_the_first_hundred_has_every_kind() -> None:
    assert {item.kind for item in ITEMS[:100]} == {"car", "film", "video", "article"}


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_same_in_every_process_and_on_every_python(seed: str) -> None:
    """Change `SHA256` only with the catalogue: users have the old texts, embedded already."""
    environ = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", DIGEST], check=True, capture_output=True, text=True, env=environ
    )
    assert done.stdout.strip() == SHA256
    assert hashlib.sha256(msgspec.json.encode(ITEMS)).hexdigest() == SHA256


def test_only_the_day_of_publication_moves() -> None:
    later = list(demo_items(DAY + timedelta(days=400)))
    for before, after in zip(ITEMS, later, strict=True):
        moved = msgspec.structs.replace(before, published_at=after.published_at)
        assert moved == after
        assert published(after) - published(before) == timedelta(days=400)
    start = datetime(2026, 11, 21, tzinfo=UTC)
    assert all(start - timedelta(days=30) <= published(item) <= start for item in ITEMS)


def test_texts_differ() -> None:
    repeated = Counter(item.description for item in ITEMS)
    assert sum(count - 1 for count in repeated.values()) <= 0.02 * len(ITEMS)


def test_texts_are_complete() -> None:
    for item in ITEMS:
        assert not re.search(r"[{}]|  |\.\.$|None", f"{item.title} {item.description}")
        assert str(item.description).endswith((".", "?"))
        assert len(str(item.description)) >= 45


def test_cars_were_sold_like_that() -> None:
    engines = {
        (f"{model.name} {engine.name}".strip(), year, engine.power_kw, engine.fuel)
        for model in models()
        for engine in model.engines
        for year in range(engine.first, engine.last + 1)
    }
    for car in CARS:
        found = facts(car)
        assert isinstance(car.title, str)
        name, year = car.title.rsplit(", ", 1)
        assert found["year"] == int(year)
        badges = {
            badge
            for badge, *rest in engines
            if rest == [found["year"], found["power_kw"], found["fuel"]]
        }
        assert name.startswith(tuple(badges)), car.title
    assert len({(model.make, model.model) for model in models()}) >= 120
    assert len({model.make for model in models()}) >= 30


def test_models_are_read_as_they_are_meant() -> None:
    for model in models():
        assert model.body in BODIES
        for engine in model.engines:
            assert engine.first <= engine.last, model.name
            assert engine.fuel in FUELS.values()
            assert 25 <= engine.power_kw <= 500


def test_prices_are_plausible() -> None:
    assert all(900 <= price(car) <= 120_000 for car in CARS)
    assert 8_000 <= median(price(car) for car in CARS) <= 25_000
    young = [price(car) for car in CARS if facts(car)["year"] >= 2023]
    old = [price(car) for car in CARS if facts(car)["year"] <= 2013]
    assert median(young) > 3 * median(old)
    assert {car.currency for car in CARS} == {"EUR"}


def test_the_same_model_costs_less_with_more_years() -> None:
    for model, engine in (("Skoda Octavia", "Diesel"), ("Volkswagen Golf", "Petrol")):
        same = [c for c in CARS if c.tags and model in c.tags and engine in c.tags]
        by_age = sorted(same, key=lambda car: facts(car)["year"])
        half = len(by_age) // 2
        assert half >= 3
        assert median(map(price, by_age[:half])) < median(map(price, by_age[half:]))


def test_mileage_goes_with_age() -> None:
    for car in CARS:
        age = 2026 - facts(car)["year"]
        assert 1 <= age <= 16
        assert 1_500 <= facts(car)["mileage_km"] <= 33_000 * age


def test_videos_and_articles_embed_cars_that_exist() -> None:
    for item in ITEMS:
        if item.kind in {"video", "article"}:
            assert isinstance(item.embeds, list)
            assert 1 <= len(set(item.embeds)) == len(item.embeds) <= 4
            assert {BY_ID[other].kind for other in item.embeds} == {"car"}


def test_films_have_a_poster_for_their_genre() -> None:
    films = [item for item in ITEMS if item.kind == "film"]
    for film in films:
        assert film.category in GENRES
        assert f"{facts(film)['year'] // 10 * 10}s" in (film.tags or [])
    assert {film.category for film in films} == set(GENRES)


@pytest.mark.parametrize("kind", ["car", "film", "video", "article"])
def test_pictures_are_self_contained_drawings(kind: str) -> None:
    for item in [item for item in ITEMS if item.kind == kind][::7]:
        drawn = draw(item)
        root = ET.fromstring(drawn)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.attrib["viewBox"] == "0 0 640 400"
        assert root[0].text == item.title
        ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
        assert len(ids) == len(set(ids))
        assert set(re.findall(r"url\(#(\w+)\)", drawn)) <= set(ids)
        assert not re.search(r"href|<script|<style|<image|@import|nan|inf\b", drawn)
        assert len(drawn) < 80_000
        assert draw(item) == drawn


def test_every_body_and_genre_can_be_drawn() -> None:
    for body in BODIES:
        assert ET.fromstring(draw(msgspec.structs.replace(CARS[0], category=body))) is not None
    film = next(item for item in ITEMS if item.kind == "film")
    for genre in GENRES:
        for number in range(12):
            other = msgspec.structs.replace(film, category=genre, item_id=f"film-{number}")
            assert ET.fromstring(draw(other)) is not None


def test_a_title_cannot_leave_its_text() -> None:
    film = next(item for item in ITEMS if item.kind == "film")
    title = '"/><script>alert(1)</script>&'
    hostile = msgspec.structs.replace(
        film, title=title, attributes={**facts(film), "title": title, "director": title}
    )
    root = ET.fromstring(draw(hostile))
    assert root[0].text == title
    assert not [element for element in root.iter() if element.tag.endswith("script")]


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    problems.install(app)
    app.include_router(pictures.router)
    return TestClient(app)


def test_the_route_serves_a_picture_that_may_be_kept(client: TestClient) -> None:
    url = str(CARS[0].image_url)
    found = client.get(url)
    assert found.status_code == 200
    assert found.headers["content-type"] == "image/svg+xml"
    assert found.headers["cache-control"] == "public, max-age=604800"
    assert "default-src 'none'" in found.headers["content-security-policy"]
    assert found.text == draw(CARS[0])
    again = client.get(url, headers={"if-none-match": found.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name",
    ["car-9999", "", "..", "%2e%2e%2fapp", "a%00b", "%ff", "x" * 5_000, "<svg>", "car-0001.svg"],
)
def test_other_names_are_not_found(client: TestClient, name: str) -> None:
    assert client.get(f"/pictures/{name}.svg").status_code == 404


def test_progress_says_how_long_it_takes() -> None:
    assert progress(0, 1_820, 0.4) == "Demo catalogue: 0 of 1,820 items embedded"
    says = "Demo catalogue: 640 of 1,820 items embedded, 200/s, about 6 s left"
    assert progress(640, 1_820, 3.2) == says

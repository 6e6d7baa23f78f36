"""Forty items, small enough to be embedded in seconds: cars, films, videos and articles."""

import json
from pathlib import Path
from typing import Any

HTML_TITLE = "<img src=x onerror=alert(1)> '; drop table item; -- & <b>bold</b>"
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitaenspatentvermittlung"

CARS = [
    ("Skoda", "Octavia", "estate", 2019, 15_900, "diesel", "roomy family estate, tow bar"),
    ("Skoda", "Fabia", "hatchback", 2018, 9_400, "petrol", "small city car, low insurance"),
    ("Skoda", "Superb", "estate", 2021, 27_900, "diesel", "huge boot, leather, adaptive cruise"),
    ("Skoda", "Enyaq", "suv", 2022, 36_500, "electric", "quiet electric family SUV"),
    ("Skoda", "Kodiaq", "suv", 2020, 28_700, "diesel", "seven seats and four-wheel drive"),
    ("Volkswagen", "Golf", "hatchback", 2019, 16_200, "petrol", "the all-round hatchback"),
    ("Volkswagen", "Passat", "estate", 2018, 17_300, "diesel", "motorway estate, one owner"),
    ("Volkswagen", "ID.3", "hatchback", 2021, 24_400, "electric", "electric hatchback"),
    ("Volvo", "V60", "estate", 2020, 29_800, "hybrid", "safe and elegant Swedish estate"),
    ("Volvo", "XC90", "suv", 2019, 41_200, "diesel", "large seven seat SUV"),
    ("Toyota", "Yaris", "hatchback", 2020, 14_100, "hybrid", "frugal hybrid for the city"),
    ("Toyota", "RAV4", "suv", 2021, 31_700, "hybrid", "hybrid SUV, nearly new"),
    ("Toyota", "Corolla", "estate", 2020, 20_600, "hybrid", "reliable hybrid estate"),
    ("Mazda", "MX-5", "roadster", 2017, 18_900, "petrol", "light open two-seater, manual"),
    ("Porsche", "Boxster", "roadster", 2015, 34_500, "petrol", "mid-engined sports car"),
    ("BMW", "Z4", "roadster", 2019, 37_200, "petrol", "fast roadster with a soft top"),
    ("Ford", "Mustang", "coupe", 2018, 38_900, "petrol", "V8 muscle car, loud exhaust"),
    ("Tesla", "Model 3", "saloon", 2021, 33_900, "electric", "long range electric saloon"),
    ("Renault", "Zoe", "hatchback", 2020, 13_800, "electric", "small electric city car"),
    ("Fiat", "500", "hatchback", 2019, 10_900, "petrol", "tiny Italian city car"),
    ("Dacia", "Duster", "suv", 2020, 14_900, "petrol", "simple, cheap off-roader"),
    ("Jeep", "Wrangler", "suv", 2018, 39_500, "diesel", "serious off-roader, removable top"),
]
FILMS = [
    ("The Long Orbit", "science fiction", "A crew of four drifts around a silent planet."),
    ("Signals from Europa", "science fiction", "A radio operator hears a voice under the ice."),
    ("The Last Lighthouse", "drama", "A keeper and his daughter wait out one winter."),
    ("Paper Boats", "drama", "Two brothers sell their mother's house."),
    ("Midnight at the Station", "thriller", "The last train arrives with nobody on board."),
    ("The Quiet Partner", "thriller", "An accountant finds one invoice too many."),
    ("Three Weddings and a Goat", "comedy", "A village, a feud, and a goat that will not move."),
    ("My Neighbour the Mayor", "comedy", "A retired clown is elected by mistake."),
]
VIDEOS = [
    ("Five family estates, one long weekend", ["skoda-octavia", "volvo-v60", "toyota-corolla"]),
    ("Roadsters on the mountain pass", ["mazda-mx-5", "porsche-boxster", "bmw-z4"]),
    ("Can an electric car be your only car?", ["tesla-model-3", "skoda-enyaq"]),
]
ARTICLES = [
    ("How to read a used car's service book", ["volkswagen-golf", "skoda-fabia"]),
    ("Hybrid or diesel: what 20,000 km a year cost", ["toyota-rav4", "volkswagen-passat"]),
    ("Buying your first off-roader", ["jeep-wrangler", "dacia-duster"]),
]
ODD = {
    "html": {"title": HTML_TITLE, "description": "<script>alert(2)</script> & plain text"},
    "long": {"title": LONG_WORD, "description": LONG_WORD * 3, "category": LONG_WORD},
    "a/b c?d#é": {"title": "An id with a slash, a space and signs", "description": "Odd id."},
    "untitled": {"title": "", "kind": "film", "description": "A film that lost its title."},
}


def _slug(*words: str) -> str:
    return "-".join(words).lower().replace(" ", "-").replace(".", "")


def _car(make: str, model: str, body: str, year: int, price: int, fuel: str, text: str) -> Any:
    return {
        "item_id": _slug(make, model),
        "kind": "car",
        "title": f"{make} {model} {year}",
        "description": f"A used {make} {model}, {body}, {fuel}, built in {year}: {text}.",
        "category": body,
        "tags": [make.lower(), fuel, body],
        "price": price,
        "currency": "EUR",
        "attributes": {"make": make, "year": year, "fuel": fuel, "power_kw": 110, "body": body},
    }


def _film(title: str, genre: str, text: str) -> Any:
    film = {"item_id": _slug(title), "kind": "film", "title": title, "category": genre}
    return film | {"description": text, "tags": [genre], "attributes": {"genre": genre}}


def _embedding(kind: str, title: str, embeds: list[str]) -> Any:
    return {
        "item_id": f"{kind}-{embeds[0]}",
        "kind": kind,
        "title": title,
        "description": f"{title}: with " + ", ".join(name.replace("-", " ") for name in embeds),
        "category": "cars",
        "tags": ["advice", "cars"],
        "author": "Vane Motor Desk",
        "published_at": "2026-05-04T09:00:00Z",
        "embeds": [*embeds, "an-item-that-was-sold"],
        "stats": {"plays": 12_400, "likes": 310},
    }


def catalogue() -> list[dict[str, Any]]:
    """The items, as the topic `product-updates` takes them."""
    items = [_car(*car) for car in CARS] + [_film(*film) for film in FILMS]
    items += [_embedding("video", *video) for video in VIDEOS]
    items += [_embedding("article", *article) for article in ARTICLES]
    odd = {"kind": "car", "category": "estate", "tags": ["odd"], "price": 0}
    return items + [{"item_id": name} | odd | item for name, item in ODD.items()]


def write_catalogue(path: Path) -> Path:
    """The items as JSON Lines in `path`."""
    path.write_text("".join(json.dumps(item) + "\n" for item in catalogue()), encoding="utf-8")
    return path

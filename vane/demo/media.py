"""Short videos and articles about the cars of the catalogue; each embeds some of the listings."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import NamedTuple

from schemas.events import ItemStats, ProductUpdate
from vane.demo.cars import Listing, listings
from vane.demo.models import noun, slug
from vane.demo.tables import between, dice, pick, read_table

EACH_KIND = 60
EMBEDS_MAX = 4
PUBLISHED_DAYS = 30
PRICES = (5_000, 8_000, 10_000, 15_000, 20_000, 30_000)
CHANNELS = (
    "Second Gear", "Kilometre Club", "Bonnet Open", "Left Lane Diaries", "Volts & Valves",
    "The Tow Bar", "Park & Talk",
)  # fmt: skip
WRITERS = (
    "Hana Dvořáková", "Jonas Lindqvist", "Marta Oliveira", "Pieter de Wilde", "Elif Demir",
    "Tom Halloran", "Giulia Ferrante", "Katrin Sommer",
)  # fmt: skip
CARS_MIN = {"duel": 2, "budget": 2}


class Story(NamedTuple):
    """What a video or an article tells, and the cars that it shows, the main one first."""

    category: str
    title: str
    description: str
    cars: Sequence[Listing]


def video_updates(day_start: datetime) -> Iterator[ProductUpdate]:
    """Short videos as a platform would send them."""
    for number, story in enumerate(_stories("videos"), 1):
        random = dice("video", number)
        plays = int(between(random, 500, 90_000) * between(random, 0, 2))
        stats = ItemStats(
            plays=plays, likes=plays // 14, comments=plays // 190, shares=plays // 120
        )
        more = {"duration_s": random.randint(45, 420)}
        yield _update("video", number, story, pick(random, CHANNELS), stats, more, day_start)


def article_updates(day_start: datetime) -> Iterator[ProductUpdate]:
    """Articles as a magazine would send them."""
    for number, story in enumerate(_stories("articles"), 1):
        random = dice("article", number)
        likes = int(between(random, 3, 900) * between(random, 0, 2))
        stats = ItemStats(likes=likes, comments=likes // 5, shares=likes // 3)
        more = {"reading_minutes": random.randint(3, 14)}
        yield _update("article", number, story, pick(random, WRITERS), stats, more, day_start)


def _update(
    kind: str,
    number: int,
    story: Story,
    author: str,
    stats: ItemStats,
    more: dict[str, int],
    day_start: datetime,
) -> ProductUpdate:
    item_id = f"{kind}-{number:02}-{slug(story.title)}"
    main = story.cars[0]
    tags = [tag for car in story.cars for tag in (car.model.make, car.model.body, car.engine.fuel)]
    minutes = dice(item_id).randrange(PUBLISHED_DAYS * 1_440)
    return ProductUpdate(
        item_id=item_id,
        kind=kind,
        title=story.title,
        description=story.description,
        category=story.category,
        tags=list(dict.fromkeys(tags)),
        image_url=f"/pictures/{item_id}.svg",
        author=author,
        published_at=day_start - timedelta(minutes=minutes),
        attributes={"body": main.model.body, "colour": main.colour, **more},
        stats=stats,
        embeds=[car.item_id for car in story.cars],
    )


@cache
def _stories(table: str) -> tuple[Story, ...]:
    """Stories with titles that are all different, the outlines in turn."""
    outlines, stories = read_table(table), dict[str, Story]()
    for attempt in range(EACH_KIND * 10):
        random = dice(table, attempt)
        story = _story(random, outlines[len(stories) % len(outlines)])
        if story is not None:
            stories.setdefault(story.title, story)
        if len(stories) == EACH_KIND:
            break
    return tuple(stories.values())


def _story(random: Random, outline: dict[str, str]) -> Story | None:
    """An outline with the cars it is about; None where there are too few."""
    start = random.randrange(len(listings()))
    main, *others = listings()[start:] + listings()[:start]
    price = pick(random, PRICES)
    match outline["subject"]:
        case "model":
            same = [car for car in others if car.model is main.model]
            cars = [main, *same[: random.randrange(3)]]
        case "body":
            cars = [main, *(car for car in others if _same_body(main, car))]
        case "fuel":
            cars = [main, *(car for car in others if car.engine.fuel == main.engine.fuel)]
        case "duel":
            cars = [main, *(car for car in others if _is_rival(main, car))][:2]
        case "price":
            cars = [car for car in others if 0.6 * price < car.price <= price]
        case "budget":
            cars = [car for car in others if car.price <= price and _same_body(main, car)]
        case _:
            cars = [main, *(car for car in others if car.town == main.town)]
    if len(cars) < CARS_MIN.get(outline["subject"], 1):
        return None
    shown = cars[:EMBEDS_MAX]
    facts = _facts(shown, price)
    title = outline["title"].format(**facts)
    description = f"{outline['description'].format(**facts)} {_credits(shown)}"
    return Story(outline["category"], title[0].upper() + title[1:], description, shown)


def _credits(cars: Sequence[Listing]) -> str:
    named = [f"a {car.year} {car.model.name}" for car in cars]
    *most, last = dict.fromkeys(named)
    return f"Featuring {', '.join(most)} and {last}." if most else f"Featuring {last}."


def _same_body(car: Listing, other: Listing) -> bool:
    return car.model.body == other.model.body


def _is_rival(car: Listing, other: Listing) -> bool:
    near = 0.8 < other.price / car.price < 1.25
    return near and _same_body(car, other) and other.model.make != car.model.make


def _facts(cars: Sequence[Listing], price: int) -> dict[str, object]:
    main = cars[0]
    return {
        "name": main.model.name,
        "other": cars[-1].model.name,
        "year": main.year,
        "body": noun(main.model.body),
        "fuel": noun(main.engine.fuel),
        "price": f"{price:,}",
        "town": main.town,
    }

"""About 1,500 used-car listings: real models, everything else is made up and plausible."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import NamedTuple

from schemas.events import ItemStats, ProductUpdate
from vane.demo.models import Engine, Model, models, noun, slug
from vane.demo.phrases import phrases
from vane.demo.tables import between, dice, pick

LISTINGS = 1_500
THIS_YEAR = 2026
"""The year of the catalogue: ages and prices belong to it, whatever the day of the start."""
PUBLISHED_DAYS = 30

COLOURS = ("White", "Black", "Grey", "Silver", "Blue", "Red", "Green", "Beige", "Orange", "Yellow")
COLOUR_WEIGHTS = (19, 18, 19, 12, 14, 9, 4, 2, 2, 1)
ALL_WHEEL = (
    "4x4", "4Motion", "4MATIC", "quattro", "xDrive", "AWD", "4WD", "AllGrip", "4Drive", "ALL4",
)  # fmt: skip
PREMIUM = {
    "BMW", "Mercedes-Benz", "Audi", "Tesla", "Volvo", "Porsche", "Lexus", "Jaguar", "Land Rover",
    "Polestar", "Alfa Romeo",
}  # fmt: skip
BODY_EQUIPMENT = {
    "Estate": ["load"],
    "SUV": ["load"],
    "MPV": ["family", "load"],
    "Van": ["load"],
    "Pickup": ["rough", "rough"],
    "Sports car": ["sporty", "sporty"],
    "Coupé": ["sporty"],
    "Convertible": ["sporty"],
}
EURO_PER_KW = 110
KEPT_FIRST_YEAR = 0.9
KEPT_EACH_YEAR = {"Electric": 0.855, "Plug-in hybrid": 0.87}
KEPT_EACH_YEAR_OTHERWISE = 0.885
KEPT_SPORTS = 0.94
PRICE_MIN = 900


class Listing(NamedTuple):
    """A car for sale; `published` is its age in the catalogue, counted from a day's start."""

    item_id: str
    model: Model
    engine: Engine
    trim: str
    year: int
    mileage_km: int
    gearbox: str
    colour: str
    town: str
    price: int
    description: str
    dealer: bool
    published: timedelta
    stats: ItemStats

    @property
    def title(self) -> str:
        """As "Skoda Octavia Combi 2.0 TDI Style, 2019"."""
        named = " ".join(filter(None, [self.model.name, self.engine.name, self.trim]))
        return f"{named}, {self.year}"


@cache
def listings() -> tuple[Listing, ...]:
    """All listings, the models well mixed."""
    return tuple(_listing(number, model) for number, model in enumerate(_mixed_models(), 1))


def car_updates(day_start: datetime) -> Iterator[ProductUpdate]:
    """The listings as the site that owns them would send them."""
    for car in listings():
        yield ProductUpdate(
            item_id=car.item_id,
            kind="car",
            title=car.title,
            description=car.description,
            category=car.model.body,
            tags=_tags(car),
            price=float(car.price),
            currency="EUR",
            image_url=f"/pictures/{car.item_id}.svg",
            author=f"Dealer in {car.town}" if car.dealer else f"Private seller in {car.town}",
            published_at=day_start - car.published,
            attributes={
                "make": car.model.make,
                "model": car.model.model,
                "year": car.year,
                "mileage_km": car.mileage_km,
                "fuel": car.engine.fuel,
                "power_kw": car.engine.power_kw,
                "gearbox": car.gearbox,
                "colour": car.colour,
                "town": car.town,
            },
            stats=car.stats,
        )


def _mixed_models() -> list[Model]:
    """Each model as often as its weight says, `LISTINGS` in all."""
    total, passed, mixed = sum(model.weight for model in models()), 0, list[Model]()
    for model in models():
        passed += model.weight
        mixed += [model] * (passed * LISTINGS // total - len(mixed))
    dice("order of the cars").shuffle(mixed)
    return mixed


def _listing(number: int, model: Model) -> Listing:
    random = dice("car", number)
    engine, year = _engine_and_year(random, model)
    age = THIS_YEAR - year
    mileage = _mileage_km(random, model, engine, age)
    gearbox = _gearbox(random, model, engine)
    colour = pick(random, COLOURS, COLOUR_WEIGHTS)
    town = pick(random, phrases("town"))
    dealer = random.random() < (0.75 if age < 8 else 0.35)
    price = _price(random, model, engine, age, mileage, dealer=dealer)
    likes = int(between(random, 0, 60) * between(random, 0, 2))
    car = Listing(
        item_id=f"car-{number:04}-{slug(f'{model.make} {model.model}')}",
        model=model,
        engine=engine,
        trim=pick(random, model.trims) if model.trims and random.random() < 0.8 else "",
        year=year,
        mileage_km=mileage,
        gearbox=gearbox,
        colour=colour,
        town=town,
        price=price,
        description="",
        dealer=dealer,
        published=timedelta(minutes=random.randrange(PUBLISHED_DAYS * 24 * 60)),
        stats=ItemStats(likes=likes, comments=likes // 6, shares=likes // 4),
    )
    return car._replace(description=_description(random, car))


def _engine_and_year(random: Random, model: Model) -> tuple[Engine, int]:
    newest = min(model.last, THIS_YEAR - 1)
    year = round(between(random, model.first, newest + 2.49))
    year = newest - (year - newest) if year > newest else year
    sold = [engine for engine in model.engines if engine.first <= year <= engine.last]
    if sold:
        return pick(random, sold), year
    engine = pick(random, model.engines)
    return engine, random.randint(engine.first, engine.last)


def _mileage_km(random: Random, model: Model, engine: Engine, age: int) -> int:
    yearly = 21_000 if engine.fuel == "Diesel" else 13_500
    if model.body in {"Sports car", "Convertible"}:
        yearly = 7_500
    slower = 1 - min(age, 15) * 0.02
    mileage = yearly * age * slower * between(random, 0.5, 1.5)
    return max(1_500, round(mileage / 100) * 100 + random.randrange(100))


def _gearbox(random: Random, model: Model, engine: Engine) -> str:
    if engine.fuel in {"Electric", "Hybrid", "Plug-in hybrid"}:
        return "Automatic"
    chance = min(0.95, max(0.03, (engine.power_kw - 60) / 110))
    chance = max(chance, 0.6) if model.make in PREMIUM else chance
    return "Automatic" if random.random() < chance else "Manual"


def _price(
    random: Random, model: Model, engine: Engine, age: int, mileage: int, *, dealer: bool
) -> int:
    """In euros: what is left of the price when new, less for many kilometres."""
    weakest = min(other.power_kw for other in model.engines)
    new = model.price + EURO_PER_KW * (engine.power_kw - weakest)
    kept = KEPT_EACH_YEAR.get(engine.fuel, KEPT_EACH_YEAR_OTHERWISE)
    if model.body == "Sports car":
        kept = KEPT_SPORTS
    usual = 15_000 * age
    worn = min(1.12, max(0.72, 1 - (mileage - usual) / 450_000))
    price = new * KEPT_FIRST_YEAR * kept ** max(0, age - 1) * worn * between(random, 0.88, 1.12)
    step = 500 if price > 20_000 else 100
    rounded = max(PRICE_MIN, round(price / step) * step)
    return rounded - 10 if dealer else rounded


def _tags(car: Listing) -> list[str]:
    tags = [car.model.make, f"{car.model.make} {car.model.model}", car.engine.fuel, car.gearbox]
    tags.append(car.colour)
    if any(badge in car.engine.name for badge in ALL_WHEEL):
        tags.append("All-wheel drive")
    return tags


def _description(random: Random, car: Listing) -> str:
    """Two to four sentences: condition, equipment, then history, use or fuel, and the seller."""
    age = THIS_YEAR - car.year
    stage = "young" if age <= 3 and car.mileage_km < 60_000 else "old" if age > 10 else "middle"
    record = "Electric" if car.engine.fuel == "Electric" else car.gearbox
    middle = [
        pick(random, phrases("history", record)),
        pick(random, phrases("use", car.model.body)),
    ]
    middle.append(pick(random, phrases("fuel", car.engine.fuel)))
    sentences = [
        pick(random, phrases("opening", stage)),
        _equipment(random, car),
        *random.sample(middle, pick(random, (0, 1), (1, 3))),
        pick(random, phrases("ending", "dealer" if car.dealer else "private")),
    ]
    return " ".join(sentences).format(**_facts(random, car))


def _equipment(random: Random, car: Listing) -> str:
    pools = ["common", *BODY_EQUIPMENT.get(car.model.body, ())]
    if car.year >= 2017:
        pools += ["modern", "modern"]
    if car.model.make in PREMIUM or car.model.price > 40_000:
        pools.append("rich")
    if car.engine.fuel == "Electric":
        pools.append("electric")
    chosen = dict.fromkeys(
        pick(random, phrases("equipment", pick(random, pools))) for _ in range(random.randint(3, 5))
    )
    *most, last = chosen
    listed = f"{', '.join(most)} and {last}" if most else last
    return pick(random, phrases("equipment", "lead")).replace("{list}", listed)


def _facts(random: Random, car: Listing) -> dict[str, object]:
    power = car.engine.power_kw
    return {
        "age": "one-year-old" if THIS_YEAR - car.year == 1 else f"{car.year} car",
        "year": car.year,
        "km": f"{car.mileage_km:,}",
        "body": noun(car.model.body),
        "colour": car.colour.lower(),
        "town": car.town,
        "service": f"{math.floor(car.mileage_km / 5_000) * 5_000 or 1_000:,}",
        "months": random.randint(6, 23),
        "health": random.randint(86, 97),
        "range": 220 + power // 2 // 10 * 10 if power > 90 else 180,
        "petrol": f"{4.4 + power / 45:.1f}",
        "diesel": f"{3.6 + power / 75:.1f}",
        "hybrid": f"{3.4 + power / 80:.1f}",
        "plugin": random.randrange(35, 75, 5),
    }

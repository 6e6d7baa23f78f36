"""The car models of the demo catalogue, with the engines and the years they were sold with."""

import re
import unicodedata
from functools import cache
from typing import NamedTuple

from vane.demo.tables import read_table

FUELS = {
    "p": "Petrol",
    "d": "Diesel",
    "h": "Hybrid",
    "u": "Plug-in hybrid",
    "e": "Electric",
    "g": "LPG",
    "c": "CNG",
}


class Engine(NamedTuple):
    """An engine as the badge names it; sold from `first` to `last`, both included."""

    name: str
    fuel: str
    power_kw: int
    first: int
    last: int


class Model(NamedTuple):
    """A model in one body.

    Attributes:
        variant: "Combi", or a battery, or nothing; part of the title alone.
        body: class of the body: the category of its listings.
        weight: how common it is among the listings.
        price: of a new one with the weakest engine, in euros.
        trims: equipment levels; may be empty.
    """

    make: str
    model: str
    variant: str
    body: str
    weight: int
    price: int
    engines: tuple[Engine, ...]
    trims: tuple[str, ...]

    @property
    def name(self) -> str:
        """Make, model and variant."""
        return " ".join(filter(None, [self.make, self.model, self.variant]))

    @property
    def first(self) -> int:
        """The first year with an engine of the table."""
        return min(engine.first for engine in self.engines)

    @property
    def last(self) -> int:
        """The last year with an engine of the table."""
        return max(engine.last for engine in self.engines)


@cache
def models() -> tuple[Model, ...]:
    """All models, in the order of the table."""
    trims = {row["make"]: _split(row["trims"]) for row in read_table("makes")}
    return tuple(
        Model(
            make=row["make"],
            model=row["model"],
            variant=row["variant"],
            body=row["body"],
            weight=int(row["weight"]),
            price=int(row["price"]),
            engines=tuple(
                _engine(text, int(row["first"]), int(row["last"]))
                for text in row["engines"].split(";")
            ),
            trims=trims[row["make"]],
        )
        for row in read_table("models")
    )


def noun(text: str) -> str:
    """A body or a fuel in the middle of a sentence."""
    return text if text.isupper() else text.lower()


def slug(text: str) -> str:
    """The text as a part of an id: a to z, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _engine(text: str, first: int, last: int) -> Engine:
    """From `1.5 TSI,p,110`, `1.5 TSI,p,110,2018` (from then on) or `1.5 TSI,p,110,2018-2020`."""
    name, fuel, power, *years = text.split(",")
    if years:
        start, _, end = years[0].partition("-")
        first, last = max(first, int(start)), min(last, int(end or last))
    return Engine(name, FUELS[fuel], int(power), first, last)


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(";")))

"""The tables of the demo catalogue: files of fields separated by `|`, with a line of names."""

import csv
from collections.abc import Sequence
from importlib.resources import files
from random import Random
from typing import TypeVar

T = TypeVar("T")


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of `data/NAME.csv`."""
    text = files("vane.demo").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="|", quoting=csv.QUOTE_NONE))


def dice(*names: object) -> Random:
    """Random numbers that depend on these names alone, on every Python and at every start."""
    return Random("/".join(["vane demo 1", *map(str, names)]))


def pick(random: Random, choices: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of the choices."""
    return random.choices(choices, weights)[0]


def between(random: Random, low: float, high: float) -> float:
    """A number from `low` to `high`, the middle more often than the ends."""
    return low + (high - low) * (random.random() + random.random()) / 2

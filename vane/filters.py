"""Which items a caller wants, and which rather than others. Pure numpy over the item table."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vane.item_table import ItemTable

FACTOR_MIN, FACTOR_MAX = 0.1, 10.0
"""Bounds of a boost."""

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Field = Literal["kind", "category", "tag"]


class Filter(NamedTuple):
    """Items that are of one of the kinds, of one of the categories, … ; an empty part means any."""

    kinds: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """At least one of them."""
    price_min: float | None = None
    price_max: float | None = None
    """An item without a price is in no range."""


class Boost(NamedTuple):
    """Items with this value are preferred by a factor, or with one below 1 avoided."""

    field: Field
    value: str
    factor: float

    @property
    def name(self) -> str:
        """What its part of a score is called."""
        return f"boost:{self.field}:{self.value}"

    @property
    def filter(self) -> Filter:
        """The items that it is about."""
        value = (self.value,)
        match self.field:
            case "kind":
                return Filter(kinds=value)
            case "category":
                return Filter(categories=value)
            case "tag":
                return Filter(tags=value)


ANY = Filter()


def fitting(table: ItemTable, wanted: Filter, rows: Ints) -> Mask:
    """Which of n rows pass the filter, (n,); whether they may be shown is another question."""
    fits = np.ones(len(rows), np.bool_)
    for name, values, column in (
        ("kind", wanted.kinds, table.kind),
        ("category", wanted.categories, table.category),
    ):
        if values:
            known = table.codes[name]
            codes = [known[value] for value in values if value in known]
            fits &= np.isin(column[rows], codes)
    if wanted.tags:
        fits &= np.isin(table.tags[rows], table.tag_sets.holding(wanted.tags))
    if wanted.price_min is not None:
        fits &= table.price[rows] >= wanted.price_min  # nan fits nowhere
    if wanted.price_max is not None:
        fits &= table.price[rows] <= wanted.price_max
    return fits


def passes(
    wanted: Filter, kind: str, category: str | None, tags: Sequence[str], price: float | None
) -> bool:
    """`fitting` for one item that is known by its texts."""
    low, high = wanted.price_min, wanted.price_max
    return (
        (not wanted.kinds or kind in wanted.kinds)
        and (not wanted.categories or category in wanted.categories)
        and (not wanted.tags or not set(wanted.tags).isdisjoint(tags))
        and (low is None or (price is not None and price >= low))
        and (high is None or (price is not None and price <= high))
    )


def boosted(
    table: ItemTable, boosts: Sequence[Boost], numbers: Ints, scores: Doubles
) -> dict[str, Doubles]:
    """What each boost adds to the scores of n candidates, by its name.

    A factor f adds ln(f) deviations of the scores, whatever their scale and sign; so the factors
    of several boosts multiply, and 1 changes nothing.
    """
    deviation = float(scores.std()) or 1.0 if len(scores) else 1.0
    parts: dict[str, Doubles] = {}
    for boost in boosts:
        added = np.log(boost.factor) * deviation * fitting(table, boost.filter, numbers)
        parts[boost.name] = parts.get(boost.name, 0.0) + added
    return parts

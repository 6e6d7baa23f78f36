"""What a list is asked for by: filters, exclusions and boosts, from a query string or a body."""

import math
from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends
from fastapi import Query as Parameter

from api.params import Limit, checked_text
from api.recommender import Query
from schemas.requests import (
    BOOSTS_MAX,
    EXCLUDED_MAX,
    LABEL_CHARS_MAX,
    VALUES_MAX,
    BasketRequest,
)
from vane.errors import InvalidRequest
from vane.filters import FACTOR_MAX, FACTOR_MIN, Boost, Filter

FIELDS = ("kind", "category", "tag")

_Texts = Annotated[list[str] | None, Parameter(max_length=VALUES_MAX)]
_Ids = Annotated[list[str] | None, Parameter(max_length=EXCLUDED_MAX)]
_Price = Annotated[float | None, Parameter(ge=0, allow_inf_nan=False)]
_Boosts = Annotated[
    list[str] | None,
    Parameter(max_length=BOOSTS_MAX, description="kind, category or tag, its value, the factor"),
]


async def _filter(
    kind: _Texts = None,
    category: _Texts = None,
    tags: _Texts = None,
    price_min: _Price = None,
    price_max: _Price = None,
) -> Filter:
    """Several values of a parameter mean any of them."""
    return checked_filter(
        Filter(
            _given("kind", kind),
            _given("category", category),
            _given("tags", tags),
            price_min,
            price_max,
        )
    )


Filtered = Annotated[Filter, Depends(_filter)]


async def _query(
    more: Filtered,
    limit: Limit = 10,
    exclude: _Ids = None,
    boost: _Boosts = None,
    exclude_seen: bool = True,  # noqa: FBT001, FBT002 - a query parameter
    explain: bool = False,  # noqa: FBT001, FBT002
) -> Query:
    """Everything that a list may be asked for by."""
    return Query(
        limit=limit,
        exclude_seen=exclude_seen,
        explain=explain,
        more=more,
        exclude=_given("exclude", exclude),
        boosts=tuple(parse_boost(text) for text in boost or () if text),
    )


ListQuery = Annotated[Query, Depends(_query)]


def query_of(body: BasketRequest) -> Query:
    """The same from a body.

    Raises:
        InvalidRequest: names the field.
    """
    wanted = Filter(
        _given("kind", body.kind),
        _given("category", body.category),
        _given("tags", body.tags),
        body.price_min,
        body.price_max,
    )
    return Query(
        limit=body.limit,
        exclude_seen=body.exclude_seen,
        explain=body.explain,
        more=checked_filter(wanted),
        exclude=_given("exclude", body.exclude),
        boosts=tuple(
            Boost(boost.field, checked_text("boosts", boost.value, LABEL_CHARS_MAX), boost.factor)
            for boost in body.boosts
        ),
    )


def parse_boost(text: str) -> Boost:
    """A boost as query strings write it: `tag:sale:1.5`; the value may hold colons.

    Raises:
        InvalidRequest: it is none.
    """
    field, _, rest = text.partition(":")
    value, _, raw = rest.rpartition(":")
    if field not in FIELDS or not value:
        raise InvalidRequest("boost", f"expected {', '.join(FIELDS)}, its value and a factor")
    try:
        factor = float(raw)
    except ValueError:
        factor = math.nan
    if not FACTOR_MIN <= factor <= FACTOR_MAX:
        raise InvalidRequest("boost", f"expected a factor from {FACTOR_MIN:g} to {FACTOR_MAX:g}")
    return Boost(field, checked_text("boost", value, LABEL_CHARS_MAX), factor)  # type: ignore[arg-type]


def checked_filter(wanted: Filter) -> Filter:
    """The filter, where it makes sense.

    Raises:
        InvalidRequest: its prices are the wrong way round.
    """
    low, high = wanted.price_min, wanted.price_max
    if low is not None and high is not None and low > high:
        raise InvalidRequest("price_min", f"is above price_max, {high:g}")
    return wanted


def _given(field: str, texts: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(checked_text(field, text, LABEL_CHARS_MAX) for text in texts or () if text)

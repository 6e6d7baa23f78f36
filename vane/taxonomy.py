"""A site's categories, as a file describes them. Pure: no database, no model."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta, Struct

from vane.errors import InvalidRequest
from vane.interaction import CONTROL

CATEGORIES_MAX = 10_000
DEPTH_MAX = 16
THRESHOLD = 0.25
"""Least cosine of an item with its category, where the file says nothing else."""

Share = Annotated[float, Meta(ge=-1, le=1)]


class Category(Struct, frozen=True, forbid_unknown_fields=True):
    """A category; items are held against the names of its parents, its own, and the description."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    parent: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    description: Annotated[str, Meta(max_length=10_000)] = ""
    threshold: Share | None = None
    """Of this category alone."""


class Taxonomy(Struct, frozen=True, forbid_unknown_fields=True):
    """All categories of a site."""

    categories: Annotated[list[Category], Meta(max_length=CATEGORIES_MAX)]
    threshold: Share = THRESHOLD


def parse_taxonomy(text: str) -> Taxonomy:
    """The taxonomy in a YAML or JSON document; a bare list is one of categories.

    Raises:
        InvalidRequest: names the place and what is wrong.
    """
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidRequest(
            "$", f"neither YAML nor JSON: {' '.join(str(error).split())}"
        ) from None
    except RecursionError:
        raise InvalidRequest("$", "nested too deep") from None
    if isinstance(value, list):
        value = {"categories": value}
    try:
        taxonomy = msgspec.convert(value, Taxonomy)
    except msgspec.ValidationError as error:
        raise InvalidRequest("$", str(error)) from None
    _check(taxonomy)
    return taxonomy


def texts_of(taxonomy: Taxonomy) -> dict[str, str]:
    """The text that each category is embedded by, such as `Vehicles. Vans. Room for five and …`."""
    by_name = {category.name: category for category in taxonomy.categories}
    return {
        name: ". ".join(part for part in (*_names(by_name, name), category.description) if part)
        for name, category in by_name.items()
    }


def _check(taxonomy: Taxonomy) -> None:
    by_name: dict[str, Category] = {}
    for place, category in enumerate(taxonomy.categories):
        field = f"categories[{place}]"
        if CONTROL.search(category.name):
            raise InvalidRequest(f"{field}.name", "has a control character")
        if category.name in by_name:
            raise InvalidRequest(f"{field}.name", f"{_quoted(category.name)} comes twice")
        by_name[category.name] = category
    for place, category in enumerate(taxonomy.categories):
        if category.parent is not None and category.parent not in by_name:
            reason = f"there is no category {_quoted(category.parent)}"
            raise InvalidRequest(f"categories[{place}].parent", reason)
        if len(_names(by_name, category.name)) > DEPTH_MAX:
            reason = f"{_quoted(category.name)} is below itself, or deeper than {DEPTH_MAX}"
            raise InvalidRequest(f"categories[{place}].parent", reason)


def _names(by_name: Mapping[str, Category], name: str) -> list[str]:
    """From the root down; cut off where there are too many."""
    names: list[str] = []
    at: str | None = name
    while at is not None and len(names) <= DEPTH_MAX:
        names.insert(0, at)
        at = by_name[at].parent
    return names


def _quoted(text: Any) -> str:
    return json.dumps(text, ensure_ascii=False)

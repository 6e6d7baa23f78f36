"""Categories in PostgreSQL, and the items that are classified by them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from vane.store.connection import Connection, translated
from vane.store.sql import load_queries
from vane.taxonomy import Taxonomy

_SQL = load_queries("taxonomy")

ITEMS_AT_ONCE = 1_000


class CategoryCount(NamedTuple):
    """A category with the number of its items."""

    name: str
    parent: str | None
    description: str
    threshold: float
    declared: int
    classified: int


def replace_categories(
    connection: Connection, taxonomy: Taxonomy, contents: Mapping[str, Sequence[float]]
) -> None:
    """Make these the categories; `contents` has the vector of each."""
    with translated(), connection.transaction():
        connection.execute(_SQL["clear"])
        with connection.cursor() as cursor:
            cursor.executemany(
                _SQL["add"],
                [
                    {
                        "name": category.name,
                        "parent": category.parent,
                        "description": category.description,
                        "content": str(list(contents[category.name])),
                        "threshold": taxonomy.threshold
                        if category.threshold is None
                        else category.threshold,
                    }
                    for category in taxonomy.categories
                ],
            )


def classify(connection: Connection, items: Sequence[str]) -> list[str]:
    """Classify those of the items that declare no category; returns which have changed."""
    return sorted(item for (item,) in connection.execute(_SQL["classify"], {"items": list(items)}))


def classify_all(connection: Connection) -> Iterator[tuple[int, list[str]]]:
    """Classify every item that declares none, a transaction for each block.

    Yields:
        how many were looked at, and which of them have changed.
    """
    after = ""
    with translated():
        while True:
            fields = {"after": after, "limit": ITEMS_AT_ONCE}
            items = [item for (item,) in connection.execute(_SQL["undeclared"], fields)]
            if not items:
                return
            yield len(items), classify(connection, items)
            after = items[-1]


def list_categories(connection: Connection) -> list[CategoryCount]:
    """All categories by name."""
    with translated():
        return [CategoryCount(*row) for row in connection.execute(_SQL["list"])]

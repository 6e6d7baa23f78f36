"""What flows/catalog reads and writes: items and the versions of their contents."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row

from vane.catalogue import Item
from vane.store.connection import Connection, translated
from vane.store.search_index import write_index
from vane.store.sql import load_queries
from vane.store.taxonomy import classify

_SQL = load_queries("catalog")


class ItemsChanged(Exception):  # noqa: N818 - named by what happened, as `Fenced` is
    """Another worker wrote some of the items meanwhile: nothing was written, start over."""


class StoredItem(Item, frozen=True, kw_only=True):
    """An item with the hash of the text that its content was made from."""

    text_hash: int | None = None


class ItemRow(StoredItem, frozen=True, kw_only=True):
    """An item to be written; `content` counts where `new_content` is set."""

    content: list[float] | None = None
    new_content: bool = False


@contextmanager
def item_transaction(connection: Connection) -> Iterator[None]:
    """A transaction over positions and items.

    Raises:
        ItemsChanged: another worker was at the same items.
        Unavailable: the database does not answer.
    """
    try:
        with translated(), connection.transaction():
            yield
    except (
        psycopg.errors.UniqueViolation,
        psycopg.errors.LockNotAvailable,
        psycopg.errors.SerializationFailure,
        psycopg.errors.DeadlockDetected,
    ) as error:
        raise ItemsChanged(type(error).__name__) from error  # its details name an item


def read_items(
    connection: Connection, items: Sequence[str], *, lock: bool = False
) -> dict[str, StoredItem]:
    """Those of `items` that exist, by id; with `lock` they stay so until the transaction ends."""
    query = _SQL["lock_items" if lock else "read_items"]
    with connection.cursor(row_factory=class_row(StoredItem)) as cursor:
        rows = cursor.execute(query, {"items": list(items)})
        return {row.item_id: row for row in rows}


def write_items(connection: Connection, rows: Sequence[ItemRow]) -> None:
    """Insert or replace items and their words; new content also becomes a version, kept."""
    document: Any = msgspec.json.encode(rows).decode()
    connection.execute(_SQL["write_items"], {"rows": document})
    new = [row.item_id for row in rows if row.new_content]
    connection.execute(_SQL["write_versions"], {"items": new})
    write_index(connection, rows)
    if undeclared := [row.item_id for row in rows if row.category is None]:
        classify(connection, undeclared)


def delete_items(connection: Connection, items: Sequence[str]) -> None:
    """Remove items; their versions stay."""
    connection.execute(_SQL["delete_items"], {"items": list(items)})

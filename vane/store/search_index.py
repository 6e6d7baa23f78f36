"""The search index: the words of items, written with them, and the known terms."""

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg.rows import class_row

from vane import search
from vane.catalogue import Item
from vane.store.connection import Connection, translated
from vane.store.sql import load_queries

BATCH_ITEMS = 500

_SQL = load_queries("search")


def write_index(connection: Connection, items: Sequence[Item]) -> None:
    """Index these items, within the transaction that writes them; they exist."""
    made = [(item.item_id, search.index_row(item)) for item in items]
    rows = [{"item_id": i, "title_hash": row.title_hash, "terms": row.terms} for i, row in made]
    terms = set[str]().union(*(row.vocabulary for _, row in made))
    known = [{"term": term, "trigrams": search.trigram_vector(term)} for term in terms]
    connection.execute(_SQL["write_index"], {"rows": _json(rows), "revision": search.REVISION})
    connection.execute(_SQL["write_terms"], {"rows": _json(known)})


def index_outdated(connection: Connection) -> int:
    """Index what no writer has indexed by today's rules; returns the number of items.

    Raises:
        Unavailable: the database does not answer.
    """
    fields = {"revision": search.REVISION, "limit": BATCH_ITEMS}
    done = 0
    while True:
        with (
            translated(),
            connection.transaction(),
            connection.cursor(row_factory=class_row(Item)) as cursor,
        ):
            items = cursor.execute(_SQL["lock_outdated"], fields).fetchall()
            if not items:
                return done
            write_index(connection, items)
        done += len(items)


def _json(rows: Sequence[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()

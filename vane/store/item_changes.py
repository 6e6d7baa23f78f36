"""The item table kept in step with PostgreSQL: which rows changed, as columns for `ItemTable`."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import TupleRow

from vane.item_table import ItemTable
from vane.popularity import COLUMNS
from vane.preference import NEVER_US
from vane.store import binary
from vane.store.connection import Connection, translated
from vane.store.sql import load_queries

BATCH_ITEMS = 2_000
"""Rows that are put into a table at once: about two milliseconds."""

_SQL = load_queries("item_changes")
_TREND = np.dtype(
    [
        ("first", ">i8"),
        ("last", ">i8"),
        ("events", ">i8"),
        ("weight_sum", ">f8"),
        ("heats", ">f8", (len(COLUMNS),)),
    ]
)


@dataclass(frozen=True, slots=True)
class CatalogueRows:
    """n items as the catalogue has them."""

    ids: list[str]
    columns: dict[str, Any]  # for `ItemTable.put`
    published_us: NDArray[np.int64]  # (n,); NEVER_US where nobody said
    created_us: NDArray[np.int64]  # (n,)

    def put_into(self, table: ItemTable, *, by_event_clock: bool) -> None:
        """Bring the table up to date.

        An item can be had since it was published; where nobody said when, since it came into the
        catalogue, or by the clock of the events since its first one.
        """
        rows = table.put(self.ids, **self.columns)
        otherwise = table.first_us[rows] if by_event_clock else self.created_us
        since_us = np.where(self.published_us == NEVER_US, otherwise, self.published_us)
        table.put(self.ids, since_us=since_us)


@dataclass(frozen=True, slots=True)
class TrendRows:
    """The trends of n items."""

    ids: list[str]
    columns: dict[str, Any]

    def put_into(self, table: ItemTable, *, by_event_clock: bool) -> None:
        """Bring the table up to date."""
        rows = table.put(self.ids, **self.columns)
        if by_event_clock:
            since_us = table.since_us[rows]
            first_us = np.where(since_us == NEVER_US, table.first_us[rows], since_us)
            table.put(self.ids, since_us=first_us)


Rows = CatalogueRows | TrendRows


class ItemChanges:
    """Reads what changed since the last call, over one connection.

    Nothing is missed: each reading begins where all transactions were decided at the last one.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._horizon = "0"
        self._passed = 0

    def read(self) -> Generator[Rows, None, None]:
        """The changes, at first all rows; no writing transaction may wait for the reader's end."""
        self._passed = self._trends_passed()
        since = self._horizon
        yield from self.read_catalogue()
        for rows in self._batches("trend_changes", since):
            yield _trends(rows)

    def read_catalogue(self) -> Iterator[CatalogueRows]:
        """The changes of the catalogue alone."""
        with translated():
            row = self._connection.execute(_SQL["horizon"]).fetchone()
        assert row is not None
        since, self._horizon = self._horizon, str(row[0])
        for rows in self._batches("catalogue_changes", since):
            yield _catalogue(rows)

    def set_back(self) -> bool:
        """Whether trends were begun anew since the last reading: only a new table is right then."""
        return self._trends_passed() < self._passed

    def _trends_passed(self) -> int:
        with translated():
            row = self._connection.execute(_SQL["trends_passed"]).fetchone()
        assert row is not None
        return int(row[0])

    def _batches(self, query: str, since: str) -> Generator[list[TupleRow], None, None]:
        with (
            translated(),
            self._connection.transaction(),
            self._connection.cursor("changes", binary=True) as cursor,
        ):
            cursor.execute(_SQL[query], {"since": since})
            while rows := cursor.fetchmany(BATCH_ITEMS):
                yield rows


def _catalogue(rows: list[TupleRow]) -> CatalogueRows:
    ids, kind, category, author, tags, price, available, filled, published, created = zip(
        *rows, strict=True
    )
    columns = {
        "kind": kind,
        "category": category,
        "author": author,
        "tags": tags,
        "price": np.array(price, float),
        "available": np.array(available, bool),
        "filled": np.array(filled, bool),
    }
    return CatalogueRows(list(ids), columns, _times(published), _times(created))


def _times(column: tuple[int | None, ...]) -> NDArray[np.int64]:
    return np.array([NEVER_US if time_us is None else time_us for time_us in column], np.int64)


def _trends(rows: list[TupleRow]) -> TrendRows:
    ids, cells = zip(*rows, strict=True)
    values = np.frombuffer(b"".join(cells), _TREND)
    columns = {
        "first_us": values["first"] + binary.PG_EPOCH_US,
        "last_us": values["last"] + binary.PG_EPOCH_US,
        "events": values["events"],
        "weight_sum": values["weight_sum"],
        "heats": values["heats"],
    }
    return TrendRows(list(ids), columns)

"""Popularity in PostgreSQL: `item_trend` with its positions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vane.interaction import item_slots
from vane.popularity import COLD, COLUMNS, Trends, merge
from vane.store import binary
from vane.store.connection import Connection, translated
from vane.store.slot_log import Advance, advance_slots
from vane.store.sql import load_queries

_SQL = load_queries("trends")
_NUMBERS = np.dtype(
    [
        ("events", ">i8"),
        ("weight_sum", ">f8"),
        ("first", ">i8"),
        ("last", ">i8"),
        ("heats", ">f8", len(COLUMNS)),
    ]
)
"""As `read_trends` puts them together."""


def flush_trends(connection: Connection, advances: Sequence[Advance], added: Trends) -> None:
    """Add to `item_trend` and advance the positions, both or neither.

    Raises:
        Fenced: another worker owns a slot, or the batch was applied already; nothing is written.
    """
    with translated(), connection.transaction():
        advance_slots(connection, advances)
        if added.items:
            _write(connection, merge(added, _stored(connection, added.items)))


def _stored(connection: Connection, items: list[str]) -> Trends:
    """The trends of these items; nothing where there is no row."""
    times = np.iinfo(np.int64)
    row_of = {item: row for row, item in enumerate(items)}
    count = len(items)
    trends = Trends(
        items=items,
        events=np.zeros(count, np.int64),
        weight_sum=np.zeros(count),
        first_us=np.full(count, times.max),
        last_us=np.full(count, times.min),
        heats=np.full((count, len(COLUMNS)), COLD),
    )
    with connection.cursor(binary=True) as cursor:
        row: Any = cursor.execute(
            _SQL["read_trends"], {"items": binary.Array.text(items)}
        ).fetchone()
    names, numbers = row
    if names is not None:
        place, found = [row_of[name] for name in names], np.frombuffer(numbers, _NUMBERS)
        trends.events[place], trends.weight_sum[place] = found["events"], found["weight_sum"]
        trends.first_us[place] = found["first"] + binary.PG_EPOCH_US
        trends.last_us[place] = found["last"] + binary.PG_EPOCH_US
        trends.heats[place] = found["heats"]
    return trends


def _write(connection: Connection, trends: Trends) -> None:
    array, count = binary.Array.fixed, len(trends.items)
    fields: dict[str, object] = {
        "items": binary.Array.text(trends.items),
        "slots": array(binary.INT2, ">i2", item_slots(trends.items), count),
        "events": array(binary.INT8, ">i8", trends.events, count),
        "weight_sum": array(binary.FLOAT8, ">f8", trends.weight_sum, count),
        "first": array(binary.TIMESTAMPTZ, ">i8", binary.timestamps(trends.first_us), count),
        "last": array(binary.TIMESTAMPTZ, ">i8", binary.timestamps(trends.last_us), count),
    }
    for name, column in zip(COLUMNS, trends.heats.T, strict=True):
        fields[name] = array(binary.FLOAT8, ">f8", column, count)
    connection.execute(_SQL["write_trends"], fields)

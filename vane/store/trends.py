"""Popularity in PostgreSQL: `item_trend` with its positions."""

from collections.abc import Sequence

import numpy as np

from vane.interaction import item_slot
from vane.popularity import COLD, COLUMNS, Trends, merge
from vane.store.connection import Connection, translated
from vane.store.slot_log import Advance, advance_slots
from vane.store.sql import load_queries

_SQL = load_queries("trends")


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
        rows = cursor.execute(_SQL["read_trends"], {"items": items})
        for item, events, weight_sum, first_us, last_us, *heats in rows:
            row = row_of[item]
            trends.events[row], trends.weight_sum[row] = events, weight_sum
            trends.first_us[row], trends.last_us[row] = first_us, last_us
            trends.heats[row] = heats
    return trends


def _write(connection: Connection, trends: Trends) -> None:
    fields: dict[str, object] = {
        "items": trends.items,
        "slots": [item_slot(item) for item in trends.items],
        "events": trends.events.tolist(),
        "weight_sum": trends.weight_sum.tolist(),
        "first_us": trends.first_us.tolist(),
        "last_us": trends.last_us.tolist(),
    }
    fields |= {name: column.tolist() for name, column in zip(COLUMNS, trends.heats.T, strict=True)}
    connection.execute(_SQL["write_trends"], fields)

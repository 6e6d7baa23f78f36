"""Popularity in PostgreSQL: the log as flows/trends reads it, `item_trend` and its positions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vane.errors import Fenced
from vane.interaction import item_slot
from vane.popularity import COLD, HEATS, Trends, merge
from vane.store.connection import Connection, translated
from vane.store.positions import Stream
from vane.store.sql import load_queries

_SQL = load_queries("trends")
_ADVANCE = load_queries("positions")["advance_position"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LogSpan:
    """Offsets [start_offset, next_offset) of one partition, whose events are in the log."""

    log_id: int
    partition: int
    start_offset: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class LoggedEvents:
    """n rows of the log."""

    offsets: Ints  # (n,)
    slots: Ints  # (n,)
    items: list[str]
    ts_us: Ints  # (n,)
    weight: NDArray[np.float64]  # (n,)

    def take(self, rows: Ints) -> "LoggedEvents":
        """These rows."""
        return LoggedEvents(
            offsets=self.offsets[rows],
            slots=self.slots[rows],
            items=[self.items[row] for row in rows],
            ts_us=self.ts_us[rows],
            weight=self.weight[rows],
        )


@dataclass(frozen=True, slots=True)
class Advance:
    """A step of one slot's position: from `previous` to `next_offset`, over `applied` rows."""

    stream: Stream
    epoch: int
    previous: int
    next_offset: int
    end_offset: int
    applied: int


def slot_flow(slot: int) -> str:
    """The name under which a slot's positions are kept."""
    return f"trends/{slot:02d}"


def read_log_spans(connection: Connection) -> list[LogSpan]:
    """How far the committed log reaches, all logs, the oldest first.

    The rows below `next_offset` were committed with it, so whoever has read it sees all of them.
    """
    with translated():
        return [LogSpan(*row) for row in connection.execute(_SQL["log_spans"])]


def read_slot_positions(connection: Connection, slots: list[int]) -> dict[Stream, int]:
    """The next offsets of these slots, where they were ever taken."""
    fields = {"flows": [slot_flow(slot) for slot in slots]}
    with translated():
        rows = connection.execute(_SQL["slot_positions"], fields).fetchall()
    return {Stream(flow, log_id, partition): next_ for flow, log_id, partition, next_ in rows}


def read_log_rows(
    connection: Connection, span: LogSpan, low: int, high: int, slots: list[int]
) -> LoggedEvents:
    """The rows of these slots with offsets in [low, high) of the span's partition."""
    fields = {
        "log_id": span.log_id,
        "partition": span.partition,
        "low": low,
        "high": high,
        "slots": slots,
    }
    with translated(), connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_SQL["log_rows"], fields).fetchall()
    offsets, slot, items, ts_us, weight = zip(*rows, strict=True) if rows else ((),) * 5
    return LoggedEvents(
        offsets=np.array(offsets, np.int64),
        slots=np.array(slot, np.int64),
        items=list(items),
        ts_us=np.array(ts_us, np.int64),
        weight=np.array(weight, np.float64),
    )


def flush_trends(connection: Connection, advances: list[Advance], added: Trends) -> None:
    """Add to `item_trend` and advance the positions, both or neither.

    The positions come first: while their rows are locked no other owner of the slots can write, so
    reading, merging and writing the items is safe.

    Raises:
        Fenced: another worker owns a slot, or the batch was applied already; nothing is written.
    """
    with translated(), connection.transaction():
        _advance(connection, advances)
        if added.items:
            _write(connection, _merged(connection, added))


def _advance(connection: Connection, advances: list[Advance]) -> None:
    steps = sorted(
        advances, key=lambda step: (step.stream.flow, step.stream.log_id, step.stream.partition)
    )
    with connection.cursor() as cursor:
        cursor.executemany(_ADVANCE, [_advance_fields(step) for step in steps])
        if cursor.rowcount != len(steps):
            raise Fenced(
                f"trends: {len(steps) - cursor.rowcount} of {len(steps)} slot positions are no "
                "longer ours"
            )


def _advance_fields(step: Advance) -> dict[str, object]:
    return {
        "flow": step.stream.flow,
        "log_id": step.stream.log_id,
        "partition": step.stream.partition,
        "epoch": step.epoch,
        "previous": step.previous,
        "next": step.next_offset,
        "end": step.end_offset,
        "applied": step.applied,
        "empty": step.next_offset - step.previous - step.applied,
        "dead_lettered": 0,
        "duplicates": 0,
        "erased": 0,
        "clamped": 0,
    }


def _merged(connection: Connection, added: Trends) -> Trends:
    """The items' trends after the addition."""
    row_of = {item: row for row, item in enumerate(added.items)}
    events = np.zeros(len(added.items), np.int64)
    heats = np.full((len(added.items), len(HEATS)), COLD)
    with connection.cursor(binary=True) as cursor:
        for item, count, *stored in cursor.execute(_SQL["read_trends"], {"items": added.items}):
            events[row_of[item]] = count
            heats[row_of[item]] = stored
    return Trends(added.items, events + added.events, merge(heats, added.heats))


def _write(connection: Connection, trends: Trends) -> None:
    fields: dict[str, object] = {
        "items": trends.items,
        "slots": [item_slot(item) for item in trends.items],
        "events": trends.events.tolist(),
    }
    fields |= {name: column.tolist() for name, column in zip(HEATS, trends.heats.T, strict=True)}
    connection.execute(_SQL["write_trends"], fields)

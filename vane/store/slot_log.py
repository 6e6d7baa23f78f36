"""The interaction log as flows/trends reads it, by the positions of its item slots."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from vane.errors import Fenced
from vane.histories import HISTORY_EVENTS
from vane.store.connection import Connection, translated
from vane.store.positions import Stream
from vane.store.sql import load_queries

_SQL = load_queries("slot_log")
_ADVANCE = load_queries("positions")["advance_position"]

TRENDS, NEIGHBOURS = PARTS = ("trends", "neighbours")
"""What is made from the log, each with positions of its own: popularity, and pairs of items."""

Ints = NDArray[np.int64]

Past = tuple[str, int, float]
"""Item, time in microseconds, weight of an earlier event."""


@dataclass(frozen=True, slots=True)
class LogSpan:
    """Offsets [start_offset, next_offset) of one partition, whose events are in the log."""

    log_id: int
    partition: int
    start_offset: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class LoggedEvents:
    """n rows of one partition, in their order."""

    offsets: Ints  # (n,)
    slots: Ints  # (n,)
    users: list[str]  # the names that they came under
    items: list[str]
    ts_us: Ints  # (n,)
    weight: NDArray[np.float64]  # (n,)


@dataclass(frozen=True, slots=True)
class Advance:
    """A step of one slot's position: from `previous` to `next_offset`, over `applied` rows."""

    stream: Stream
    epoch: int
    previous: int
    next_offset: int
    end_offset: int
    applied: int


def slot_flow(part: str, slot: int) -> str:
    """The name under which the positions of a slot are kept, for one of `PARTS`."""
    return f"{part}/{slot:02d}"


def read_log_spans(connection: Connection) -> list[LogSpan]:
    """How far the committed log reaches, all logs, the oldest first.

    The rows below `next_offset` were committed with it, so whoever has read it sees all of them.
    """
    with translated():
        return [LogSpan(*row) for row in connection.execute(_SQL["log_spans"])]


def read_slot_positions(connection: Connection, flows: Sequence[str]) -> dict[Stream, int]:
    """The next offsets of these flows, where they were ever taken."""
    with translated():
        rows = connection.execute(_SQL["slot_positions"], {"flows": list(flows)}).fetchall()
    return {Stream(flow, log_id, partition): next_ for flow, log_id, partition, next_ in rows}


def read_log_rows(connection: Connection, span: LogSpan, low: int, high: int) -> LoggedEvents:
    """The rows with offsets in [low, high) of the span's partition."""
    fields = {"log_id": span.log_id, "partition": span.partition, "low": low, "high": high}
    with translated(), connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_SQL["log_rows"], fields).fetchall()
    offsets, slots, users, items, ts_us, weight = zip(*rows, strict=True) if rows else ((),) * 6
    return LoggedEvents(
        offsets=np.array(offsets, np.int64),
        slots=np.array(slots, np.int64),
        users=list(users),
        items=list(items),
        ts_us=np.array(ts_us, np.int64),
        weight=np.array(weight, np.float64),
    )


def read_histories(
    connection: Connection, span: LogSpan, before: int, users: Sequence[str]
) -> dict[str, list[Past]]:
    """The newest events with positive weight of those users that have any, oldest first.

    Only what comes before offset `before` of the span's partition, or lies in an older log.
    """
    fields = {
        "log_id": span.log_id,
        "partition": span.partition,
        "before": before,
        "users": list(users),
        "limit": HISTORY_EVENTS,
    }
    with translated(), connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_SQL["histories"], fields).fetchall()
    return {
        user: [(item, ts_us, weight) for _, item, ts_us, weight in newest][::-1]
        for user, newest in groupby(rows, key=lambda row: row[0])
    }


def advance_slots(connection: Connection, advances: Sequence[Advance]) -> None:
    """Advance positions; first statement of every transaction that writes what they stand for.

    While their rows are locked no other owner of the slots can write, so reading, merging and
    writing items is safe.

    Raises:
        Fenced: another worker owns a slot, or the batch was applied already.
    """
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

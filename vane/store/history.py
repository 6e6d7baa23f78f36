"""The log as what users did, and the items' content: what a replica is made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vane.popularity import split_budget
from vane.store import binary
from vane.store.connection import Connection, translated
from vane.store.serving import DIMENSION
from vane.store.slot_log import LogSpan
from vane.store.sql import load_queries

BLOCK_ROWS = 20_000

Ints = NDArray[np.int64]

_SQL = load_queries("history")


@dataclass(frozen=True, slots=True)
class Interval:
    """Offsets [low, high) of a partition of a log."""

    log_id: int
    partition: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Acts:
    """n rows of the log."""

    users: list[str]
    items: list[str]
    actions: list[str]
    ts_us: Ints  # (n,)
    weight: NDArray[np.float64]  # (n,)
    excludes: NDArray[np.bool_]  # (n,)

    def __len__(self) -> int:
        return len(self.users)


def newest_intervals(spans: Sequence[LogSpan], offsets_max: int) -> list[Interval]:
    """The newest offsets of all logs, about `offsets_max`, oldest log first.

    Args:
        spans: of the log, the oldest first.
        offsets_max: of one log at most so many, from each partition in proportion to its length.
    """
    chosen: list[Interval] = []
    left = offsets_max
    for log_id in sorted({span.log_id for span in spans}, reverse=True):
        mine = [span for span in spans if span.log_id == log_id]
        takes = split_budget([span.next_offset - span.start_offset for span in mine], left)
        left = max(0, left - sum(takes))
        chosen += [
            Interval(log_id, span.partition, span.next_offset - take, span.next_offset)
            for span, take in zip(mine, takes, strict=True)
        ]
    return sorted(chosen, key=lambda each: (each.log_id, each.partition))


def read_acts(connection: Connection, interval: Interval) -> Iterator[Acts]:
    """The rows of an interval in blocks, by offset."""
    fields = {name: getattr(interval, name) for name in interval.__slots__}
    with (
        translated(),
        connection.transaction(),
        connection.cursor("history", binary=True) as cursor,
    ):
        cursor.execute(_SQL["history_rows"], fields)
        while rows := cursor.fetchmany(BLOCK_ROWS):
            users, items, actions, ts_us, weight, excludes = zip(*rows, strict=True)
            yield Acts(
                list(users),
                list(items),
                list(actions),
                np.array(ts_us, np.int64),
                np.array(weight, np.float64),
                np.array(excludes, np.bool_),
            )


def read_item_contents(connection: Connection) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Items with text and their vectors (k, d), in blocks."""
    with (
        translated(),
        connection.transaction(),
        connection.cursor("contents", binary=True) as cursor,
    ):
        cursor.execute(_SQL["item_contents"])
        while rows := cursor.fetchmany(BLOCK_ROWS):
            ids, cells = zip(*rows, strict=True)
            yield list(ids), binary.read_vectors(cells, ">f2", DIMENSION)

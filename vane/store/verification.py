"""What `vane verify` reads: one snapshot of the log and of all that was made from it.

Vectors are decoded here anew, not by the code that the flows read and write them with.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vane.oracle import UserBase, UserState
from vane.pair_oracle import NeighbourState
from vane.store.connection import Connection, translated
from vane.store.sql import load_queries
from vane.trend_oracle import SEGMENTS, TREND_HALF_LIVES_S, Act, TrendState

_SQL = load_queries("verification")

FETCH_ROWS = 10_000
"""Rows of a cursor held in memory at once."""

Content = NDArray[np.float16]


class Position(NamedTuple):
    """A row of `stream_position`."""

    flow: str
    log_id: int
    partition: int
    start_offset: int
    next_offset: int
    applied: int
    dead_lettered: int
    duplicates: int
    erased: int
    empty: int
    skipped: int


class OffsetCount(NamedTuple):
    """What rows there are of one partition."""

    flow: str
    log_id: int
    partition: int
    rows: int
    offsets: int
    lowest: int
    highest: int


class UserEvent(NamedTuple):
    """A log row of a user; without an event id it stands for the user's base."""

    user_id: str
    event_id: str | None
    ts_us: int
    weight: float
    item_id: str
    item_version: int | None


class ItemEvent(NamedTuple):
    """A log row of an item."""

    item_id: str
    log_id: int
    partition: int
    offset: int
    ts_us: int
    weight: float


class Differences(NamedTuple):
    """The first of the rows that should not be, as (subject, what differs), and their number."""

    listed: list[tuple[str, str]]
    total: int


class Snapshot:
    """Reads of one repeatable-read transaction, beside which the flows go on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def positions(self) -> list[Position]:
        """All positions of all flows."""
        return [Position(*row) for row in self._rows("positions")]

    def logged_counts(self) -> list[OffsetCount]:
        """Rows of the interaction log."""
        return [OffsetCount(*row) for row in self._rows("logged_counts")]

    def dead_letter_counts(self) -> list[OffsetCount]:
        """Dead letters."""
        return [OffsetCount(*row) for row in self._rows("dead_letter_counts")]

    def counted_rows(self) -> dict[tuple[str, int, int], int]:
        """Log rows that each slot of flows/trends has passed, by (flow, log, partition)."""
        return {tuple(key): count for *key, count in self._rows("counted_rows")}

    def retired_rows(self) -> dict[tuple[int, int], int]:
        """Rows that were applied and are in users' bases now, by (log, partition)."""
        return {(log_id, partition): rows for log_id, partition, rows in self._rows("retired_rows")}

    def user_bases(self, users: Iterable[str]) -> dict[str, UserBase]:
        """What older months of the log left of these users, where there is any."""
        return {
            user: UserBase(
                np.array([np.frombuffer(cell, ">f4", offset=4) for cell in (long, short)]),
                (masses[0], masses[1]),
                as_of_us,
                oldest_us,
                events,
                event_hash,
                (size_long, size_short),
                (mass_size_long, mass_size_short),
                terms,
                folds,
            )
            for user, long, short, *masses, as_of_us, oldest_us, events, event_hash, size_long,
                size_short, mass_size_long, mass_size_short, terms, folds
            in self._rows("user_bases", users=list(users))
        }  # fmt: skip

    def base_items(self) -> Iterator[list[str]]:
        """Items whose trends or neighbours began with a base, in blocks."""
        return ([item for (item,) in block] for block in self._stream("base_items"))

    def twice_used(self, limit: int) -> list[tuple[int, int, int]]:
        """Offsets (log, partition, offset) that are both in the log and a dead letter."""
        return [tuple(row) for row in self._rows("twice_used", limit=limit)]

    def pending_differences(self, user: str | None, limit: int) -> Differences:
        """Where `pending` is not what the log rows without an item version say."""
        rows = self._rows("pending_differences", user=user, limit=limit)
        listed = [
            (f"event at log {log_id} partition {partition} offset {offset}", what)
            for what, log_id, partition, offset, *_ in rows
        ]
        return Differences(listed, rows[0][-1] if rows else 0)

    def user_events(
        self, user: str | None, since: datetime | None = None
    ) -> Iterator[list[UserEvent]]:
        """The log by user, the newest event of each first, in blocks.

        Args:
            user: only this one's.
            since: all of those users who have an event at or after it.
        """
        blocks = self._stream("user_events", user=user, since=since)
        return ([UserEvent(*row) for row in block] for block in blocks)

    def acts(self) -> Iterator[list[Act]]:
        """The log's events with positive weight by name, in the order of histories, in blocks."""
        return ([Act(*row) for row in block] for block in self._stream("acts"))

    def item_events(self) -> Iterator[list[ItemEvent]]:
        """The log that flows/trends has read, by item, the newest event of each first."""
        return ([ItemEvent(*row) for row in block] for block in self._stream("item_events"))

    def contents(self, keys: list[tuple[str, int]]) -> dict[tuple[str, int], Content | None]:
        """Contents of these item versions, None where one has no text; unknown ones are absent."""
        items, versions = [item for item, _ in keys], [version for _, version in keys]
        rows = self._rows("contents", items=items, versions=versions)
        return {
            (item, version): None if cell is None else np.frombuffer(cell, ">f2", offset=4)
            for item, version, cell in rows
        }

    def users(self, users: Iterable[str]) -> dict[str, UserState]:
        """The states of these users, where they exist."""
        found = {}
        for user, long, short, mass_long, mass_short, *rest in self._rows(
            "users", users=list(users)
        ):
            vectors = np.array([np.frombuffer(cell, ">f4", offset=4) for cell in (long, short)])
            found[user] = UserState(vectors, (mass_long, mass_short), *rest)
        return found

    def users_without_events(self, user: str | None, limit: int) -> Differences:
        """States of which the log knows nothing."""
        return self._orphans("users_without_events", "user", user=user, limit=limit)

    def half_merged(self, user: str | None, limit: int) -> Differences:
        """Users who were merged into others, but not with all that belongs to it."""
        rows = self._rows("half_merged", user=user, limit=limit)
        listed = [(f"user {name}", "is merged into another, but not wholly") for name, _ in rows]
        return Differences(listed, rows[0][1] if rows else 0)

    def trends(self, items: Iterable[str], table: str = "item_trend") -> dict[str, TrendState]:
        """The trends of these items, where they exist; of `trend_base` what they began with."""
        names = (*TREND_HALF_LIVES_S, *SEGMENTS)
        return {
            item: TrendState(
                slot, events, weight_sum, first_us, last_us, dict(zip(names, heats, strict=True))
            )
            for item, slot, events, weight_sum, first_us, last_us, *heats in self._rows(
                "trends", table, items=list(items)
            )
        }

    def neighbours(
        self, items: Iterable[str], table: str = "item_neighbour"
    ) -> dict[str, NeighbourState]:
        """The neighbours of these items, where they exist, or of `neighbour_base`."""
        return {
            item: NeighbourState(
                slot,
                as_of_us,
                np.array(mass),
                np.array(lost),
                names,
                np.frombuffer(weights, "<f4").reshape(-1, len(mass)),
            )
            for item, slot, as_of_us, mass, lost, names, weights in self._rows(
                "neighbours", table, items=list(items)
            )
        }

    def erased_rows(self) -> dict[str, int]:
        """Log rows that each slot had read before they were erased, by flow."""
        return {flow: int(rows) for flow, rows in self._rows("erased_rows")}

    def events_of_orphans(self) -> dict[int, int]:
        """By slot: events of the trends of which the log, as far as it was read, knows nothing."""
        return {slot: int(events) for slot, events in self._rows("events_of_orphans")}

    def neighbours_without_events(self, limit: int, besides: list[int]) -> Differences:
        """Neighbours of which the log, as far as it was read, knows nothing, but in these slots."""
        fields = {"limit": limit, "besides": besides}
        return self._orphans("neighbours_without_events", "neighbours of", **fields)

    def trends_without_events(self, limit: int, besides: list[int]) -> Differences:
        """Trends of which the log, as far as it was read, knows nothing, but in these slots."""
        return self._orphans("trends_without_events", "item", limit=limit, besides=besides)

    def _orphans(self, query: str, kind: str, **fields: Any) -> Differences:
        rows = self._rows(query, **fields)
        listed = [(f"{kind} {name}", "is stored, but the log has no events") for name, _ in rows]
        return Differences(listed, rows[0][1] if rows else 0)

    def _rows(self, query: str, table: str = "", **fields: Any) -> list[tuple[Any, ...]]:
        statement = _SQL[query].replace("{table}", table)
        with translated(), self._connection.cursor(binary=True) as cursor:
            return cursor.execute(statement, fields).fetchall()

    def _stream(self, query: str, **fields: Any) -> Iterator[list[tuple[Any, ...]]]:
        with translated(), self._connection.cursor(name=query) as cursor:
            cursor.execute(_SQL[query], fields, binary=True)
            while block := cursor.fetchmany(FETCH_ROWS):
                yield block


@contextmanager
def open_snapshot(connection: Connection) -> Iterator[Snapshot]:
    """Everything read within is as of one moment."""
    with translated(), connection.transaction():
        connection.execute(_SQL["begin_snapshot"])
        connection.execute(_SQL["lift_limits"])
        yield Snapshot(connection)

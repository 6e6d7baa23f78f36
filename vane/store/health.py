"""Readings of the whole installation from PostgreSQL, for `vane monitor`."""

from typing import Any, NamedTuple

from vane.store.connection import Connection, translated
from vane.store.sql import load_queries

SAMPLED_ROWS = 500
"""Of users, by estimate, that a sample looks at."""

_SQL = load_queries("health")
_TRENDS_LAG = load_queries("status")["trends_lag"]


class StreamRow(NamedTuple):
    """Where a flow stands in a partition of the newest log of its topic."""

    flow: str
    topic: str
    partition: int
    next_offset: int
    end_offset: int
    epoch: int
    fenced: int


class Contents(NamedTuple):
    """How much there is; `users` is the planner's estimate."""

    trends_lag: int
    pending: int
    oldest_s: float
    available: int
    unavailable: int
    without_text: int
    users: int


class TableRow(NamedTuple):
    """A table with its partitions; `vacuum_s` since the last vacuum, None where there was none."""

    name: str
    live: int
    dead: int
    bytes: int
    vacuum_s: float | None
    hot: int
    indexed: int


class Database(NamedTuple):
    """What PostgreSQL tells of the database since its statistics began."""

    xact_commit: int
    xact_rollback: int
    blks_hit: int
    blks_read: int
    deadlocks: int
    bytes: int
    wal_bytes: int
    wraparound: float
    connections_max: int


class Sessions(NamedTuple):
    """Connections to the database now."""

    active: int
    idle: int
    idle_in_transaction: int
    waiting: int
    longest_s: float


def streams(connection: Connection) -> list[StreamRow]:
    """Every partition that a flow reads from Kafka."""
    return [StreamRow(*row) for row in _rows(connection, "streams")]


def outcomes(connection: Connection) -> dict[str, tuple[int, ...]]:
    """What became of all messages, by flow, in the order of `OUTCOMES`."""
    return {flow: tuple(counts) for flow, *counts in _rows(connection, "outcomes")}


def contents(connection: Connection) -> Contents:
    """How much there is."""
    (row,) = _rows(connection, "contents")
    with translated():
        ((trends_lag,),) = connection.execute(_TRENDS_LAG).fetchall()
    return Contents(int(trends_lag), *row)


def drift(connection: Connection, users: int) -> float:
    """Mean of 1 - cosine between short and long vector, of a sample."""
    ((found,),) = _rows(connection, "drift", percent=_percent(users))
    return float(found)


def sample_users(connection: Connection, users: int, wanted: int) -> list[str]:
    """Some users by chance, at most `wanted`, of about `users` in all."""
    rows = _rows(connection, "sample_users", percent=_percent(users), users=wanted)
    return [user for (user,) in rows]


def model_ages_s(connection: Connection) -> dict[str, float]:
    """For how long each part of the ranking has been serving."""
    return dict(_rows(connection, "models"))


def tables(connection: Connection) -> list[TableRow]:
    """Statistics of all tables."""
    return [TableRow(*row) for row in _rows(connection, "tables")]


def hnsw_index(connection: Connection) -> tuple[int, int, int]:
    """Scans of the index of items, entries read, and its bytes."""
    ((scans, entries, size),) = _rows(connection, "hnsw")
    return scans, entries, size


def database(connection: Connection) -> Database:
    """Statistics of the database."""
    (row,) = _rows(connection, "database")
    return Database(*row)


def sessions(connection: Connection) -> Sessions:
    """Connections to the database."""
    (row,) = _rows(connection, "sessions")
    return Sessions(*row)


def _rows(connection: Connection, name: str, **fields: object) -> list[tuple[Any, ...]]:
    with translated():
        return connection.execute(_SQL[name], fields).fetchall()


def _percent(users: int) -> float:
    """Share of the table's pages to look at."""
    return min(100.0, 100.0 * SAMPLED_ROWS / max(users, 1))

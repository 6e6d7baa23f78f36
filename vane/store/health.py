"""Readings of the whole installation from PostgreSQL, for `vane monitor`."""

from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from vane.store.connection import Connection, translated
from vane.store.moments import NEAR_ITEMS
from vane.store.serving import SESSION
from vane.store.sql import load_queries

SAMPLED_ROWS = 500
"""Of users or items, by estimate, that a sample looks at."""

Floats = NDArray[np.float32]

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


class ReaderRow(NamedTuple):
    """How far a partition of the committed log is stored in the tables that are made from it."""

    table: str
    partition: int
    next_offset: int
    end_offset: int


class TastesSample(NamedTuple):
    """Means over a sample of users with taste; directions (d,) are None without any."""

    drift: float
    long_length: float
    short_length: float
    long: Floats | None
    short: Floats | None


class Probe(NamedTuple):
    """How one search of the text index was done: rows that it gave, pages that it touched."""

    kept: int
    removed: int
    pages_hit: int
    pages_read: int
    indexed: bool


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


def readers(connection: Connection) -> list[ReaderRow]:
    """How far the committed log is stored in the tables that are made from it."""
    return [ReaderRow(*row) for row in _rows(connection, "readers")]


def tastes(connection: Connection, users: int) -> TastesSample:
    """A sample of users' vectors."""
    ((drift, *lengths, long, short),) = _rows(connection, "tastes", percent=_percent(users))
    return TastesSample(drift, lengths[0], lengths[1], _vector(long), _vector(short))


def item_direction(connection: Connection, items: int) -> Floats | None:
    """The mean content of a sample of items; None where none has text."""
    ((found,),) = _rows(connection, "item_direction", percent=_percent(items))
    return _vector(found)


def probe_index(connection: Connection, items: int) -> Probe | None:
    """Search for what is nearest to a random item as serving does; None without items."""
    found = _rows(connection, "probe_query", percent=_percent(items))
    if not found:
        return None
    with connection.transaction():
        for name, value in SESSION.items():
            _rows(connection, "session_setting", option=name, value=value)
        (((told,),),) = _rows(connection, "probe", query=found[0][0], wanted=NEAR_ITEMS)
    scan = told["Plan"]
    pages = scan["Shared Hit Blocks"], scan["Shared Read Blocks"]
    while "Plans" in scan:
        scan = scan["Plans"][0]
    return Probe(
        kept=int(scan["Actual Rows"]),
        removed=int(scan.get("Rows Removed by Filter", 0)),
        pages_hit=pages[0],
        pages_read=pages[1],
        indexed="Index Name" in scan,
    )


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


def _vector(text: str | None) -> Floats | None:
    return None if text is None else np.array(msgspec.json.decode(text), np.float32)


def _percent(rows: int) -> float:
    """Share of the table's pages to look at."""
    return min(100.0, 100.0 * SAMPLED_ROWS / max(rows, 1))

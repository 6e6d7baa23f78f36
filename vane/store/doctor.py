"""What `vane doctor` reads from PostgreSQL: of the server, and of Vane's own tables."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from vane.catalogue import Item, item_text, text_hash
from vane.errors import OperatorNeeded
from vane.settings import Settings
from vane.store import health
from vane.store.connection import Connection, translated
from vane.store.migrate import pending_migrations
from vane.store.migration_files import migrations
from vane.store.sql import load_queries
from vane.store.tuning import read_tuning

SAMPLED_ROWS = 500
"""Of users and of items, by estimate."""
LONG_TRANSACTION = "5 minutes"
UNUSED_INDEX_BYTES = 64 << 20
KEY_ENDS_WITHIN = "14 days"
CHECKPOINTER_SINCE = 170_000
"""Server version that counts checkpoints in a view of their own."""

_SQL = load_queries("doctor")
_UNIT_BYTES = {"8kB": 8 << 10, "kB": 1 << 10, "MB": 1 << 20, "B": 1}
PARAMETERS = (
    "autovacuum",
    "checkpoint_completion_target",
    "data_checksums",
    "fsync",
    "full_page_writes",
    "idle_in_transaction_session_timeout",
    "jit",
    "max_wal_size",
    "random_page_cost",
    "shared_buffers",
    "synchronous_commit",
    "transaction_timeout",
    "wal_compression",
)


class Transaction(NamedTuple):
    """One that has been open for long; `name` is its backend's pid or its prepared name."""

    name: str
    application: str
    state: str
    age_s: float


class Slot(NamedTuple):
    """A replication slot."""

    name: str
    active: bool
    wal_status: str
    kept_bytes: int


class Server(NamedTuple):
    """What there is to know of PostgreSQL itself; times in seconds, sizes in bytes."""

    version: int
    pgvector: str
    replica: bool
    session_lock_timeout: str
    round_trip_s: float
    clock_ahead_s: float
    parameters: Mapping[str, str]
    connections: tuple[int, int]
    applications: frozenset[str]
    transactions: list[Transaction]
    slots: list[Slot]
    invalid_indexes: list[str]
    unused_indexes: list[tuple[str, int]]
    hnsw_bytes: int
    hot_bytes: int
    checkpoints: tuple[int, int]
    tables: list[health.TableRow]
    users_table: list[str]
    wraparound: float

    def bytes_of(self, parameter: str) -> int:
        """A parameter that is a size."""
        return int(self.parameters[parameter])


class Schema(NamedTuple):
    """Migrations that wait, as (label, phase); what is wrong with those that were applied."""

    waiting: list[tuple[str, str]]
    refused: str = ""


class Contents(NamedTuple):
    """What there is to know of Vane's own tables; times in seconds."""

    streams: list[health.StreamRow]
    logs: Mapping[str, str]
    outcomes: Mapping[str, tuple[int, ...]]
    counts: health.Contents
    dead_letters: tuple[int, str]
    strays: int
    months: list[str]
    half_lives: tuple[int, int]
    items_sampled: int
    not_embedded: int
    other_model: int
    ranker_age_s: float | None
    keys: list[tuple[str, float]]
    commands: tuple[int, int]


def read_server(connection: Connection) -> Server:
    """The server, its settings and its statistics.

    Raises:
        Unavailable: it does not answer.
    """
    _one(connection, "server")  # the first of a session is slower
    began, began_s = time.perf_counter(), time.time()
    version, pgvector, replica, lock_timeout, now_s = _one(connection, "server")
    round_trip_s = time.perf_counter() - began
    pages = _one(connection, "hot_bytes")
    return Server(
        version=version,
        pgvector=pgvector,
        replica=replica,
        session_lock_timeout=lock_timeout,
        round_trip_s=round_trip_s,
        clock_ahead_s=now_s - began_s - round_trip_s / 2,
        parameters=_parameters(connection),
        connections=_one(connection, "connections"),
        applications=frozenset(name for (name,) in _rows(connection, "applications")),
        transactions=[
            Transaction(*row)
            for row in _rows(connection, "long_transactions", older=LONG_TRANSACTION)
        ],
        slots=[Slot(*row) for row in _rows(connection, "slots")],
        invalid_indexes=[name for (name,) in _rows(connection, "invalid_indexes")],
        unused_indexes=_rows(connection, "unused_indexes", bytes=UNUSED_INDEX_BYTES),
        hnsw_bytes=pages[0],
        hot_bytes=pages[1],
        checkpoints=_checkpoints(connection, version),
        tables=health.tables(connection),
        users_table=_first(connection, "users_table", []),
        wraparound=health.database(connection).wraparound,
    )


def read_schema(connection: Connection) -> Schema:
    """How the tables compare with what this code needs."""
    try:
        with translated():
            waiting = pending_migrations(connection, migrations())
    except OperatorNeeded as error:
        return Schema([], str(error))
    return Schema([(migration.label, migration.phase) for migration in waiting])


def read_contents(connection: Connection, settings: Settings) -> Contents:
    """Vane's own tables, which must be up to date.

    Raises:
        Unavailable: PostgreSQL does not answer.
        UnusableTuning: the settings in the database cannot be read.
    """
    tuning, _ = read_tuning(connection)
    counts = health.contents(connection)
    strays, months = _one(connection, "log_months")
    users = _one(
        connection, "half_lives", generation=tuning.generation, percent=_percent(counts.users)
    )
    sampled, not_embedded, other_model = _embeddings(connection, settings.embedding_model)
    return Contents(
        streams=health.streams(connection),
        logs=dict(_rows(connection, "logs")),
        outcomes=health.outcomes(connection),
        counts=counts,
        dead_letters=_one(connection, "dead_letters"),
        strays=strays,
        months=months,
        half_lives=users,
        items_sampled=sampled,
        not_embedded=not_embedded,
        other_model=other_model,
        ranker_age_s=_first(connection, "ranker", None),
        keys=_rows(connection, "keys", within=KEY_ENDS_WITHIN),
        commands=_one(connection, "commands"),
    )


def _embeddings(connection: Connection, model: str) -> tuple[int, int, int]:
    """Of a sample of items: how many, those with text and no content, those of another model."""
    (count,) = _one(connection, "estimates")
    rows = _rows(connection, "some_items", percent=_percent(count), items=SAMPLED_ROWS)
    missing = other = 0
    for item_id, title, category, tags, description, digest, embedded in rows:
        item = Item(
            item_id=item_id, title=title, category=category, tags=tags, description=description
        )
        text = item_text(item)
        missing += bool(text) and not embedded
        other += digest is not None and digest != text_hash(model, text)
    return len(rows), missing, other


def _parameters(connection: Connection) -> dict[str, str]:
    """By name; sizes in bytes. One that this server does not know is left out."""
    found = {}
    for name, value, unit in _rows(connection, "parameters", names=list(PARAMETERS)):
        found[name] = str(int(value) * _UNIT_BYTES[unit]) if unit in _UNIT_BYTES else value
    return found


def _checkpoints(connection: Connection, version: int) -> tuple[int, int]:
    name = "checkpoints" if version >= CHECKPOINTER_SINCE else "checkpoints_before_17"
    timed, requested = _one(connection, name)
    return timed, requested


def _one(connection: Connection, name: str, **fields: object) -> Any:
    (row,) = _rows(connection, name, **fields)
    return row


def _first(connection: Connection, name: str, absent: Any) -> Any:
    rows = _rows(connection, name)
    return rows[0][0] if rows else absent


def _rows(connection: Connection, name: str, **fields: object) -> list[Any]:
    with translated():
        return connection.execute(_SQL[name], fields).fetchall()


def _percent(rows: int) -> float:
    """Share of the table's pages to look at."""
    return min(100.0, 100.0 * SAMPLED_ROWS / max(rows, 1))

"""Monthly partitions of the interaction log, made ahead, so that old months can be dropped."""

from datetime import date, timedelta

from psycopg import sql

from vane.store.connection import Connection
from vane.store.sql import load_queries

_SQL = load_queries("partitions")

MONTHS_AHEAD = 2
ADVISORY_LOCK = 0x6C6F67

DEFAULT_PARTITION = "interaction_default"
"""Of rows that belong to no month."""


def ensure_log_partitions(connection: Connection, today: date) -> list[str]:
    """Create the partitions of this month and the next ones; returns the names of new ones.

    Rows of a month without a partition go to `interaction_default`.
    """
    created = []
    with connection.transaction():
        locked = connection.execute(_SQL["lock_partitions"], {"key": ADVISORY_LOCK}).fetchone()
        if locked == (False,):
            return []
        existing = {name for (name,) in connection.execute(_SQL["log_partitions"])}
        first = today.replace(day=1)
        for _ in range(1 + MONTHS_AHEAD):
            following = (first + timedelta(days=32)).replace(day=1)
            name = f"interaction_{first:%Y_%m}"
            if name not in existing:
                connection.execute(_create(name, first, following))
                created.append(name)
            first = following
    return created


def _create(name: str, first: date, following: date) -> sql.Composed:
    statement = "create table {} partition of interaction for values from ({}) to ({})"
    bounds = [sql.Literal(f"{day} 00:00:00+00") for day in (first, following)]
    return sql.SQL(statement).format(sql.Identifier(name), *bounds)

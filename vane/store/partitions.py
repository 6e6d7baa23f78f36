"""Monthly partitions of the interaction log, made ahead, so that old months can be dropped."""

import logging
from datetime import date, timedelta

from psycopg import sql
from psycopg.errors import CheckViolation

from vane.store.connection import Connection
from vane.store.sql import load_queries

_log = logging.getLogger(__name__)

_SQL = load_queries("partitions")

MONTHS_AHEAD = 2
ADVISORY_LOCK = 0x6C6F67

DEFAULT_PARTITION = "interaction_default"
"""Of rows that belong to no month."""


def ensure_log_partitions(connection: Connection, today: date) -> list[str]:
    """Create the partitions of this month and the next ones; returns the names of new ones.

    Rows of a month without a partition go to `interaction_default`. A month that already has rows
    there gets none: moving them is work for a quiet hour, as `vane doctor` says.
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
            if name not in existing and _create(connection, name, first, following):
                created.append(name)
            first = following
    return created


def _create(connection: Connection, name: str, first: date, following: date) -> bool:
    statement = "create table {} partition of interaction for values from ({}) to ({})"
    bounds = [sql.Literal(f"{day} 00:00:00+00") for day in (first, following)]
    try:
        with connection.transaction():
            connection.execute(sql.SQL(statement).format(sql.Identifier(name), *bounds))
    except CheckViolation:
        _log.warning("%s is not made: %s has rows of that month", name, DEFAULT_PARTITION)
        return False
    return True

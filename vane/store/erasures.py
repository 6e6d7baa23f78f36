"""Tombstones of erased users: what flows read of them."""

from vane.store.connection import Connection
from vane.store.sql import load_queries

_SQL = load_queries("erasures")


def latest_erasure(connection: Connection) -> int:
    """The number of the newest erasure, 0 where there was none."""
    row = connection.execute(_SQL["latest_erasure"]).fetchone()
    assert row is not None
    return int(row[0])


def open_cuts(connection: Connection) -> list[tuple[int, int, str, int]]:
    """Log, partition, user and cut where flow interactions has not passed the cut."""
    return [tuple(row) for row in connection.execute(_SQL["open_cuts"])]


def cuts_of(connection: Connection, log_id: int) -> dict[tuple[str, int], int]:
    """All erasures in a log: (user, partition) → cut."""
    rows = connection.execute(_SQL["cuts_of"], {"log_id": log_id})
    return {(user, partition): cut for user, partition, cut in rows}

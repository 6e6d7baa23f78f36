"""Old months of the interaction log: the checkpoint before they go, their rows, their tables."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg
from psycopg import sql

from vane.store.connection import Connection, translated
from vane.store.slot_log import PARTS
from vane.store.sql import load_queries

_SQL = load_queries("retention")
_PARTITIONS = load_queries("partitions")["log_partitions"]
_MONTH = re.compile(r"interaction_(\d{4})_(\d{2})")

ADVISORY_LOCK = 0x6B656570
"""Held by the one that retains; the bytes spell "keep"."""

DETACH_LOCK_TIMEOUT_MS = 300
"""Whoever reads or writes the log waits behind a partition that wants to go, so long at most."""

LogPartition = tuple[int, int]


class RetiredRow(NamedTuple):
    """A log row on its way into its user's base."""

    log_id: int
    partition: int
    user_id: str
    event_id: str
    ts_us: int
    weight: float
    item_id: str
    item_version: int


class LogState(NamedTuple):
    """Start of the oldest month with rows, last checkpoint: seconds since 1970, None for none."""

    oldest_s: float | None
    checkpoint_s: float | None


def months_before(connection: Connection, moment: datetime) -> dict[str, datetime]:
    """Monthly partitions whose every row was recorded before `moment`: name → end, oldest first."""
    ends = {name: _next_month(start) for name, start in _months(connection).items()}
    return {name: end for name, end in ends.items() if end <= moment}


def _months(connection: Connection) -> dict[str, datetime]:
    """Monthly partitions, oldest first, with their starts."""
    with translated():
        names = sorted(name for (name,) in connection.execute(_PARTITIONS))
    found = [(name, match) for name in names if (match := _MONTH.fullmatch(name))]
    return {name: datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC) for name, match in found}


def _next_month(start: datetime) -> datetime:
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)


def lock_retention(connection: Connection) -> bool:
    """Be the only one that retains, until the connection is closed; False where another one is."""
    with translated():
        return connection.execute(_SQL["lock_retention"], {"key": ADVISORY_LOCK}).fetchone() == (
            True,
        )


def history_from(connection: Connection) -> datetime | None:
    """Since when rows were recorded that users' histories reach back to; None: any."""
    with translated():
        row = connection.execute(_SQL["horizon"]).fetchone()
    return None if row is None else row[0]


def newest_rows(connection: Connection, before: datetime) -> dict[LogPartition, int]:
    """The newest offset of each partition among the rows that were recorded before then."""
    with translated(), connection.transaction():
        connection.execute(_SQL["begin_checkpoint"])
        rows = connection.execute(_SQL["newest_rows"], {"before": before}).fetchall()
    return {(log_id, partition): offset for log_id, partition, offset in rows}


def lock_slots(connection: Connection) -> dict[LogPartition, dict[str, int]]:
    """Stop flow trends until the transaction ends: the next offsets of its slots by partition."""
    connection.execute(_SQL["begin_checkpoint"])
    found: dict[LogPartition, dict[str, int]] = {}
    for flow, log_id, partition, offset in connection.execute(_SQL["lock_slots"]):
        found.setdefault((log_id, partition), {})[flow] = offset
    assert set(PARTS) >= {flow.split("/")[0] for flows in found.values() for flow in flows}
    return found


def write_checkpoint(connection: Connection, before: datetime) -> None:
    """Make the present trends the base of all later ones, in the transaction of `lock_slots`."""
    connection.execute(_SQL["move_starts"])
    for step in ("forget_trend_base", "copy_trends", "forget_neighbour_base", "copy_neighbours"):
        connection.execute(_SQL[step])
    connection.execute(_SQL["set_horizon"], {"before": before})


def next_users(
    connection: Connection, source: str, before: datetime, after: str, limit: int
) -> list[str]:
    """The next users in key order with rows in a partition that were recorded before then."""
    statement = sql.SQL(_SQL["next_users"]).format(source=sql.Identifier(source))
    fields = {"before": before, "after": after, "limit": limit}
    return [user for (user,) in connection.execute(statement, fields)]


def lock_users(connection: Connection, users: Sequence[str]) -> None:
    """Keep merges, erasures and flows away from these users until the transaction ends."""
    fields = {"users": list(users)}
    connection.execute(_SQL["lock_pending"], fields)
    connection.execute(_SQL["lock_users"], fields)


def take_rows(
    connection: Connection, source: str, before: datetime, users: Sequence[str]
) -> list[RetiredRow]:
    """Delete what goes into the users' bases, and count it; move what stays out of the way."""
    fields = {"users": list(users), "before": before}
    statement = sql.SQL(_SQL["take_rows"]).format(source=sql.Identifier(source))
    with connection.cursor(binary=True) as cursor:
        rows = [RetiredRow(*row) for row in cursor.execute(statement, fields).fetchall()]
    connection.execute(_SQL["keep_rows"], fields)
    counts = Counter((row.log_id, row.partition) for row in rows)
    logs, partitions = [key[0] for key in counts], [key[1] for key in counts]
    connection.execute(
        _SQL["note_retired"],
        {"logs": logs, "partitions": partitions, "rows": list(counts.values())},
    )
    return rows


def drop_empty(connection: Connection, name: str) -> bool:
    """Drop a partition without rows; False where others use the log for longer than we may wait."""
    partition = sql.Identifier(name)
    try:
        with connection.transaction():
            connection.execute(_SQL["patience"], {"limit": f"{DETACH_LOCK_TIMEOUT_MS}ms"})
            statement = "alter table interaction detach partition {}"
            connection.execute(sql.SQL(statement).format(partition))
            left = connection.execute(sql.SQL("select from {} limit 1").format(partition))
            if left.rowcount:
                raise psycopg.Rollback
            connection.execute(sql.SQL("drop table {}").format(partition))
            return True
    except psycopg.errors.LockNotAvailable:
        pass
    return False


def log_state(connection: Connection) -> LogState:
    """How old the log is, and how old its checkpoint."""
    oldest = None
    for name, start in _months(connection).items():
        with translated():
            statement = sql.SQL("select from {} limit 1").format(sql.Identifier(name))
            if connection.execute(statement).rowcount:
                oldest = start.timestamp()
                break
    with translated():
        row = connection.execute(_SQL["horizon"]).fetchone()
    return LogState(oldest, None if row is None else row[1].timestamp())

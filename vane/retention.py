"""Retention of the interaction log: old months become one row a user, then their partitions go.

At every moment a user's state is base + log, and a trend is its base + what was counted since. So
flows, API, `vane verify` and `vane rebuild` go on meanwhile, and whoever is killed in the middle is
followed by one who goes on: nothing is noted but what is done.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby

import numpy as np

from vane.base import Base, FoldedEvent, add, fold
from vane.errors import Unavailable, VaneError
from vane.interaction import TREND_SLOTS
from vane.rebuild import DIMENSION
from vane.settings import Settings
from vane.store import retention as store
from vane.store.base import hold_half_lives, read_bases, write_bases
from vane.store.connection import Connection, connect, translated
from vane.store.partitions import DEFAULT_PARTITION
from vane.store.replay import read_contents
from vane.store.slot_log import PARTS
from vane.store.tuning import read_tuning

APPLICATION = "vane retain"
"""By this name PostgreSQL knows who is at it: no flow ends its transaction."""

BATCH_USERS = 200
"""Users whose rows of a month go in one transaction."""

ATTEMPTS_MAX = 5
"""Of a batch that meets a deadlock or a lock that is held for too long."""

PASSES_MAX = 5
"""A merge may give rows of a month to a user whom a pass was past already."""

DROP_ATTEMPTS_MAX = 20
DROP_PAUSE_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Retired:
    """What a run has done.

    Attributes:
        history_from: rows recorded before then are gone, or kept each for its own sake; None: none.
        rows: that became part of their users' bases.
        dropped: partitions that are gone.
        left: partitions that are empty, and could not be locked for long enough to go.
    """

    history_from: datetime | None = None
    rows: int = 0
    dropped: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def retain(
    connection: Connection,
    moment: datetime,
    advance: Callable[[int], None] = lambda _rows: None,
) -> Retired:
    """Retire the months that ended before `moment`.

    Args:
        connection: of its own, which is closed afterwards: a lock of the session is held.
        moment: the present less the days that rows are kept.
        advance: is told of rows that have gone.

    Raises:
        Unavailable: another one is at it, flow trends has not counted all that would go, or
            PostgreSQL does not answer. What is done is done; the next run goes on.
    """
    if not store.lock_retention(connection):
        raise Unavailable("another vane retain is at work")
    months = store.months_before(connection, moment)
    done = Retired(store.history_from(connection))
    if not months:
        return done
    before = max(months.values())
    if done.history_from is None or done.history_from < before:
        checkpoint(connection, before)
        done.history_from = before
    for name in [*months, DEFAULT_PARTITION]:
        _empty(connection, name, before, done, advance)
    for name in months:
        (done.dropped if _drop(connection, name) else done.left).append(name)
    return done


def retain_now(settings: Settings) -> None:
    """`retain` by the settings; what stands in its way now may not tomorrow."""
    moment = days_ago(settings.log_retention_days, datetime.now(UTC))
    try:
        with connect(settings, APPLICATION) as connection:
            done = retain(connection, moment)
    except VaneError as error:
        _log.warning("old months of the log stay for now: %s", error)
    else:
        _log.info("%d rows of the log retired, months dropped: %d", done.rows, len(done.dropped))


def days_ago(days: int, now: datetime) -> datetime:
    """The moment for `retain`."""
    return now - timedelta(days=days)


def checkpoint(connection: Connection, before: datetime) -> None:
    """Make the present trends the base of later ones, whose histories begin at `before`.

    Flow trends ends with exit code 75 and starts again: it had older histories in memory.

    Raises:
        Unavailable: it has not counted everything that was recorded before then.
    """
    newest = store.newest_rows(connection, before)
    flows = [f"{part}/{slot:02d}" for part in PARTS for slot in range(TREND_SLOTS)]
    with translated(), connection.transaction():
        slots = store.lock_slots(connection)
        for place, offset in newest.items():
            lacking = [flow for flow in flows if slots.get(place, {}).get(flow, 0) <= offset]
            if lacking:
                raise Unavailable(
                    f"flow trends has not counted log {place[0]} partition {place[1]} up to "
                    f"offset {offset} yet ({len(lacking)} of {len(flows)} slots): run it, then "
                    "vane retain again"
                )
        store.write_checkpoint(connection, before)


def _empty(
    connection: Connection,
    name: str,
    before: datetime,
    done: Retired,
    advance: Callable[[int], None],
) -> None:
    for _ in range(PASSES_MAX):
        after, passed = "", 0
        while True:
            with translated():
                users = store.next_users(connection, name, before, after, BATCH_USERS)
            if not users:
                break
            rows = _patiently(connection, name, before, users)
            done.rows += rows
            advance(rows)
            after, passed = users[-1], passed + 1
        if not passed:
            return


def _patiently(connection: Connection, name: str, before: datetime, users: Sequence[str]) -> int:
    for attempt in range(1, ATTEMPTS_MAX):
        try:
            return retire_users(connection, name, before, users)
        except Unavailable as error:
            if connection.broken:
                raise
            _log.warning("attempt %d to retire rows: %s", attempt, error)
    return retire_users(connection, name, before, users)


def retire_users(connection: Connection, name: str, before: datetime, users: Sequence[str]) -> int:
    """Make the rows of these users in one partition part of their bases; returns how many."""
    with translated(), connection.transaction():
        hold_half_lives(connection)
        tuning, _ = read_tuning(connection)
        store.lock_users(connection, users)
        rows = store.take_rows(connection, name, before, users)
        known = read_bases(connection, users)
        fresh = _folded(connection, rows, tuning.half_lives_s)
        bases = {
            user: add(known[user], base, tuning.half_lives_s) if user in known else base
            for user, base in fresh.items()
        }
        write_bases(connection, bases)
    return len(rows)


def _folded(
    connection: Connection, rows: list[store.RetiredRow], half_lives_s: tuple[float, float]
) -> dict[str, Base]:
    versions = sorted({(row.item_id, row.item_version) for row in rows})
    places, vectors = read_contents(connection, versions, DIMENSION)
    contents = vectors.astype(np.float16)
    bases = {}
    ordered = sorted(rows, key=lambda row: row.user_id)
    for user, mine in groupby(ordered, key=lambda row: row.user_id):
        events = []
        for row in mine:
            place = places.get((row.item_id, row.item_version))
            content = None if place is None else contents[place]
            events.append(FoldedEvent(row.event_id, row.ts_us, row.weight, content))
        bases[user] = fold(events, half_lives_s, DIMENSION)
    return bases


def _drop(connection: Connection, name: str) -> bool:
    for _ in range(DROP_ATTEMPTS_MAX):
        with translated():
            if store.drop_empty(connection, name):
                return True
        time.sleep(DROP_PAUSE_S)
    return False

"""Applies migrations, each once and in order, by one process at a time, while flows and API go on.

A statement waits for a lock half a second at most, as all who come after it wait behind it; then it
lets them pass and tries again. What was applied is always a beginning of the list.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import psycopg

from vane.errors import OperatorNeeded, Unavailable
from vane.store.connection import Connection, translated
from vane.store.migration_files import Migration, Phase, migrations

ADVISORY_LOCK = 0x76616E65
"""Held by the one that migrates; the bytes spell "vane"."""

DDL_LOCK_TIMEOUT_MS = 500
LOCK_PATIENCE_S = 300.0
"""So long a statement tries to get its locks …"""
LOCK_PAUSE_S = 0.5, 1.5
"""… with pauses between, from and to, in which those who had to wait go on."""
OTHER_WAIT_S_MAX = 3_600.0
OTHER_POLL_S = 0.2

_CONTENDED = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)

Told = Callable[[str], None]


def migrate(
    connection: Connection,
    phase: Phase | None = None,
    files: Sequence[Migration] | None = None,
    told: Told = lambda _line: None,
) -> list[str]:
    """Bring the schema up to date; returns the labels that were applied now.

    Args:
        connection: to the primary, past any pooler: a lock of the session is held meanwhile.
        phase: only these, so far as they come next; None: all.
        files: the migrations there are; None: those of this Vane.
        told: is told of waits and of progress.

    Raises:
        OperatorNeeded: a migration failed, the phase is not the next one, the database is newer
            than this code, or an applied migration was edited.
        Unavailable: PostgreSQL does not answer, or others kept the locks for too long.
    """
    every = migrations() if files is None else files
    with translated(), _alone(connection, told):
        pending = pending_migrations(connection, every)
        fresh = len(pending) == len(every)
        chosen = pending if fresh else choose(pending, phase)
        for migration in chosen:
            _apply(connection, migration, told)
    return [migration.label for migration in chosen]


def pending_migrations(connection: Connection, every: Sequence[Migration]) -> list[Migration]:
    """What is not applied yet, oldest first.

    Raises:
        OperatorNeeded: the database is newer than this code, or an applied migration was edited.
    """
    row = connection.execute("select to_regclass('schema_migration') is not null").fetchone()
    if row == (False,):
        return list(every)
    done: dict[int, str] = dict(
        connection.execute("select version, sha256 from schema_migration").fetchall()
    )
    if newer := sorted(set(done) - {migration.version for migration in every}):
        raise OperatorNeeded(
            f"the database has migrations {newer} that this Vane lacks: update Vane"
        )
    for migration in every:
        if done.get(migration.version, migration.sha256) != migration.sha256:
            raise OperatorNeeded(f"migration {migration.label} was edited after it was applied")
    return [migration for migration in every if migration.version not in done]


def choose(pending: Sequence[Migration], phase: Phase | None) -> list[Migration]:
    """Of what is not applied, what one phase may apply: the next ones, if they are of that phase.

    Raises:
        OperatorNeeded: the other phase comes first.
    """
    if phase is None:
        return list(pending)
    chosen = []
    for migration in pending:
        if migration.phase != phase:
            break
        chosen.append(migration)
    left = pending[len(chosen) :]
    too_early = left and not chosen  # new code needs what comes before its deploy
    if phase == "before-deploy":
        too_early = any(migration.phase == phase for migration in left)
    if too_early:
        raise OperatorNeeded(
            f"migration {left[0].label} comes first: vane migrate --{left[0].phase}; or stop flows "
            "and API and apply everything with vane migrate"
        )
    return chosen


@contextmanager
def _alone(connection: Connection, told: Told) -> Iterator[None]:
    """Wait until nobody else migrates. A waiting statement would hold up `concurrently`: poll."""
    until, waited = time.monotonic() + OTHER_WAIT_S_MAX, False
    while connection.execute("select pg_try_advisory_lock(%s)", [ADVISORY_LOCK]).fetchone() != (
        True,
    ):
        if not waited:
            told("another vane migrate is at work: waiting for it")
            waited = True
        if time.monotonic() > until:
            raise Unavailable(f"another vane migrate did not end within {OTHER_WAIT_S_MAX:.0f} s")
        time.sleep(OTHER_POLL_S)
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("select pg_advisory_unlock(%s)", [ADVISORY_LOCK])


def _apply(connection: Connection, migration: Migration, told: Told) -> None:
    statements = migration.statements
    for number, statement in enumerate(statements, 1):
        try:
            if migration.mode == "transaction":
                _patiently(migration, told, partial(_run, connection, statement, migration))
            elif migration.mode == "repeated":
                _repeat(connection, statement, migration, told)
            else:
                _run_alone(connection, statement)
        except psycopg.Error as error:
            if connection.broken:
                raise
            raise OperatorNeeded(
                f"migration {migration.label} failed{_where(migration, number, statements)}: "
                f"{str(error).strip().splitlines()[0]}; {_left_behind(migration)}, and what was "
                "applied before stays; mend the cause, then run vane migrate again"
            ) from error
    if migration.mode != "transaction":
        with connection.transaction():
            _note(connection, migration)
    told(f"applied {migration.label}")


def _run(connection: Connection, sql: str, migration: Migration) -> int:
    with connection.transaction():
        connection.execute(f"set local lock_timeout = {DDL_LOCK_TIMEOUT_MS}")
        rows = connection.execute(sql).rowcount
        _note(connection, migration)
    return rows


def _repeat(connection: Connection, sql: str, migration: Migration, told: Told) -> None:
    """Bit by bit, so that no row is locked for long."""

    def bit() -> int:
        with connection.transaction():
            connection.execute(f"set local lock_timeout = {DDL_LOCK_TIMEOUT_MS}")
            return connection.execute(sql).rowcount

    rows = 0
    while changed := _patiently(migration, told, bit):
        rows += changed
    told(f"{migration.label}: {rows:,} rows")


def _run_alone(connection: Connection, sql: str) -> None:
    """However long it takes: it keeps neither readers nor writers waiting."""
    connection.execute("set lock_timeout = 0")
    connection.execute("set statement_timeout = 0")
    try:
        connection.execute(sql)
    finally:
        if not connection.broken:
            connection.execute("reset lock_timeout")
            connection.execute("reset statement_timeout")


def _patiently(migration: Migration, told: Told, attempt: Callable[[], int]) -> int:
    """Try until the locks are there; a failed attempt has undone itself."""
    until = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            return attempt()
        except _CONTENDED as error:
            if time.monotonic() > until:
                raise Unavailable(
                    f"migration {migration.label} did not get its locks within "
                    f"{LOCK_PATIENCE_S:.0f} s (vane doctor names long transactions); run vane "
                    "migrate again, nothing is lost"
                ) from error
            told(f"{migration.label}: others hold its locks, trying again")
            time.sleep(random.uniform(*LOCK_PAUSE_S))


def _note(connection: Connection, migration: Migration) -> None:
    """Write down that it is applied, within the transaction that there is."""
    connection.execute(
        "create table if not exists schema_migration (version integer primary key, "
        "name text not null, sha256 text not null, applied_at timestamptz not null default now())"
    )
    connection.execute(
        "insert into schema_migration (version, name, sha256) values (%s, %s, %s)",
        [migration.version, migration.name, migration.sha256],
    )


def _where(migration: Migration, number: int, statements: Sequence[str]) -> str:
    if migration.mode == "transaction":
        return ""
    return f" at statement {number} of {len(statements)}"


def _left_behind(migration: Migration) -> str:
    if migration.mode == "transaction":
        return "nothing of it is applied"
    return "what it did until then stays and does no harm"

"""Connections to PostgreSQL with every time-out set, and driver errors translated once."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import psycopg

from vane.errors import Unavailable
from vane.settings import Settings

CONNECT_TIMEOUT_S = 5
TCP_USER_TIMEOUT_MS = 10_000

Connection = psycopg.Connection[tuple[Any, ...]]

_opened = WeakSet["psycopg.Connection[Any] | psycopg.AsyncConnection[Any]"]()


def session_options(settings: Settings) -> dict[str, str | int]:
    """Connection parameters: no wait on the server or the network is without a limit."""
    options = {
        "statement_timeout": settings.statement_timeout_ms,
        "lock_timeout": settings.lock_timeout_ms,
        "idle_in_transaction_session_timeout": settings.statement_timeout_ms,
        "TimeZone": "UTC",
    }
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "tcp_user_timeout": TCP_USER_TIMEOUT_MS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "options": " ".join(f"-c {key}={value}" for key, value in options.items()),
    }


def connect(settings: Settings, application: str) -> Connection:
    """Open an autocommit connection; transactions are explicit blocks.

    Raises:
        Unavailable: the database does not answer.
    """
    with translated():
        connection = psycopg.connect(
            settings.database_url,
            autocommit=True,
            application_name=application,
            **session_options(settings),  # type: ignore[arg-type]
        )
    _opened.add(connection)
    return connection


async def remember(connection: psycopg.AsyncConnection[Any]) -> None:
    """For connections of a pool: `cut_connections` is to know them."""
    _opened.add(connection)


def cut_connections() -> None:
    """End all connections of this process: whoever waits for a server that hangs fails at once.

    Transactions that are open are rolled back. For the end of a process; any thread may call it.
    """
    for connection in list(_opened):
        with (
            suppress(psycopg.Error, OSError),
            socket.socket(fileno=os.dup(connection.fileno())) as line,
        ):
            line.shutdown(socket.SHUT_RDWR)


@contextmanager
def translated() -> Iterator[None]:
    """Turn "the database does not answer" of the driver into `Unavailable`."""
    try:
        yield
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()
        raise Unavailable(f"PostgreSQL: {reason[0] if reason else type(error).__name__}") from error

"""Commands of operators and what became of them: table `admin_command`."""

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.events import AdminCommand
from schemas.responses import CommandStatus
from vane.store.connection import Connection, translated
from vane.store.sql import load_queries

_SQL = load_queries("commands")


def note_sent(connection: Connection, command: AdminCommand) -> None:
    """A command is in the topic."""
    connection.execute(_SQL["note_sent"], _fields(command))


def known_commands(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the commands that were read from the topic before."""
    rows = connection.execute(_SQL["known_commands"], {"ids": list(ids)})
    return {command_id for (command_id,) in rows}


def note_read(
    connection: Connection,
    command: AdminCommand,
    state: str,
    *,
    result: Any = None,
    error: str | None = None,
) -> None:
    """A command was read, and maybe done already, in the caller's transaction."""
    ended = {"state": state, "ended": state != "queued", "result": _json(result), "error": error}
    connection.execute(_SQL["note_read"], _fields(command) | ended)


def begin_next(connection: Connection) -> tuple[str, str, dict[str, Any]] | None:
    """Take the oldest command that waits, as id, command and arguments."""
    with translated():
        return connection.execute(_SQL["begin_next"]).fetchone()


def end_command(
    connection: Connection, command_id: str, *, result: Any = None, error: str | None = None
) -> None:
    """A command that was begun is done, or has failed."""
    state = "done" if error is None else "failed"
    fields = {"id": command_id, "state": state, "result": _json(result), "error": error}
    with translated():
        connection.execute(_SQL["end"], fields)


def queue_again(connection: Connection) -> None:
    """Commands that were begun by a process that is gone wait again."""
    with translated():
        connection.execute(_SQL["queue_again"])


def list_commands(
    connection: Connection, command_id: str | None, limit: int
) -> list[CommandStatus]:
    """The newest commands, newest first, or the one with this id."""
    fields = {"id": command_id, "limit": limit}
    with translated():
        return [CommandStatus(*row) for row in connection.execute(_SQL["list"], fields)]


def _fields(command: AdminCommand) -> dict[str, Any]:
    return {"id": command.command_id, "command": command.command, "args": _json(command.args)}


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()

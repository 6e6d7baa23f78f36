"""Runs commands that take long: one at a time, each as the command line does it."""

import logging
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, Any

import msgspec

from vane.child import start_own
from vane.commands import arguments_of
from vane.settings import Settings
from vane.store.commands import begin_next, end_command, queue_again
from vane.store.connection import Connection

log = logging.getLogger(__name__)

STOP_PATIENCE_S = 5.0
ERROR_CHARS_MAX = 1_000


@dataclass(slots=True)
class _Running:
    command_id: str
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    warned: IO[bytes]

    def close(self) -> None:
        self.said.close()
        self.warned.close()


class CommandRunner:
    """At most one process, whose end `look` notices.

    Args:
        settings: addresses of the servers, for the process.
        connection: to the table of commands; used between transactions.
    """

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._settings, self._connection = settings, connection
        self._running: _Running | None = None
        queue_again(connection)

    def look(self) -> None:
        """Note the end of what runs, and begin what waits."""
        if self._running is not None:
            status = self._running.process.poll()
            if status is None:
                return
            self._note_end(self._running, status)
        command = begin_next(self._connection)
        if command is not None:
            self._begin(*command)

    def stop(self) -> None:
        """End what runs; it is begun again at the next start."""
        if self._running is None:
            return
        process = self._running.process
        process.terminate()
        try:
            process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._running.close()
        self._running = None
        queue_again(self._connection)

    def _begin(self, command_id: str, command: str, args: dict[str, Any]) -> None:
        log.info("command %s: %s begins", command_id, command)
        said, warned = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - until its end
        process = start_own(arguments_of(command, args), self._settings, said, warned)
        self._running = _Running(command_id, process, said, warned)

    def _note_end(self, running: _Running, status: int) -> None:
        said, warned = _text(running.said), _text(running.warned)
        result, error = None, None
        try:
            result = msgspec.json.decode(said) if said else None
        except msgspec.DecodeError:
            error = f"unreadable answer: {said[:ERROR_CHARS_MAX]}"
        if status != 0:
            last = warned.strip().splitlines()[-1:] or [""]
            error = f"exit status {status}: {last[0][:ERROR_CHARS_MAX]}"
        log.info("command %s: %s", running.command_id, error or "done")
        end_command(self._connection, running.command_id, result=result, error=error)
        running.close()
        self._running = None


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")

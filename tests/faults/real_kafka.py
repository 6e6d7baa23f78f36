"""A real Apache Kafka in KRaft mode: one process, built by Maven from `deploy/kafka-test`."""

import base64
import os
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.running import all_pids, parent_of
from vane.embedded.broker import LOOPBACK, free_port
from vane.embedded.process import ServerProcess
from vane.embedded.server import Server

PROJECT = Path(__file__).parents[2] / "deploy" / "kafka-test"
LIB = PROJECT / "target" / "lib"
MEMORY = ("-Xms256m", "-Xmx1g", "-XX:+UseSerialGC")


def why_not() -> str | None:
    """What is missing to run it, None where nothing is."""
    missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
    return f"Apache Kafka needs {' and '.join(missing)}" if missing else None


def build() -> None:
    """Have Maven fetch the jars, where they are not there or older than the project file."""
    if LIB.exists() and LIB.stat().st_mtime > (PROJECT / "pom.xml").stat().st_mtime:
        return
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies"]
    offline = subprocess.run([*command, "-o"], cwd=PROJECT, check=False, capture_output=True)
    if offline.returncode:
        subprocess.run(command, cwd=PROJECT, check=True, timeout=300)


class RealKafka(Server):
    """One broker with a data folder that outlives kill -9.

    Attributes:
        proxied: where a proxy must pass on to …
        proxy_port: … and where it must listen: clients that come through it are sent back to it.
    """

    name = "kafka"
    start_timeout_s = 60.0
    stop_timeout_s = 15.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._data, self._properties = folder / "data", folder / "server.properties"
        self._direct, self._proxied, controller, self.proxy_port = (free_port() for _ in range(4))
        self._properties.write_text(
            (PROJECT / "server.properties")
            .read_text()
            .format(
                direct=self._direct,
                proxied=self._proxied,
                controller=controller,
                proxy=self.proxy_port,
                data=self._data,
            )
        )
        self._run("kafka.tools.StorageTool", "format", "-t", _cluster_id())

    @property
    def bootstrap(self) -> str:
        """Address for Kafka clients that want no proxy."""
        return f"{LOOPBACK}:{self._direct}"

    @property
    def proxied(self) -> tuple[str, int]:
        return LOOPBACK, self._proxied

    def pause(self) -> None:
        """Freeze it, not its warden, who is to end it should we end."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def delete_topic(self, topic: str) -> None:
        """Delete a topic, where it exists, and wait until it is gone."""
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        if topic in client.list_topics(timeout=10).topics:
            client.delete_topics([topic])[topic].result()
            while topic in client.list_topics(timeout=10).topics:
                time.sleep(0.05)

    def _send(self, number: signal.Signals) -> None:
        [server] = (pid for pid in all_pids() if parent_of(pid) == self.process.pid)
        os.kill(server, number)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*_java(program), *arguments, "-c", str(self._properties)],
            check=True,
            capture_output=True,
        )

    def _spawn(self) -> ServerProcess:
        command = [*_java("kafka.Kafka"), str(self._properties)]
        return ServerProcess(self.name, command, log=self.log, grace_s=self.stop_timeout_s - 5)

    def _answers(self) -> bool:
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            client.list_topics(timeout=2.0)
        except KafkaException:
            return False
        return True


def _java(program: str) -> list[str]:
    return ["java", *MEMORY, "-cp", f"{LIB}/*", program]


def _cluster_id() -> str:
    """As Kafka writes it; one that begins with a dash would be taken for an option."""
    while (name := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))[0] == "-":
        pass
    return name

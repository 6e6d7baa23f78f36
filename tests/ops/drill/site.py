"""The installation that is drilled: real servers, and Vane's processes beside them."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import psycopg
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.faults.real_kafka import RealKafka
from tests.ops.drill.disk import Disk
from tests.ops.drill.pages import DO, LOOK, ROOT, fill, read_page
from tests.ops.drill.prometheus import Prometheus
from tests.ops.drill.traffic import ITEMS, Traffic
from tests.running import ENDS_WITH_US, wait_until
from vane.cli.machine import COMPACTED
from vane.embedded.broker import LOOPBACK, free_port
from vane.embedded.postgres import BIN, SETTINGS, Postgres
from vane.embedded.redis import Redis
from vane.kafka_admin import create_topics
from vane.settings import Settings
from vane.store.connection import Connection, connect
from vane.store.migrate import migrate

START_S = 300.0
PATIENCE_S = 120.0
POSTGRES = {
    **SETTINGS,
    "fsync": "off",
    "max_connections": "60",
    "min_wal_size": "32MB",
    "max_wal_size": "64MB",
}
PROCESSES = {
    "catalog": "vane flow catalog",
    "interactions": "vane flow interactions",
    "trends": "vane flow trends",
    "api": "vane api",
    "monitor": "vane monitor",
}
IN_TIME = ("setpriv", "--pdeathsig", "TERM", "timeout", "-k", "5", f"{PATIENCE_S:.0f}")
"""Before a command: it ends with all that it began when it takes too long, or when we end."""
LASTING = ("vane flow", "vane api", "vane monitor")
"""Commands that run until they are ended."""


class Site:
    """Servers, processes, traffic and Prometheus.

    Attributes:
        desk: where commands are carried out: what they write stays here.
        users: who calls the API all the while.
        prometheus: what watches it all.
        followed: alerts whose pages were opened.
        at_end: what faults leave to be undone, where a cure did not.
    """

    def __init__(self, folder: Path, kafka: RealKafka) -> None:
        self.folder, self.kafka = folder, kafka
        self.desk = folder / "desk"
        self.desk.mkdir()
        self.postgres = Postgres(folder / "postgres", folder / "pg", folder, settings=POSTGRES)
        self.redis = Redis(folder / "redis", folder)
        self.disk = Disk(folder / "postgres")
        self.ports = {f"vane-{name}": free_port() for name in PROCESSES}
        self.api = f"http://{LOOPBACK}:{self.ports['vane-api']}"
        self.prometheus = Prometheus(folder, self.ports | {"node": self.disk.port})
        self.users = Traffic(self.api)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.followed = set[str]()
        self.at_end: list[Callable[[], None]] = []
        producer = {"bootstrap.servers": kafka.bootstrap, "queue.buffering.max.messages": 200_000}
        self._producer = Producer(producer)
        self._held: list[Connection] = []
        self._supervisors: list[subprocess.Popen[bytes]] = []
        self._admin_key = secrets.token_urlsafe(16)

    def start(self) -> None:
        """Servers, schema, topics, processes, a catalogue."""
        shim = self.folder / "vane"
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.ops.drill.quick "$@"\n')
        shim.chmod(0o755)
        self.postgres.start()
        self.redis.start()
        self.disk.start()
        with connect(Settings(database_url=self.postgres.uri), "drill") as connection:
            migrate(connection)
        topics = dict.fromkeys(("user-interactions", "product-updates", "recommendation-log"), 1)
        create_topics(self.kafka.bootstrap, topics, COMPACTED)
        for command in PROCESSES.values():
            self.launch(command)
        items = ({"item_id": f"i{n}", "title": f"blue car {n}"} for n in range(ITEMS))
        self.produce("product-updates", items)
        wait_until(self._serves, START_S, "no list")

    def close(self) -> None:
        """Kill everything."""
        self.undo()
        for process in self.processes.values():
            process.kill()
            process.wait()
        for connection in self._held:
            connection.close()
        self.disk.close()
        self.redis.stop()
        self.postgres.stop()

    def undo(self) -> None:
        """End what a fault has begun, where its cure did not come to it."""
        while self.at_end:
            self.at_end.pop()()
        self.stop_supervised()

    def launch(self, command: str) -> "subprocess.Popen[bytes]":
        """Run one of Vane's processes in place of the one of its name."""
        words = command.split()
        name = words[2] if words[1] == "flow" else words[1]
        if name in self.processes:
            self.processes[name].wait(PATIENCE_S)
        process = self._popen(name, command)
        self.processes[name] = process
        return process

    def start_ended(self) -> None:
        """What a supervisor does: start again what has ended."""
        for name, command in PROCESSES.items():
            if self.processes[name].poll() is not None:
                self.launch(command)

    def hold(self, application_name: str) -> Connection:
        """A connection that stays open until the site closes."""
        opened = psycopg.connect(
            self.postgres.uri, autocommit=True, application_name=application_name
        )
        self._held.append(opened)
        return opened

    def supervise(self, name: str) -> None:
        """A supervisor of flow `name`: it starts its worker again when it ends."""
        worker = " ".join([*ENDS_WITH_US, "vane", "flow", name])
        with self.log("supervised").open("ab") as output:
            supervisor = subprocess.Popen(
                [*ENDS_WITH_US, "bash", "-c", f"while true; do {worker}; sleep 0.2; done"],
                cwd=self.desk,
                env=self.environ() | {"VANE_METRICS_PORT": "0"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._supervisors.append(supervisor)

    def stop_supervised(self) -> None:
        """End supervisors with their workers."""
        for supervisor in self._supervisors:
            os.killpg(supervisor.pid, signal.SIGKILL)
            supervisor.wait()
        self._supervisors.clear()

    def _popen(self, name: str, command: str) -> "subprocess.Popen[bytes]":
        environ = self.environ()
        if name != "api":
            environ["VANE_METRICS_PORT"] = str(self.ports[f"vane-{name}"])
        if name == "api":
            command += f" --port {self.ports['vane-api']}"
        with self.log(name).open("ab") as output:
            return subprocess.Popen(
                [*ENDS_WITH_US, "bash", "-c", f"exec {command}"],
                cwd=self.desk,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a process, and wait for it."""
        self.processes[name].send_signal(number)
        self.processes[name].wait(PATIENCE_S)

    def freeze(self, name: str) -> int:
        """Stop a process in its tracks; its process id."""
        self.processes[name].send_signal(signal.SIGSTOP)
        return self.processes[name].pid

    def log(self, name: str) -> Path:
        """What a process has written."""
        return self.folder / f"{name}.log"

    def environ(self) -> dict[str, str]:
        """Of Vane's processes, and of whoever follows a page."""
        own = {
            "VANE_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "VANE_DATABASE_URL": self.postgres.uri,
            "VANE_REDIS_URL": self.redis.url,
            "VANE_ADMIN_KEY": self._admin_key,
            "VANE_API_URL": self.api,
            "VANE_MONITOR_INTERVAL_MS": "500",
            "VANE_CANARY_INTERVAL_MS": "500",
            "VANE_SEARCH_MEANING": "off",
            "VANE_FETCH_WAIT_MS": "20",
            "PROMETHEUS_CONFIG": str(self.prometheus.config),
            "PROMETHEUS_URL": self.prometheus.url,
            "PATH": os.pathsep.join([str(self.folder), str(BIN), str(ROOT / "build" / "bin"),
                                     os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        return {**os.environ, **own}

    def look(self, alert: str, **values: str) -> str:
        """Carry out what the page says under "Where to look"; what was seen."""
        return "\n".join(self._follow(alert, LOOK, values))

    def do(self, alert: str, **values: str) -> str:
        """Carry out what the page says under "What to do"."""
        self.followed.add(alert)
        return "\n".join(self._follow(alert, DO, values))

    def _follow(self, alert: str, section: str, values: dict[str, str]) -> Iterable[str]:
        for block in read_page(alert).commands(section):
            command = fill(block, values)
            if command.startswith(LASTING):
                self.launch(command)
                continue
            done = subprocess.run(
                [*IN_TIME, "bash", "-euo", "pipefail", "-c", command],
                cwd=self.desk,
                env=self.environ(),
                stdin=subprocess.DEVNULL,
                check=False,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{alert}: {command}\n{done.stdout}{done.stderr}"
            yield done.stdout

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement, in a transaction of its own."""
        with psycopg.connect(self.postgres.uri, autocommit=True) as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def change_settings(self, changed: dict[str, Any]) -> None:
        """Through the API, which checks and remembers them."""
        url, key = f"{self.api}/v1/admin/settings", {"X-API-Key": self._admin_key}
        httpx.put(url, json=changed, headers=key).raise_for_status()

    def produce(self, topic: str, messages: Iterable[dict[str, Any]]) -> None:
        """Messages as a producer of somebody else sends them, unchecked."""
        for message in messages:
            key = message.get("user_id") or message["item_id"]
            self._producer.produce(topic, json.dumps(message), key)
            self._producer.poll(0)
        assert self._producer.flush(PATIENCE_S) == 0

    def view(self, number: int, **changed: Any) -> dict[str, Any]:
        """An event."""
        event = {"event_id": f"{number}-{time.time()}", "user_id": "drilled", "item_id": "i1",
                 "action": "view", "ts": time.time()}  # fmt: skip
        return event | changed

    def delete_records(self, topic: str, before: int) -> None:
        """What retention does with the beginning of a log."""
        client = AdminClient({"bootstrap.servers": self.kafka.bootstrap, "log_level": 0})
        place = TopicPartition(topic, 0, before)
        client.delete_records([place])[place].result()

    def offset(self) -> int:
        """Where flow interactions stands."""
        sql = "select next_offset from stream_position where flow = 'interactions'"
        [(offset,)] = self.query(sql)
        return int(offset)

    def _serves(self) -> bool:
        try:
            return bool(httpx.get(f"{self.api}/v1/trending").json()["items"])
        except (httpx.TransportError, KeyError, ValueError):
            return False

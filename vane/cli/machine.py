"""What `vane up` runs in one data folder, wired together."""

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vane.cli.context import ADDRESSES, FOREVER, own_command
from vane.embedded.broker import LOOPBACK, Broker, free_port
from vane.embedded.child import VaneChild
from vane.embedded.folder import DataFolder, Endpoints, write_private
from vane.embedded.postgres import Postgres
from vane.embedded.process import rotate
from vane.embedded.redis import Redis
from vane.embedded.sockets import socket_folder
from vane.embedded.supervisor import Supervisor
from vane.errors import Unavailable
from vane.kafka_admin import create_topics, describe_topic
from vane.metrics import FLOWS
from vane.settings import Settings, variable
from vane.store.connection import connect, translated
from vane.store.migrate import migrate
from vane.store.positions import open_log, unread_messages

FLOW_STAGES = (("commands", "interactions", "catalog"), ("trends", "learning"))
"""The flows in the order in which they stop: the last read what the first have committed."""
KAFKA_FLOWS = FLOW_STAGES[0]
MONITOR = "monitor"
SINGLE_PARTITION = "admin-commands"
TOPICS = ("user-interactions", "product-updates", SINGLE_PARTITION, "recommendation-log")
COMPACTED = {"product-updates": {"cleanup.policy": "compact"}}


class EmbeddedLogs:
    """The topics of an embedded broker: gone with it, so that each start opens new logs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def migrate(self) -> None:
        """Bring the schema up to date."""
        with connect(self._settings, "vane up") as connection:
            migrate(connection)

    def open(self) -> None:
        """Create the topics and open a new log for each."""
        bootstrap = self._settings.kafka_bootstrap
        partitions = dict.fromkeys(TOPICS, self._settings.topic_partitions)
        create_topics(bootstrap, {**partitions, SINGLE_PARTITION: 1}, COMPACTED)
        with connect(self._settings, "vane up") as connection:
            for topic in TOPICS:
                open_log(connection, describe_topic(bootstrap, topic)[0])

    def unread(self) -> dict[str, int] | None:
        """Messages of each topic known to be unread, a lower bound; None: cannot be told."""
        try:
            with connect(self._settings, "vane up") as connection, translated():
                return unread_messages(connection, KAFKA_FLOWS)
        except Unavailable:
            return None


class Machine:
    """Servers, flows and API of one claimed data folder; nothing is started yet.

    Args:
        folder: claimed.
        settings: of this process; addresses in it are replaced by our own servers'.
        flows: names of the flows to run.
        port: of the API.
        traffic: simulated events a second; None: no simulation.
        say: tells the person at the terminal.

    Attributes:
        endpoints: where everything will serve.
        settings: of this process, with the addresses of our own servers.
        supervisor: starts, watches and stops it all.
    """

    def __init__(
        self,
        folder: DataFolder,
        settings: Settings,
        *,
        flows: Sequence[str],
        port: int,
        traffic: float | None,
        say: Callable[[str], None],
    ) -> None:
        logs, inherit = folder.path / "logs", [folder.lock]
        rotate(logs)
        postgres_sockets = socket_folder(folder.path, "postgres")
        postgres = Postgres(folder.path / "postgres", postgres_sockets, logs, inherit)
        redis = Redis(socket_folder(folder.path, "redis"), logs, inherit)
        broker = Broker(logs, inherit, stale=[folder.endpoints_file])
        metrics_ports = _metrics_ports(settings.metrics_port, flows)
        pages = {"api": port, **metrics_ports}
        self.endpoints = Endpoints(
            api=f"http://{LOOPBACK}:{port}",
            kafka=broker.bootstrap,
            postgres=postgres.uri,
            redis=redis.url,
            admin_key=settings.admin_key or _kept_key(folder.path / "admin.key"),
            metrics={n: f"http://{LOOPBACK}:{page}/metrics" for n, page in pages.items()},
            grpc=f"{LOOPBACK}:{settings.grpc_port}" if settings.grpc_port else "",
        )
        environ = child_environ(os.environ, self.endpoints)

        def child(name: str, *arguments: str) -> VaneChild:
            own = {variable("metrics_port"): str(metrics_ports.get(name, 0))}
            if name == MONITOR:
                api, key = self.endpoints.api, self.endpoints.admin_key
                own |= {variable("api_url"): api, variable("api_key"): key}
            return VaneChild(name, own_command(*arguments), environ | own, logs, inherit)

        stages = [[child(MONITOR, MONITOR)]]
        stages += [] if traffic is None else [[child("simulate", *_simulate(traffic))]]
        apis = [child("api", "api", "--port", str(port))]
        if settings.grpc_port:
            apis.append(child("grpc", "grpc", "--port", str(settings.grpc_port)))
        stages.append(apis)
        stages += [[child(n, "flow", n) for n in stage if n in flows] for stage in FLOW_STAGES]
        addresses = {name: getattr(self.endpoints, key) for name, key in ADDRESSES.items()}
        self.settings = replace(settings, **addresses)
        own = EmbeddedLogs(self.settings)
        self.supervisor = Supervisor(postgres, redis, broker, stages, own, say)


def _metrics_ports(first: int, flows: Sequence[str]) -> dict[str, int]:
    """A port for each: from `first` on in the order of `FLOWS`, the monitor last; 0: free ones."""
    order = (*FLOWS, MONITOR)
    return {n: first + order.index(n) if first else free_port() for n in (*flows, MONITOR)}


def _simulate(rate: float) -> list[str]:
    return ["simulate", "--rate", str(rate), "--duration", FOREVER, "--wait-for-items"]


def child_environ(environ: Mapping[str, str], endpoints: Endpoints) -> dict[str, str]:
    """The environment of flows and API: our own servers, and flows that read to the end."""
    # the embedded broker answers a waiting fetch late: only when its time is over
    waits = {variable("fetch_wait_ms"): "20", variable("shutdown_grace_ms"): "0"}
    own = {variable(name): getattr(endpoints, key) for name, key in ADDRESSES.items()}
    return {
        **waits,
        **environ,
        **own,
        variable("admin_key"): endpoints.admin_key,
        variable("drain"): "end",
    }


def _kept_key(path: Path) -> str:
    """The folder's admin key, made at the first start."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24).encode())
    return path.read_text().strip()

"""Embedded servers with their durable defaults, in a scratch folder, for the benchmarks."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vane.embedded.broker import Broker
from vane.embedded.postgres import Postgres
from vane.embedded.redis import Redis
from vane.settings import Settings
from vane.store.connection import Connection, connect
from vane.store.migrate import migrate

ADMIN_DATABASE = "/vane?"


@dataclass(frozen=True, slots=True)
class Servers:
    """PostgreSQL, Redis and a broker of this benchmark alone."""

    postgres: str
    redis: str
    kafka: str
    pids: Sequence[int]

    @contextmanager
    def database(self, name: str, template: str = "template1") -> Iterator[Settings]:
        """A fresh migrated database, or a copy of another one; dropped at the end."""
        with connect(Settings(database_url=self.postgres), "benchmark") as connection:
            assert_durable(connection)
            connection.execute(f"create database {name} template {template}")
            settings = Settings(
                database_url=self.postgres.replace(ADMIN_DATABASE, f"/{name}?"),
                redis_url=self.redis,
                kafka_bootstrap=self.kafka,
                fetch_wait_ms=10,
            )
            try:
                with connect(settings, "benchmark") as fresh:
                    migrate(fresh)
                yield settings
            finally:
                connection.execute(f"drop database {name} with (force)")


def assert_durable(connection: Connection) -> None:
    """Figures count only if a commit is on the disk when it is acknowledged."""
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        row = connection.execute("select current_setting(%s)", [name]).fetchone()
        assert row == ("on",), f"{name} is {row}"


@contextmanager
def servers() -> Iterator[Servers]:
    """Start them, and stop them whatever happens."""
    with tempfile.TemporaryDirectory(prefix="vane-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = Postgres(folder / "postgres", folder / "sockets", folder)
        redis, broker = Redis(folder / "redis", folder), Broker(folder)
        started: list[Postgres | Redis | Broker] = []
        try:
            for server in (postgres, redis, broker):
                server.start()
                started.append(server)
            pids = [server.process.pid for server in started]
            yield Servers(postgres.uri, redis.url, broker.bootstrap, pids)
        finally:
            for server in reversed(started):
                server.stop()

"""Real servers for tests, each started at its first use: PostgreSQL, Redis, a Kafka broker.

`database_url` is a fresh migrated database per test, `topics` makes topics, `settings` points at
all three; `vane_up` is a whole running `vane up`.
"""

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests.running import RunningUp
from vane.embedded.broker import Broker
from vane.embedded.postgres import SETTINGS, Postgres
from vane.embedded.redis import Redis
from vane.kafka_admin import create_topics
from vane.settings import Settings
from vane.store.connection import Connection, connect
from vane.store.migrate import migrate


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder with a short path, for unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="vane-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_uri(server_folder: Path) -> Iterator[str]:
    """URI of an embedded PostgreSQL; a crash of the machine may cost its data, so it is fast."""
    fast = {**SETTINGS, "fsync": "off", "full_page_writes": "off"}
    data, sockets = server_folder / "postgres", server_folder / "postgres-sockets"
    server = Postgres(data, sockets, server_folder, settings=fast).start()
    yield server.uri
    server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_uri: str) -> str:
    """Name of a migrated database that others are copied from."""
    name = "migrated"
    with psycopg.connect(postgres_uri, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    settings = Settings(database_url=postgres_uri.replace("/vane?", f"/{name}?"))
    with connect(settings, "tests") as connection:
        migrate(connection)
    return name


@pytest.fixture
def database_url(postgres_uri: str, migrated_template: str) -> Iterator[str]:
    """libpq URI of a fresh migrated database."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_uri, autocommit=True) as connection:
        connection.execute(f"create database {name} template {migrated_template}")
        yield postgres_uri.replace("/vane?", f"/{name}?")
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def redis_server_url(server_folder: Path) -> Iterator[str]:
    server = Redis(server_folder / "redis-sockets", server_folder).start()
    yield server.url
    server.stop()


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """URL of an embedded Redis without any key."""
    with redis.Redis.from_url(redis_server_url) as client:
        client.flushall()
    return redis_server_url


@pytest.fixture(scope="session")
def kafka_bootstrap(server_folder: Path) -> Iterator[str]:
    """host:port of an embedded broker."""
    server = Broker(server_folder).start()
    yield server.bootstrap
    server.stop()


@pytest.fixture
def topics(kafka_bootstrap: str) -> Callable[[int], str]:
    """Creates a topic of its own with that many partitions and returns its name."""

    def create(partitions: int = 1) -> str:
        name = f"topic-{uuid.uuid4().hex}"
        create_topics(kafka_bootstrap, {name: partitions})
        return name

    return create


@pytest.fixture
def settings(database_url: str, redis_url: str, kafka_bootstrap: str) -> Settings:
    """Settings of a process that uses the embedded servers."""
    return Settings(database_url=database_url, redis_url=redis_url, kafka_bootstrap=kafka_bootstrap)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """Autocommit connection to the test's own database."""
    with connect(Settings(database_url=database_url), "tests") as opened:
        yield opened


@pytest.fixture(scope="session")
def vane_up() -> Iterator[RunningUp]:
    """A whole running `vane up`; its end must be clean."""
    with RunningUp("--no-demo", environ={"VANE_SEARCH_MEANING": "off"}) as running:
        running.wait_ready()
        yield running
        assert running.stop() == 0, running.output()

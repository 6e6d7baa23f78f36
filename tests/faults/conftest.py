"""Servers that a test may kill, proxies before them, and a rig for each test and seed.

Seeds: VANE_FAULT_SEED (the first, 1) and VANE_FAULT_SEEDS (how many, 1); in a test's name.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from flows.interactions import TOPIC
from tests.faults import real_kafka
from tests.faults.load import ITEMS, Load, Mix
from tests.faults.proxy import Proxy
from tests.faults.real_kafka import RealKafka
from tests.faults.rig import Rig
from tests.support import add_item, unit_vectors
from vane.embedded.broker import LOOPBACK, Broker
from vane.embedded.postgres import SETTINGS, Postgres
from vane.embedded.redis import Redis
from vane.kafka_admin import create_topics
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.migrate import migrate

MakeRig = Callable[..., Rig]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each seed."""
    if "seed" in metafunc.fixturenames:
        first = int(os.environ.get("VANE_FAULT_SEED", "1"))
        count = int(os.environ.get("VANE_FAULT_SEEDS", "1"))
        seeds = range(first, first + count)
        metafunc.parametrize("seed", seeds, ids=[f"seed={seed}" for seed in seeds])


@pytest.fixture(scope="session")
def fault_folder() -> Iterator[Path]:
    """A folder with a short path, for unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="vane-f-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def fault_postgres_server(fault_folder: Path) -> Iterator[Postgres]:
    fast = {**SETTINGS, "fsync": "off", "full_page_writes": "off"}
    data, sockets = fault_folder / "postgres", fault_folder / "pg"
    server = Postgres(data, sockets, fault_folder, settings=fast).start()
    with psycopg.connect(server.uri, autocommit=True) as connection:
        connection.execute("create database migrated")
    with connect(Settings(database_url=of(server, "migrated")), "fault test") as connection:
        migrate(connection)
        for number, vector in enumerate(unit_vectors(ITEMS)):
            add_item(connection, f"i{number}", vector if number else 0 * vector)
    yield server
    server.stop()


def of(server: Postgres, database: str) -> str:
    """URI of another database of the server."""
    return server.uri.replace("/vane?", f"/{database}?")


@pytest.fixture
def fault_postgres(fault_postgres_server: Postgres) -> Iterator[Postgres]:
    """A PostgreSQL that may be killed: the next test gets it running."""
    yield fault_postgres_server
    if fault_postgres_server.process.poll() is not None:
        fault_postgres_server.start()


@pytest.fixture(scope="session")
def fault_redis_server(fault_folder: Path) -> Iterator[Redis]:
    server = Redis(fault_folder / "redis", fault_folder).start()
    yield server
    server.stop()


@pytest.fixture
def fault_redis(fault_redis_server: Redis) -> Iterator[Redis]:
    """A Redis that may be killed."""
    yield fault_redis_server
    if fault_redis_server.process.poll() is not None:
        fault_redis_server.start()


@pytest.fixture
def embedded_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own."""
    server = Broker(tmp_path).start()
    yield server
    server.kill()  # it takes its whole grace time to stop


@pytest.fixture(scope="session")
def kafka_server(fault_folder: Path) -> Iterator[RealKafka]:
    """Apache Kafka, where there are Java and Maven."""
    if reason := real_kafka.why_not():
        pytest.skip(reason)
    real_kafka.build()
    folder = fault_folder / "kafka"
    folder.mkdir()
    server = RealKafka(folder).start()
    yield server
    server.stop()


@pytest.fixture
def kafka(kafka_server: RealKafka) -> Iterator[RealKafka]:
    """Apache Kafka without the topic; it may be killed."""
    if kafka_server.process.poll() is not None:
        kafka_server.start()
    kafka_server.delete_topic(TOPIC)
    yield kafka_server
    kafka_server.resume()


@pytest.fixture
def kafka_proxy(kafka: RealKafka) -> Iterator[Proxy]:
    """A proxy that Kafka's clients stay behind."""
    with Proxy((LOOPBACK, kafka.proxy_port), kafka.proxied) as proxy:
        yield proxy


@pytest.fixture
def make_rig(
    seed: int, fault_postgres: Postgres, fault_redis: Redis, fault_folder: Path, tmp_path: Path
) -> Iterator[MakeRig]:
    """Makes a rig on a broker: a fresh database behind a proxy, Redis behind a proxy, a topic."""
    name = f"test_{uuid.uuid4().hex}"
    sockets = fault_folder / name[-8:]
    sockets.mkdir()
    with psycopg.connect(fault_postgres.uri, autocommit=True) as connection:
        connection.execute(f"create database {name} template migrated")
    with ExitStack() as stack:
        target = f"{fault_folder}/pg/.s.PGSQL.5432"
        postgres = stack.enter_context(Proxy(f"{sockets}/.s.PGSQL.5432", target))
        redis = stack.enter_context(Proxy(f"{sockets}/redis", f"{fault_folder}/redis/redis.sock"))

        def make(bootstrap: str, mix: Mix, *, through: str = "", idempotent: bool = False) -> Rig:
            create_topics(bootstrap, {TOPIC: mix.partitions})
            url = of(fault_postgres, name)
            settings = Settings(
                database_url=url, redis_url=fault_redis.url, kafka_bootstrap=bootstrap
            )
            proxied = replace(
                settings,
                database_url=url.replace(f"host={fault_folder}/pg", f"host={sockets}"),
                redis_url=f"unix://{sockets}/redis?db=0",
                kafka_bootstrap=through or bootstrap,
            )
            assert proxied.database_url != url
            load = Load(seed, mix, bootstrap, idempotent=idempotent)
            return stack.enter_context(
                Rig(seed, settings, proxied, postgres, redis, tmp_path, load)
            )

        yield make
    shutil.rmtree(sockets)
    with psycopg.connect(fault_postgres.uri, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def rig(make_rig: MakeRig, embedded_broker: Broker) -> Rig:
    """A rig on an embedded broker with the default mix."""
    return make_rig(embedded_broker.bootstrap, Mix())


@pytest.fixture
def kafka_rig(make_rig: MakeRig, kafka: RealKafka) -> Rig:
    """A rig on Apache Kafka with the default mix."""
    return make_rig(kafka.bootstrap, Mix(), idempotent=True)

"""PostgreSQL is restored to a moment in the past, beside the same Kafka: docs/backup.md."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.interactions import TOPIC
from tests.faults.load import ITEMS, Load, Mix
from tests.faults.proxy import Proxy
from tests.faults.rig import Rig, wait_for
from tests.support import add_item, unit_vectors
from vane.embedded.broker import Broker
from vane.embedded.postgres import BIN, NAME, SETTINGS, Postgres
from vane.embedded.privileges import give, server_user
from vane.embedded.redis import Redis
from vane.kafka_admin import create_topics
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.migrate import migrate

pytestmark = pytest.mark.faults

EVENTS = 1_500
ERASED = ("u3", "u7")
MOMENT = "before_the_accident"
BACKUP_HBA = "local replication all peer map=vane\n"

Start = Callable[..., Postgres]


@pytest.fixture
def start(fault_folder: Path) -> Iterator[Start]:
    """Starts a PostgreSQL of the test's own over a data folder."""
    folder = fault_folder / "restore"
    archive = folder / "archive"
    archive.mkdir(parents=True)
    folder.chmod(0o755)
    give(archive, server_user())
    with ExitStack() as servers:

        def begin(data: str, **settings: str) -> Postgres:
            chosen = {**SETTINGS, "fsync": "off", **settings}
            server = Postgres(folder / data, folder / f"{data}-s", folder, settings=chosen)
            servers.callback(server.stop)
            return server.start()

        yield begin
    shutil.rmtree(folder)


@pytest.fixture
def rig(
    seed: int,
    start: Start,
    fault_redis: Redis,
    fault_folder: Path,
    embedded_broker: Broker,
    tmp_path: Path,
) -> Iterator[Rig]:
    """On a PostgreSQL that archives its log, behind a proxy."""
    folder = fault_folder / "restore"
    server = start("first", archive_mode="on", archive_command=f"cp %p {folder}/archive/%f")
    settings = Settings(
        database_url=server.uri,
        redis_url=fault_redis.url,
        kafka_bootstrap=embedded_broker.bootstrap,
    )
    with connect(settings, "fault test") as connection:
        migrate(connection)
        for number, vector in enumerate(unit_vectors(ITEMS)):
            add_item(connection, f"i{number}", vector if number else 0 * vector)
    create_topics(settings.kafka_bootstrap, {TOPIC: 2})
    (folder / "p").mkdir()
    with (
        Proxy(f"{folder}/p/.s.PGSQL.5432", f"{folder}/first-s/.s.PGSQL.5432") as postgres,
        Proxy(f"{folder}/p/redis", f"{fault_folder}/redis/redis.sock") as redis,
    ):
        proxied = replace(settings, database_url=server.uri.replace("first-s", "p"))
        load = Load(seed, Mix(repeated=0), settings.kafka_bootstrap)
        with Rig(seed, settings, proxied, postgres, redis, tmp_path, load) as made:
            yield made


def back_up(rig: Rig, folder: Path) -> None:
    """A base backup into folder `second`, while flows go on."""
    with (folder / "first" / "pg_hba.conf").open("a") as rules:
        rules.write(BACKUP_HBA)
    rig.query("select pg_reload_conf()")
    command = [str(BIN / "pg_basebackup"), "-h", str(folder / "first-s"), "-U", NAME]
    options = ["-c", "fast", "-D", str(folder / "second")]
    subprocess.run([*command, *options], check=True, capture_output=True)


def restore(rig: Rig, start: Start, folder: Path) -> None:
    """To the restore point, as a server of its own that the proxy leads to."""
    [(last,)] = rig.query("select pg_walfile_name(pg_switch_wal())")
    archived = "select last_archived_wal >= %s from pg_stat_archiver"
    wait_for(lambda: rig.query(archived, last) == [(True,)], "WAL archived")
    (folder / "second" / "recovery.signal").touch()
    server = start(
        "second",
        restore_command=f"cp {folder}/archive/%f %p",
        recovery_target_name=MOMENT,
        recovery_target_action="promote",
    )
    rig.settings = replace(rig.settings, database_url=server.uri)
    rig.postgres.lead_to(f"{folder}/second-s/.s.PGSQL.5432")
    wait_for(lambda: rig.query("select pg_is_in_recovery()") == [(False,)], "promoted")


def states(rig: Rig) -> dict[str, tuple[Any, ...]]:
    """What is known of each user but the version, which counts writes.

    Trends keep what erased users had added by then, so they differ; the audit holds them exact.
    """
    users = rig.query(
        "select user_id, events, event_hash, as_of, long::real[], short::real[] "
        "from user_preference where events > 0"
    )
    return {name: tuple(rest) for name, *rest in users}


def same(one: dict[str, tuple[Any, ...]], other: dict[str, tuple[Any, ...]]) -> bool:
    """Counts, hashes and times equal, vectors up to what the order of additions changes."""
    return one.keys() == other.keys() and all(
        mine[:3] == other[name][:3] and np.allclose(mine[3:], other[name][3:], atol=1e-4)
        for name, mine in one.items()
    )


def test_restored_to_a_moment(rig: Rig, start: Start, fault_folder: Path) -> None:
    """The flows are frozen meanwhile: they wake with caches of a future that was not.

    Before they go on, who was erased after that moment is erased again, as Kafka knows of it.
    """
    folder = fault_folder / "restore"
    rig.load.produce(EVENTS)
    rig.start()
    rig.start(flow="trends")
    rig.wait_passed(EVENTS // 2)
    back_up(rig, folder)
    rig.load.produce(EVENTS)
    rig.load.flush()
    rig.wait_passed(EVENTS * 3 // 2)
    then = rig.passed()
    rig.query("select pg_create_restore_point(%s)", MOMENT)
    rig.load.produce(EVENTS)
    rig.load.flush()
    add_version(rig, 3)
    for user in ERASED:
        rig.erase(user)
    wait_for(rig.drained, rig.state())
    rig.finish_trends()
    expected, passed = states(rig), rig.passed()
    rig.start(flow="trends")
    for process in rig.living():
        process.send(signal.SIGSTOP)
    restore(rig, start, folder)
    assert then <= rig.passed() < passed, "the positions went back"
    assert rig.query("select count(*) from erasure") == [(0,)]
    again = rig.vane("erase", "--again")
    assert again.stdout.startswith(f"{len(ERASED)} users are erased again"), again
    add_version(rig, 2)
    rig.heal_and_check()
    assert same(states(rig), expected)
    assert "0 users" in rig.vane("erase", "--again").stdout


def add_version(rig: Rig, version: int) -> None:
    """The same content once more; an event that notes the one of a lost future fails the audit."""
    with connect(rig.settings, "fault test") as connection:
        add_item(connection, "i1", unit_vectors(ITEMS)[1], version)

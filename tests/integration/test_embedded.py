"""The embedded servers one by one, their wardens, and children that watch their parent."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.running import parent_of, program_of, wait_until
from vane.embedded.child import VaneChild
from vane.embedded.postgres import BIN, Postgres
from vane.embedded.process import ServerProcess, StartFailed
from vane.embedded.redis import Redis
from vane.errors import OperatorNeeded, Unavailable
from vane.kafka_admin import create_topics, describe_topic

IGNORES_SIGTERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
SLEEPS = "time.sleep(600)"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to drop")


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def postgres(tmp_path: Path, server_folder: Path) -> Postgres:
    return Postgres(tmp_path / "postgres", server_folder / "own", tmp_path)


def test_postgres_below_a_deep_folder_keeps_its_state(tmp_path: Path, server_folder: Path) -> None:
    data = tmp_path / ("deep" * 30) / ("deeper" * 30)
    server = Postgres(data, server_folder / "deep", tmp_path).start()
    with psycopg.connect(server.uri, autocommit=True) as connection:
        connection.execute("create table kept as select 42 as answer")
        row = connection.execute("select current_user, current_database()").fetchone()
    assert row == ("vane", "vane")
    server.stop()
    server.start()
    with psycopg.connect(server.uri) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)
        assert connection.execute("show fsync").fetchone() == ("on",)
        assert connection.execute("show synchronous_commit").fetchone() == ("on",)
    server.stop()


@as_root
def test_postgres_runs_from_a_folder_that_only_root_may_enter(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = BIN.parent.parent
    for folder in (programs, programs.with_name(f"{programs.name}.libs")):
        shutil.copytree(folder, tmp_path / "locked" / folder.name)
    (tmp_path / "locked").chmod(0o700)
    copy = tmp_path / "locked" / BIN.relative_to(programs.parent)
    monkeypatch.setattr("vane.embedded.postgres.BIN", copy)
    postgres.start()
    with psycopg.connect(postgres.uri) as connection:
        connection.execute("create extension vector")
    postgres.stop()


@as_root
def test_postgres_under_root_keeps_one_capability_at_most(postgres: Postgres) -> None:
    postgres.start()
    (server,) = children_of(postgres.process.pid)
    lines = Path(f"/proc/{server}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert "0" not in status["Uid"].split()
    assert int(status["CapEff"], 16) in {0, 1 << 1}
    assert int(status["CapPrm"], 16) in {0, 1 << 1}
    postgres.stop()


def test_postgres_of_half_an_initdb_starts(postgres: Postgres, tmp_path: Path) -> None:
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)
    postgres.start()
    postgres.stop()
    assert not (tmp_path / "postgres.new").exists()


def test_postgres_that_cannot_start_shows_its_log(postgres: Postgres, tmp_path: Path) -> None:
    postgres.start()
    postgres.stop()
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StartFailed, match="database files are incompatible with server"):
        postgres.start()
    postgres.stop()


def test_server_ends_when_its_warden_is_killed(tmp_path: Path, server_folder: Path) -> None:
    redis = Redis(server_folder / "wardless", tmp_path).start()
    (server,) = children_of(redis.process.pid)
    assert program_of(server) == "redis-server"
    os.kill(redis.process.pid, signal.SIGKILL)
    wait_until(lambda: parent_of(server) is None, 5, "outlived its warden")
    redis.kill()


def test_server_that_ignores_the_stop_is_killed_after_its_grace(tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"{IGNORES_SIGTERM}; print('up', flush=True); {SLEEPS}"]
    server = ServerProcess("stubborn", command, log=tmp_path / "log", grace_s=0.5)
    wait_until(lambda: server.tail() == "up", 10)
    started = time.monotonic()
    server.request_stop()
    assert server.wait(10) == 128 + signal.SIGKILL
    assert 0.4 < time.monotonic() - started < 5
    server.close()


def test_child_that_ignores_sigterm_ends_after_its_parent(tmp_path: Path) -> None:
    code = (
        f"{IGNORES_SIGTERM}; from vane.child import *; watch_parent(); announce_ready(); {SLEEPS}"
    )
    child = VaneChild("stubborn", [sys.executable, "-c", code], os.environ, tmp_path).start()
    wait_until(child.is_ready, 10)
    child.process.close_pipe()
    assert child.process.wait(10) == -signal.SIGKILL
    child.kill()


def test_child_without_a_supervisor_does_not_read_stdin() -> None:
    code = "from vane.child import *; watch_parent(); announce_ready(); print(input())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input="kept\n", capture_output=True, text=True, check=True)
    assert done.stdout == "kept\n"


def test_topic_identity(topics: Callable[..., str], kafka_bootstrap: str) -> None:
    first, second = topics(3), topics(1)
    identity, partitions = describe_topic(kafka_bootstrap, first)
    assert identity.topic == first
    assert partitions == [0, 1, 2]
    assert describe_topic(kafka_bootstrap, second)[0].topic_id != identity.topic_id
    create_topics(kafka_bootstrap, {first: 3})
    assert describe_topic(kafka_bootstrap, first)[0] == identity


def test_missing_topic_and_missing_broker_are_told_apart(kafka_bootstrap: str) -> None:
    with pytest.raises(OperatorNeeded, match="has no topic 'nowhere'"):
        describe_topic(kafka_bootstrap, "nowhere")
    with pytest.raises(Unavailable):
        create_topics("127.0.0.1:1", {"t": 1}, timeout_s=1)

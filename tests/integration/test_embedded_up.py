"""`vane up` over real servers; flows and API are stand-ins that keep a journal."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests.running import RunningUp, lives, parent_of, program_of, wait_until
from vane.embedded.sockets import socket_folder
from vane.kafka_admin import describe_topic
from vane.store.positions import Counts, Stream, advance_position, open_log, take_position

FAKES = (sys.executable, str(Path(__file__).with_name("up_with_fakes.py")))
CHILDREN = {"api", "commands", "interactions", "catalog", "trends", "learning", "monitor"}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    file = tmp_path / "journal"
    file.touch()
    return file


@pytest.fixture
def start(journal: Path, tmp_path: Path) -> Iterator[Callable[..., RunningUp]]:
    """Starts `vane up` in the test's data folder; all that is left of it is ended afterwards."""
    started: list[RunningUp] = []

    def begin(*arguments: str, data_dir: Path = tmp_path / "data", **environ: str) -> RunningUp:
        environ = {"FAKE_JOURNAL": str(journal), **environ}
        up = RunningUp("--no-demo", *arguments, vane=FAKES, data_dir=data_dir, environ=environ)
        started.append(up)
        return up

    yield begin
    for up in started:
        up.kill()
    for up in started:
        up.__exit__()


def pids(journal: Path) -> dict[str, int]:
    """The newest process of each child."""
    lines = [line.split() for line in journal.read_text().splitlines()]
    return {words[0]: int(words[2]) for words in lines if words[1] == "start"}


def stops(journal: Path) -> list[str]:
    return [line.split()[0] for line in journal.read_text().splitlines() if line.endswith(" stop")]


def test_stops_api_then_flows_then_those_behind_them_and_leaves_nothing(
    start: Callable[..., RunningUp], journal: Path
) -> None:
    up = start()
    up.wait_ready()
    assert set(pids(journal)) == CHILDREN
    everything = up.descendants()
    assert len(everything) > len(CHILDREN) + 6
    assert (up.data_dir / "endpoints.json").stat().st_mode & 0o777 == 0o600
    assert up.stop() == 0, up.output()
    order = stops(journal)
    assert order[:2] == ["monitor", "api"]
    assert set(order[2:5]) == {"interactions", "catalog", "commands"}
    assert set(order[5:]) == {"trends", "learning"}
    assert not [pid for pid in everything if parent_of(pid) is not None]
    assert not (up.data_dir / "endpoints.json").exists()
    assert not any(socket_folder(up.data_dir, name).exists() for name in ("postgres", "redis"))
    assert "lost" not in up.output()


def test_second_up_on_the_folder_names_the_first(start: Callable[..., RunningUp]) -> None:
    up = start()
    up.wait_ready()
    second = subprocess.run(
        [*FAKES, "up", "--data-dir", str(up.data_dir)], check=False, capture_output=True, text=True
    )
    assert second.returncode == 2
    assert second.stderr == f"vane: vane up already runs on {up.data_dir} (pid {up.pid})\n"
    assert up.endpoints


def test_foreign_folder_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    done = subprocess.run(
        [*FAKES, "up", "--data-dir", str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "not a data folder of Vane" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [*FAKES, "up", "--data-dir", str(tmp_path / "data"), "--port", str(port)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"vane: port {port}: Address already in use; choose another")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "environ", "says"),
    [
        ([], {"VANE_CACHE_TTL_MS": "soon"}, "VANE_CACHE_TTL_MS='soon' is not allowed; allowed: a"),
        (["--flows", "trends,dreams"], {}, "no flow 'dreams'; there are interactions, catalog,"),
        (["--port", "http"], {}, "Invalid value for '--port'"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], says: str
) -> None:
    command = [*FAKES, "up", "--data-dir", str(tmp_path / "data"), *arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, **environ}
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("status", [2, 78])
def test_child_that_cannot_start_ends_it_with_its_message(
    start: Callable[..., RunningUp], status: int
) -> None:
    up = start(FAKE_FAIL=f"catalog {status} the model has 100 dimensions")
    assert up.wait() == status
    assert "vane: catalog: the model has 100 dimensions" in up.output()
    assert "Traceback" not in up.output()
    assert not lives(up.data_dir)


def test_killed_parent_leaves_nothing_and_state_lasts(
    start: Callable[..., RunningUp], journal: Path
) -> None:
    up = start()
    with psycopg.connect(up.wait_ready().postgres, autocommit=True) as connection:
        connection.execute("create table kept as select 42 as answer")
    everything = up.descendants()
    up.kill()
    wait_until(lambda: all(parent_of(pid) is None for pid in everything), 10, "outlived it")
    assert not lives(up.data_dir)
    assert not (up.data_dir / "endpoints.json").exists()
    assert not any(socket_folder(up.data_dir, name).exists() for name in ("postgres", "redis"))
    again = start()
    with psycopg.connect(again.wait_ready().postgres) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)
    assert again.stop() == 0


def test_start_right_after_a_kill_waits_for_the_orphans(
    start: Callable[..., RunningUp], journal: Path
) -> None:
    up = start(FAKE_STUBBORN="interactions")  # it ends by force some seconds after its parent
    up.wait_ready()
    orphan = pids(journal)["interactions"]
    up.kill()
    assert parent_of(orphan) is not None
    again = start()
    again.wait_ready()
    assert parent_of(orphan) is None
    assert again.stop() == 0


def test_everything_killed_at_once_starts_again(start: Callable[..., RunningUp]) -> None:
    up = start()
    up.wait_ready()
    everything = up.descendants()
    for pid in [up.pid, *everything]:
        if parent_of(pid) is not None:
            os.kill(pid, signal.SIGKILL)
    up.wait()
    again = start()
    again.wait_ready()
    assert again.stop() == 0


def test_killed_child_is_restarted(start: Callable[..., RunningUp], journal: Path) -> None:
    up = start()
    up.wait_ready()
    first = pids(journal)
    os.kill(first["interactions"], signal.SIGKILL)
    up.wait_for_output("interactions ended (signal 9), starts again in 0.2 s")
    wait_until(lambda: pids(journal)["interactions"] != first["interactions"], 10)
    assert {n: pid for n, pid in pids(journal).items() if n != "interactions"} == {
        n: pid for n, pid in first.items() if n != "interactions"
    }
    assert up.stop() == 0, up.output()


def server_pids(up: RunningUp, program: str) -> list[int]:
    """Processes of a server's program, not of its warden."""
    return [pid for pid in up.descendants() if program_of(pid) == program]


def test_killed_redis_and_postgres_come_back_where_they_were(
    start: Callable[..., RunningUp],
) -> None:
    up = start()
    endpoints = up.wait_ready()
    with psycopg.connect(endpoints.postgres, autocommit=True) as connection:
        postmaster = connection.execute("select pg_read_file('postmaster.pid')").fetchone()
        connection.execute("create table kept as select 42 as answer")
    assert postmaster is not None
    for pid in server_pids(up, "redis-server"):
        os.kill(pid, signal.SIGKILL)
    os.kill(int(postmaster[0].split()[0]), signal.SIGKILL)
    up.wait_for_output("redis ended")
    up.wait_for_output("postgres ended")

    def answer() -> bool:
        try:
            with psycopg.connect(endpoints.postgres) as connection:
                connection.execute("select answer from kept")
            return bool(redis.Redis.from_url(endpoints.redis).ping())
        except (psycopg.OperationalError, redis.ConnectionError):
            return False

    wait_until(answer, 30, up.output())
    assert up.stop() == 0, up.output()


def test_dead_broker_brings_new_logs_and_says_what_is_lost(
    start: Callable[..., RunningUp], journal: Path
) -> None:
    up = start()
    endpoints = up.wait_ready()
    before = describe_topic(endpoints.kafka, "user-interactions")[0]
    children = pids(journal)
    with psycopg.connect(endpoints.postgres, autocommit=True) as connection:
        stream = Stream("interactions", open_log(connection, before), 0)
        _, epoch = take_position(connection, stream, start=0, owner="test")
        counts = Counts(applied=3)
        advance_position(
            connection, stream, epoch=epoch, previous=0, next_offset=3, end_offset=10, counts=counts
        )
    for pid in server_pids(up, "tansu"):
        os.kill(pid, signal.SIGKILL)
    up.wait_for_output("are lost: at least 7 of user-interactions")
    wait_until(lambda: all(pids(journal)[name] != children[name] for name in CHILDREN), 20)
    after = describe_topic(endpoints.kafka, "user-interactions")[0]
    assert after.topic_id != before.topic_id
    with psycopg.connect(endpoints.postgres) as connection:
        logs = connection.execute("select count(*) from log where topic = 'user-interactions'")
        assert logs.fetchone() == (2,)
    assert up.stop() == 0, up.output()


def test_second_ctrl_c_stops_at_once(start: Callable[..., RunningUp], journal: Path) -> None:
    up = start(FAKE_STUBBORN="interactions")
    up.wait_ready()
    up.send(signal.SIGINT)
    wait_until(lambda: "interactions stubborn" in journal.read_text(), 10)
    wait_until(lambda: "catalog" in stops(journal), 10)
    assert up._process.poll() is None
    up.send(signal.SIGINT)
    assert up.wait(15) == 0, up.output()
    ended = r"^(.* )?interactions\b.* ended before having read everything$"
    assert re.search(ended, up.output(), re.MULTILINE)
    assert not lives(up.data_dir)


def test_ctrl_c_while_starting_stops_cleanly(start: Callable[..., RunningUp]) -> None:
    up = start()
    up.wait_for_output("Vane starts")
    up.send(signal.SIGINT)
    assert up.wait(20) == 0, up.output()
    assert not lives(up.data_dir)

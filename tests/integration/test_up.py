"""`vane up` with the real flows and API."""

import json
import os
import signal
import subprocess
from pathlib import Path

import httpx
import psycopg
from confluent_kafka import Producer

from tests.running import VANE, RunningUp, lives, wait_until
from vane.embedded.postgres import Postgres
from vane.embedded.sockets import socket_folder
from vane.kafka_admin import describe_topic
from vane.settings import Settings

PASSED = "select coalesce(sum(next_offset), 0) from stream_position where flow = 'interactions'"


def produce(bootstrap: str, count: int) -> None:
    """Events of 50 users on items that do not exist; returns once they are acknowledged."""
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for i in range(count):
        user, item, event_id = f"u{i % 50}", f"i{i % 70}", f"e{i}-{os.urandom(4).hex()}"
        event = {"event_id": event_id, "user_id": user, "item_id": item, "action": "view"}
        producer.produce("user-interactions", json.dumps({**event, "ts": 1_700_000_000 + i}), user)
    assert producer.flush(30) == 0


def passed(uri: str) -> int:
    with psycopg.connect(uri) as connection:
        row = connection.execute(PASSED).fetchone()
    assert row is not None
    return int(row[0])


def child_pid(up: RunningUp, *arguments: str) -> int | None:
    """The process of a child by its command line."""
    for pid in up.descendants():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if tuple(command[-len(arguments) :]) == arguments:
            return pid
    return None


def test_serves_and_creates_the_topics(vane_up: RunningUp) -> None:
    endpoints = vane_up.endpoints
    assert httpx.get(f"{endpoints.api}/readyz").status_code == 200
    partitions = {
        topic: len(describe_topic(endpoints.kafka, topic)[1])
        for topic in ("user-interactions", "product-updates", "admin-commands")
    }
    wide = Settings().topic_partitions
    assert partitions == {"user-interactions": wide, "product-updates": wide, "admin-commands": 1}


def test_commands_find_it_and_the_environment_wins(vane_up: RunningUp) -> None:
    command = [*VANE, "config", "--json", "--data-dir", str(vane_up.data_dir)]
    environ = {**os.environ, "VANE_REDIS_URL": "redis://:secret@elsewhere"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["VANE_KAFKA_BOOTSTRAP"]["value"] == vane_up.endpoints.kafka
    assert rows["VANE_KAFKA_BOOTSTRAP"]["source"] == "vane up"
    assert rows["VANE_REDIS_URL"]["value"] == "redis://:***@elsewhere"
    assert rows["VANE_REDIS_URL"]["source"] == "environment"
    assert rows["VANE_CACHE_TTL_MS"]["source"] == "default"
    assert vane_up.endpoints.admin_key not in done.stdout


def test_killed_flow_goes_on_where_it_was(vane_up: RunningUp) -> None:
    endpoints = vane_up.endpoints
    before = passed(endpoints.postgres)
    produce(endpoints.kafka, 5_000)
    pid = child_pid(vane_up, "flow", "interactions")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    produce(endpoints.kafka, 1_000)
    wait_until(lambda: passed(endpoints.postgres) == before + 6_000, 60, vane_up.output())
    with psycopg.connect(endpoints.postgres) as connection:
        applied = connection.execute(
            "select sum(applied) from stream_position where flow = 'interactions'"
        )
        rows = connection.execute("select count(*) from interaction")
        assert applied.fetchone() == rows.fetchone()


def test_clean_stop_right_after_producing_loses_nothing() -> None:
    small_chunks = {"VANE_CHUNK_EVENTS_MAX": "100"}
    with RunningUp("--no-demo", "--flows", "interactions,trends", environ=small_chunks) as up:
        produce(up.wait_ready().kafka, 8_000)
        assert up.stop() == 0
        assert "lost" not in up.output()
        assert not lives(up.data_dir)
        sockets = socket_folder(up.data_dir, "test")
        server = Postgres(up.data_dir / "postgres", sockets, up.data_dir / "logs").start()
        try:
            assert passed(server.uri) == 8_000
        finally:
            server.stop()


def test_wrong_setting_is_one_line_with_key_value_and_what_is_allowed(tmp_path: Path) -> None:
    command = [*VANE, "up", "--data-dir", str(tmp_path / "data")]
    environ = {**os.environ, "VANE_CLOCK": "lunar"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)
    assert done.returncode == 2
    says = "vane: setting VANE_CLOCK='lunar' is not allowed; allowed: wall or event\n"
    assert done.stderr == says
    assert not (tmp_path / "data").exists()

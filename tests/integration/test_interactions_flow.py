"""flows/interactions as a process of its own, on a real broker: bad input, and kill -9."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from confluent_kafka import Producer

from flows.interactions import TOPIC
from tests.support import DAY_MS, add_item, event, unit_vectors
from vane.audit import audit_all
from vane.embedded.broker import LOOPBACK, Broker, free_port
from vane.kafka_admin import create_topics
from vane.settings import Settings, variable
from vane.store.connection import Connection
from vane.store.tuning import read_tuning
from vane.store.verification import open_snapshot

MESSAGE_BYTES_MAX = 8 << 20
PATIENCE_S = 60.0


@pytest.fixture
def broker(server_folder: Any) -> Iterator[str]:
    """A broker of the test's own, with an empty `user-interactions` of two partitions."""
    server = Broker(server_folder).start()
    create_topics(server.bootstrap, {TOPIC: 2})
    yield server.bootstrap
    server.stop()


@pytest.fixture
def environ(settings: Settings, broker: str) -> dict[str, str]:
    """Environment of a flow process."""
    return {
        **os.environ,
        variable("database_url"): settings.database_url,
        variable("redis_url"): settings.redis_url,
        variable("kafka_bootstrap"): broker,
        variable("chunk_events_max"): "500",
    }


@contextmanager
def flow(environ: dict[str, str], *options: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "vane", "flow", "interactions", *options]
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def produce(broker: str, messages: list[bytes | None], partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": broker, "message.max.bytes": MESSAGE_BYTES_MAX})
    for message in messages:
        producer.produce(TOPIC, message, partition=partition)
    assert producer.flush(30) == 0


def wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < until, "not done in time"
        time.sleep(0.02)


def passed(connection: Connection) -> int:
    row = connection.execute("select sum(next_offset)::bigint from stream_position").fetchone()
    return (row and row[0]) or 0


def assert_exact(connection: Connection) -> None:
    tuning, _ = read_tuning(connection)
    with open_snapshot(connection) as snapshot:
        assert audit_all(snapshot, tuning.half_lives_s, lambda _: None).listed == []


GOOD = event("good")
TOO_DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
BAD: list[tuple[bytes | None, str, str]] = [
    (b"\x00\xff garbage", "$", "not JSON"),
    (b"", "$", "not JSON"),
    (None, "$", "empty message"),
    (b"[1]", "$", "Expected `object`, got `array`"),
    (event("b", user_id=5), "user_id", "Expected `str`, got `int`"),
    (event("b", item_id=""), "item_id", "length >= 1"),
    (event("b", user_id="x" * 129), "user_id", "length <= 128"),
    (event("b", user_id="a\u0000b"), "user_id", "control character"),
    (event("b", session_id="a\u0000b"), "session_id", "control character"),
    (GOOD.replace(b'"u"', b'"\\ud800"'), "$", "not JSON"),
    (GOOD.replace(b'"item_id"', b'"other"'), "item_id", "missing"),
    (GOOD.replace(b'"event_id"', b'"other"'), "event_id", "missing"),
    (GOOD.replace(b'"ts"', b'"other"'), "ts", "missing"),
    (event("b", action="dance"), "action", "unknown action 'dance'"),
    (event("b", ts="yesterday"), "ts", "Invalid RFC3339"),
    (event("b", ts="2024-01-01T00:00:00"), "ts", "timezone"),
    (event("b", ts=-1), "ts", "before 2000"),
    (event("b", ts="1999-12-31T23:59:59Z"), "ts", "before 2000"),
    (event("b", action="rating"), "value", "needs a value"),
    (event("b", action="rating", value=6), "value", "from 1 to 5"),
    (event("b", value=float("nan")), "$", "not JSON"),
    (event("b", value=float("inf")), "$", "not JSON"),
    (GOOD[:-1] + b', "value": 1e999}', "value", "out of range"),
    (TOO_DEEP, "$", "nested too deep"),
    (GOOD[:-1] + b', "more": ' + TOO_DEEP + b"}", "$", "nested too deep"),
    (event("b", padding="x" * (2 << 20)), "$", "message of 2097"),
    (b'{"specversion": "1.0", "data": {"user_id": 1}}', "data.", ""),
]


def test_bad_input_is_dead_lettered_and_the_flow_goes_on(
    connection: Connection, environ: dict[str, str], broker: str
) -> None:
    add_item(connection, "i", unit_vectors(1)[0])
    cloud = b'{"specversion": "1.0", "id": "1", "type": "t", "data": ' + event("cloud") + b"}"
    future = event("future", ts=DAY_MS * 100)
    rating = event("rating", action="rating", value=2)
    far = GOOD.replace(b"egood", b"efar").replace(b"1700000000000", b"9" * 400)
    good = [GOOD, cloud, future, far, rating, GOOD]
    messages = [bad for bad, _, _ in BAD] + good
    with flow(environ) as process:
        produce(broker, messages)
        wait_for(lambda: passed(connection) >= len(messages))
        assert process.poll() is None
    letters = connection.execute(
        'select "offset", field, reason, payload from dead_letter order by "offset"'
    ).fetchall()
    assert len(letters) == len(BAD)
    for offset, (letter, (raw, field, reason)) in enumerate(zip(letters, BAD, strict=True)):
        assert letter[0] == offset
        assert letter[1].startswith(field), letter[1:3]
        assert reason in letter[2], letter[1:3]
        assert letter[3] == raw
    row = connection.execute(
        "select applied, dead_lettered, duplicates, empty, clamped, next_offset - start_offset "
        "from stream_position where partition = 0"
    ).fetchone()
    assert row == (5, len(BAD), 1, 0, 2, len(messages))
    weights = connection.execute("select event_id, weight from interaction").fetchall()
    ones = {"egood": 1.0, "ecloud": 1.0, "efuture": 1.0, "efar": 1.0}
    assert dict(weights) == {**ones, "erating": -1.5}
    clamped = connection.execute(
        "select count(*) from interaction where ts < now() + interval '5 minutes' and "
        "event_id in ('efuture', 'efar')"
    ).fetchone()
    assert clamped == (2,)
    assert_exact(connection)


def test_killed_five_times_in_the_middle_of_a_load(
    connection: Connection, environ: dict[str, str], broker: str
) -> None:
    vectors = unit_vectors(20)
    for number, vector in enumerate(vectors):
        add_item(connection, f"i{number}", vector)
    each = 15_000
    for partition in range(2):
        numbers = range(partition * each, (partition + 1) * each)
        produce(
            broker,
            [event(n, user=f"u{n % 97}", item=f"i{n % 23}", ts=DAY_MS + n) for n in numbers],
            partition,
        )
    kills = 0
    while kills < 5:
        before = passed(connection)
        with flow(environ) as process:
            target = before + 2 * each // 7
            wait_for(lambda target=target: passed(connection) >= target)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            kills += 1
    assert passed(connection) < 2 * each, "the kills were too late to mean anything"
    with flow(environ) as process:
        wait_for(lambda: passed(connection) >= 2 * each)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    row = connection.execute(
        "select count(*), count(distinct event_id) from interaction"
    ).fetchone()
    assert row == (2 * each, 2 * each)
    assert_exact(connection)


def test_two_processes_share_the_partitions_and_one_killed_comes_back_alone(
    connection: Connection, environ: dict[str, str], broker: str
) -> None:
    add_item(connection, "i", unit_vectors(1)[0])
    each = 3_000
    with flow(environ, "--processes", "2") as fleet:
        wait_for(lambda: len(owners(connection)) == 2)
        members = psutil.Process(fleet.pid).children()
        assert len(members) == 2
        members[0].kill()
        for partition in range(2):
            produce(broker, [event(f"{partition}-{n}") for n in range(each)], partition)
        wait_for(lambda: passed(connection) == 2 * each)
        assert members[1].is_running()
        fleet.send_signal(signal.SIGTERM)
        assert fleet.wait(20) == 0
    assert owners(connection) == {"interactions 0/2", "interactions 1/2"}
    assert epochs(connection) == [2, 1]
    assert_exact(connection)


def epochs(connection: Connection) -> list[int]:
    rows = connection.execute("select epoch from stream_position order by partition")
    return [epoch for (epoch,) in rows]


@contextmanager
def cluster(environ: dict[str, str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes that know of each other, on loopback."""
    addresses = ";".join(f"{LOOPBACK}:{free_port()}" for _ in range(2))
    with (
        flow(environ, "-i", "0", "-a", addresses) as first,
        flow(environ, "-i", "1", "-a", addresses) as second,
    ):
        yield [first, second]


def last_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    return process.stderr.read().decode().strip().splitlines()[-1]


def test_a_cluster_shares_the_partitions_and_applies_everything_once(
    connection: Connection, environ: dict[str, str], broker: str
) -> None:
    add_item(connection, "i", unit_vectors(1)[0])
    each = 3_000
    for partition in range(2):
        numbers = range(partition * each, (partition + 1) * each)
        produce(broker, [event(n, user=f"u{n % 97}") for n in numbers], partition)
    with cluster(environ) as members:
        wait_for(lambda: passed(connection) >= each)
        members[0].kill()
        assert members[1].wait(20) == 1
        assert last_line(members[1]) == "vane: another process of the cluster has ended"
    assert passed(connection) < 2 * each, "the kill was too late to mean anything"
    with cluster(environ) as members:
        wait_for(lambda: passed(connection) == 2 * each)
        assert owners(connection) == {"interactions 0/2", "interactions 1/2"}
        for member in members:
            member.send_signal(signal.SIGTERM)
        assert [member.wait(20) for member in members] == [0, 0]
    rows = connection.execute("select count(*), count(distinct event_id) from interaction")
    assert rows.fetchone() == (2 * each, 2 * each)
    assert_exact(connection)


def test_a_fenced_process_of_a_cluster_says_so(
    connection: Connection, environ: dict[str, str], broker: str
) -> None:
    with cluster(environ) as members:
        wait_for(lambda: len(owners(connection)) == 2)
        connection.execute("update stream_position set epoch = epoch + 1 where partition = 1")
        produce(broker, [event(1)], partition=1)
        assert [member.wait(20) for member in members] == [1, 75]
        assert "partition 1 at offset 0 is no longer ours" in last_line(members[1])
    fenced = connection.execute("select partition, fenced from stream_position order by 1")
    assert fenced.fetchall() == [(0, 0), (1, 1)]


def owners(connection: Connection) -> set[str]:
    """Flow and share; host and process id stand behind them."""
    rows = connection.execute("select owner from stream_position where owner is not null")
    return {" ".join(owner.split()[:2]) for (owner,) in rows}


def test_hints_name_users_versions_and_the_position(
    connection: Connection, environ: dict[str, str], broker: str, redis_url: str
) -> None:
    import redis  # noqa: PLC0415 - the test listens as any front end could

    add_item(connection, "i", unit_vectors(1)[0])
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as hints, flow(environ):
        hints.subscribe("vane:preferences")
        produce(broker, [event(1, user="ann"), event(2, user="bob"), b"garbage"], partition=1)
        seen: list[dict[str, Any]] = []

        def heard() -> bool:
            message = hints.get_message(ignore_subscribe_messages=True, timeout=0.1)
            if message is not None:
                seen.append(json.loads(message["data"]))
            return bool(seen) and seen[-1]["next_offset"] == 3

        wait_for(heard)
    changes = [change for hint in seen for change in hint["changes"]]
    assert sorted(changes) == [["ann", 1], ["bob", 1]]
    assert {hint["partition"] for hint in seen} == {1}
    assert set(seen[-1]) == {"changes", "log", "partition", "next_offset", "ts"}


def test_a_recreated_topic_stops_the_flow_with_the_command_to_accept_it(
    connection: Connection, environ: dict[str, str], server_folder: Any
) -> None:
    with flow(environ):
        wait_for(lambda: connection.execute("select 1 from log").fetchone() is not None)
    other = Broker(server_folder).start()
    try:
        create_topics(other.bootstrap, {TOPIC: 2})
        with flow({**environ, variable("kafka_bootstrap"): other.bootstrap}) as process:
            assert process.wait(PATIENCE_S) == 78
            assert process.stderr is not None
            last = process.stderr.read().decode().strip().splitlines()[-1]
    finally:
        other.stop()
    assert last.startswith(f"vane: topic '{TOPIC}' was recreated")
    assert last.endswith(f"vane accept-log {TOPIC}")

"""flows/trends on real PostgreSQL: every committed log row counts exactly once."""

import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import replace
from threading import Event

import msgspec
import psycopg
import pytest
import redis
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

import flows.log_reader
from flows.kafka import Share
from flows.meter import FlowMeter
from flows.trends import build
from schemas.events import TrendsHint
from tests.trends_log import (
    ALL_SLOTS,
    PARTITIONS,
    START,
    Log,
    Logged,
    Process,
    catch_up,
    some_events,
)
from vane.bus import TRENDS
from vane.errors import Fenced
from vane.interaction import TREND_SLOTS, item_slot
from vane.popularity import HALF_LIVES_S, HEATS
from vane.settings import Settings
from vane.store import trends as store
from vane.store.connection import Connection
from vane.store.slot_log import read_log_spans


def run(flow: Dataflow) -> None:
    run_main(flow)  # type: ignore[no-untyped-call]


def stored(connection: Connection) -> dict[str, tuple[int, dict[str, float]]]:
    rows = connection.execute(f"select item_id, events, {', '.join(HEATS)} from item_trend")
    return {item: (events, dict(zip(HEATS, heats, strict=True))) for item, events, *heats in rows}


def trends_lag(connection: Connection) -> int:
    """Committed log rows that no slot has counted."""
    row = connection.execute(
        "select coalesce(sum(applied) filter (where flow = 'interactions'), 0) - "
        "coalesce(sum(applied) filter (where flow like 'trends/%'), 0) from stream_position"
    ).fetchone()
    assert row is not None
    return int(row[0])


def assert_exact(connection: Connection, events: list[Logged]) -> None:
    """Counts are equal, and each heat is what a direct sum over all events gives."""
    trends = stored(connection)
    assert {item: events for item, (events, _) in trends.items()} == Counter(e.item for e in events)
    sums: dict[tuple[str, str], list[float]] = defaultdict(list)
    for item, weight, ts, _ in events:
        for name, half_life_s in HALF_LIVES_S.items():
            sums[item, name].append(
                max(weight, 0) * 2 ** ((ts - START).total_seconds() / half_life_s)
            )
    for (item, name), parts in sums.items():
        offset = START.timestamp() / HALF_LIVES_S[name]
        expected = offset + math.log2(math.fsum(parts)) if math.fsum(parts) else -math.inf
        assert trends[item][1][name] == pytest.approx(expected, abs=1e-6)
    assert trends_lag(connection) == 0


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.log_reader, "BATCH_OFFSETS_MAX", 100)


@pytest.fixture
def log(connection: Connection) -> Log:
    return Log(connection)


@pytest.mark.usefixtures("small_batches")
def test_trends_are_the_direct_sums_over_partitions_gaps_and_batches(
    connection: Connection, log: Log
) -> None:
    for seed in range(6):
        log.append(seed % PARTITIONS, some_events(100 * (1 + seed % 2), seed), empty=7 * seed)
    assert trends_lag(connection) == len(log.events)
    assert catch_up(connection) > 6
    assert_exact(connection, log.events)
    assert catch_up(connection) == 0
    log.append(1, some_events(50, seed=9))
    assert catch_up(connection) == 1
    assert_exact(connection, log.events)


def test_rows_beyond_the_interactions_position_are_not_read(
    connection: Connection, log: Log
) -> None:
    log.append(0, some_events(5, seed=1))
    log.insert(0, 15, some_events(5, seed=2))
    catch_up(connection)
    assert_exact(connection, log.events)


def test_an_older_log_is_read_first_and_to_its_end(connection: Connection, log: Log) -> None:
    old, new = some_events(1_000, seed=1), [Logged("new", 1.0, START)]
    log.append(0, old)
    newer = Log(connection, topic_id="2")
    newer.append(0, new)
    assert catch_up(connection) == 2
    assert_exact(connection, old + new)
    assert stored(connection)["new"][1]["heat_1k"] == pytest.approx(1.0)  # 1,000 events before it


def test_the_event_clock_of_one_partition_depends_on_the_log_alone(
    connection: Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.log_reader, "BATCH_OFFSETS_MAX", 7)
    events = [event._replace(weight=1.0) for event in some_events(200, seed=3)]
    log.append(0, events)
    catch_up(connection)
    for item, (_, heats) in stored(connection).items():
        clocks = [clock for clock, event in enumerate(events) if event.item == item]
        direct = math.log2(math.fsum(2 ** (clock / 1_000) for clock in clocks))
        assert heats["heat_1k"] == pytest.approx(direct, abs=1e-9)


@pytest.mark.usefixtures("small_batches")
def test_a_crash_between_read_and_commit_loses_and_repeats_nothing(
    connection: Connection, log: Log
) -> None:
    log.append(0, some_events(450, seed=1))
    for _ in range(3):
        process = Process(connection, ALL_SLOTS, "dies")
        first, second = process.read_batch(), process.read_batch()
        assert first is not None
        assert second is not None
        process.write(first)
    catch_up(connection)
    assert_exact(connection, log.events)


def test_a_failure_behind_the_fence_takes_the_positions_back(
    connection: Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(0, some_events(50, seed=1))
    process = Process(connection)
    batch = process.read_batch()
    assert batch is not None
    with monkeypatch.context() as patch:
        patch.setitem(store._SQL, "write_trends", "insert into item_trend (nothing) values (1)")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            process.write(batch)
    assert trends_lag(connection) == 50
    catch_up(connection)
    assert_exact(connection, log.events)


def test_a_batch_cannot_be_applied_twice(connection: Connection, log: Log) -> None:
    log.append(0, some_events(50, seed=1))
    process = Process(connection)
    batch = process.read_batch()
    assert batch is not None
    process.write(batch)
    with pytest.raises(Fenced, match="16 of 16 slot positions are no longer ours"):
        process.write(batch)
    assert_exact(connection, log.events)


def test_an_owner_that_was_replaced_is_fenced_off(connection: Connection, log: Log) -> None:
    log.append(0, some_events(50, seed=1))
    zombie = Process(connection, ALL_SLOTS, "zombie")
    late = zombie.read_batch()
    assert late is not None
    successor = Process(connection, ALL_SLOTS, "successor")
    mine = successor.read_batch()
    assert mine is not None
    with pytest.raises(Fenced):
        zombie.write(late)
    successor.write(mine)
    log.append(0, some_events(50, seed=2))
    again = zombie.read_batch()
    assert again is not None
    with pytest.raises(Fenced):
        zombie.write(again)
    catch_up(connection)
    assert_exact(connection, log.events)


def test_processes_share_the_slots_and_one_can_take_over_all_of_them(
    connection: Connection, log: Log
) -> None:
    shares = [[s for s in ALL_SLOTS if Share(index, 2).owns(s)] for index in range(2)]
    log.append(0, some_events(300, seed=1))
    catch_up(connection, shares[0])
    assert {item_slot(item) % 2 for item in stored(connection)} == {0}
    catch_up(connection, shares[1])
    assert_exact(connection, log.events)
    log.append(0, some_events(300, seed=2))
    catch_up(connection, shares[1])
    log.append(2, some_events(300, seed=3))
    catch_up(connection)
    assert_exact(connection, log.events)


def test_positions_count_their_own_rows_and_end_where_the_log_ends(
    connection: Connection, log: Log
) -> None:
    log.append(0, some_events(300, seed=1), empty=5)
    catch_up(connection)
    rows = connection.execute(
        "select flow, next_offset, applied, empty from stream_position where flow like 'trends/%'"
    ).fetchall()
    expected = Counter(f"trends/{item_slot(event.item):02d}" for event in log.events)
    assert len(rows) == TREND_SLOTS
    assert {flow: applied for flow, _, applied, _ in rows if applied} == expected
    [span] = read_log_spans(connection)
    assert {next_offset for _, next_offset, _, _ in rows} == {span.next_offset}
    assert all(applied + empty == 305 for _, _, applied, empty in rows)


def test_the_dataflow_drains_to_the_end_and_publishes_a_hint(
    connection: Connection, log: Log, settings: Settings
) -> None:
    log.append(0, some_events(300, seed=1))
    stop = Event()
    stop.set()
    with redis.Redis.from_url(settings.redis_url) as client, client.pubsub() as pubsub:
        pubsub.subscribe(TRENDS)
        assert pubsub.get_message(timeout=2) is not None
        run(build(replace(settings, drain="end"), Share(), stop, FlowMeter("trends")))
        message = pubsub.get_message(timeout=2)
    assert message is not None
    hint = msgspec.json.decode(message["data"], type=TrendsHint)
    assert hint.items == len({event.item for event in log.events})
    assert_exact(connection, log.events)


def test_without_a_drain_a_stop_leaves_the_rest_for_the_next_start(
    connection: Connection, log: Log, settings: Settings
) -> None:
    log.append(0, some_events(10, seed=1))
    stop = Event()
    stop.set()
    run(build(settings, Share(), stop, FlowMeter("trends")))
    assert trends_lag(connection) == 10


SLOW_FLOW = """
import os, flows.log_reader
from flows.kafka import Share
from flows.run import run_flow
from vane.settings import load_settings
flows.log_reader.BATCH_OFFSETS_MAX = 40
run_flow("trends", load_settings(os.environ), Share())
"""


def start_flow(settings: Settings) -> "subprocess.Popen[bytes]":
    environ = {
        **os.environ,
        "VANE_DATABASE_URL": settings.database_url,
        "VANE_REDIS_URL": settings.redis_url,
        "VANE_TRENDS_FLUSH_MS": "10",
        "VANE_DRAIN": "end",
    }
    return subprocess.Popen([sys.executable, "-c", SLOW_FLOW], env=environ)


def test_kill_9_in_the_middle_of_a_catch_up_is_exact(
    connection: Connection, log: Log, settings: Settings
) -> None:
    for partition in range(PARTITIONS):
        log.append(partition, some_events(4_000, seed=partition))
    for _ in range(3):
        before = trends_lag(connection)
        process = start_flow(settings)
        while trends_lag(connection) == before:
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
        process.wait()
        assert trends_lag(connection) > 0
    process = start_flow(settings)
    while trends_lag(connection) > 6_000:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert_exact(connection, log.events)

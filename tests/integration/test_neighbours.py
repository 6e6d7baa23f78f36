"""Neighbours on real PostgreSQL: equal to a batch recomputation, whatever happens on the way."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from threading import Event

import numpy as np
import pytest
from bytewax.testing import run_main

import flows.log_reader
import flows.look_back
import flows.neighbours
import vane.covisitation
from flows.kafka import Share
from flows.log_reader import Batch
from flows.look_back import Observer
from flows.meter import FlowMeter
from flows.neighbours import Neighbours
from flows.trends import TrendsWriter, build
from tests.trends_log import ALL_SLOTS, START, Log, Logged, Process, catch_up
from vane.audit_report import Report
from vane.audit_trends import check_trends
from vane.errors import Fenced
from vane.pairs import Rows
from vane.settings import Settings
from vane.store.connection import Connection
from vane.store.neighbours import write_rows
from vane.store.replay import reset_trends
from vane.store.verification import open_snapshot

HOUR_S = 3_600.0


@pytest.fixture
def log(connection: Connection) -> Log:
    return Log(connection)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.log_reader, "BATCH_OFFSETS_MAX", 60)


def visits(count: int, seed: int, users: int = 12, items: int = 40) -> list[Logged]:
    """Events in the order of time, several of a user on an item among them."""
    random = Random(seed)
    return [
        Logged(
            item=f"item-{int(items * random.random() ** 2)}",
            weight=random.choice([1.0, 2.0, 8.0, 0.0, -4.0]),
            ts=START + timedelta(seconds=seed * HOUR_S + number * random.uniform(0, 60)),
            user=f"user-{random.randrange(users)}",
        )
        for number in range(count)
    ]


def audited(connection: Connection) -> Report:
    """Trends and neighbours held against the log by the arithmetic of `vane verify`."""
    report = Report()
    with open_snapshot(connection) as snapshot:
        check_trends(snapshot, report, lambda _: None)
    return report


def assert_exact(connection: Connection, *, rows: int) -> None:
    """All rows agree with the log, which is behind the positions, and none has lost anything."""
    report = audited(connection)
    assert report.listed == []
    assert report.neighbour_items == rows
    found = connection.execute(
        "select count(*), max(u.lost) from item_neighbour, unnest(lost) u(lost)"
    )
    assert found.fetchone() == (4 * rows, 0.0)
    assert lag(connection, "neighbours") == lag(connection, "trends") == 0


def lag(connection: Connection, part: str) -> int:
    row = connection.execute(
        "select coalesce(sum(applied) filter (where flow = 'interactions'), 0) "
        "- coalesce(sum(applied) filter (where starts_with(flow, %s)), 0) from stream_position",
        [f"{part}/"],
    ).fetchone()
    assert row is not None
    return int(row[0])


def liked(log: Log) -> int:
    """Items with an event that counts."""
    return len({event.item for event in log.events if event.weight > 0})


def batches(process: Process) -> Iterator[Batch]:
    while batch := process.read_batch():
        yield batch


@pytest.mark.usefixtures("small_batches")
def test_batches_restarts_partitions_and_logs_change_nothing(
    connection: Connection, log: Log
) -> None:
    for seed in range(4):
        log.append(seed % 2, visits(150, seed), empty=seed)
        for batch in batches(process := Process(connection)):
            process.write(batch)
            if batch.number == 2:
                break  # and start again
    newer = Log(connection, topic_id="2")
    newer.append(1, visits(150, seed=5))
    catch_up(connection)
    log.events += newer.events
    assert_exact(connection, rows=liked(log))


@pytest.mark.usefixtures("small_batches")
def test_one_process_and_three_make_the_same(connection: Connection, log: Log) -> None:
    shares = [[s for s in ALL_SLOTS if Share(index, 3).owns(s)] for index in range(3)]
    log.append(0, visits(200, seed=1))
    for share in shares:
        catch_up(connection, share)
    assert_exact(connection, rows=liked(log))
    log.append(0, visits(200, seed=2))
    catch_up(connection, shares[1])
    log.append(2, visits(100, seed=3))
    catch_up(connection)
    assert_exact(connection, rows=liked(log))


@pytest.mark.usefixtures("small_batches")
def test_what_was_not_flushed_is_read_again(connection: Connection, log: Log) -> None:
    log.append(0, visits(300, seed=1))
    for _ in range(3):
        process, writer = Process(connection), TrendsWriter(connection, 3_600.0)
        for batch in batches(process):
            writer.write(replace(batch, caught_up=False))
        assert lag(connection, "trends") == 0
        assert lag(connection, "neighbours") == 300
        assert connection.execute("select count(*) from item_neighbour").fetchone() == (0,)
    catch_up(connection)
    assert_exact(connection, rows=liked(log))


def test_a_flush_waits_for_its_time_unless_there_is_nothing_to_read(
    connection: Connection, log: Log
) -> None:
    log.append(0, visits(600, seed=1, items=400))
    process, writer = Process(connection), TrendsWriter(connection, 3_600.0)
    [batch] = batches(process)
    writer.write(batch)
    assert lag(connection, "neighbours") == 600
    writer.write(Batch())
    assert lag(connection, "neighbours") == 0
    log.append(0, visits(3, seed=2))
    [few] = batches(process)
    writer.write(few)
    assert_exact(connection, rows=liked(log))


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(("took_s", "pause_s"), [(0.0, 10.0), (5.0, 20.0), (60.0, 100.0)])
def test_flushes_that_take_long_are_rarer(
    connection: Connection,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
    took_s: float,
    pause_s: float,
) -> None:
    now = [0.0]

    def slow(connection: Connection, rows: Rows, ids: Sequence[str]) -> None:
        now[0] += took_s
        write_rows(connection, rows, ids)

    monkeypatch.setattr(flows.neighbours, "write_rows", slow)
    log.append(0, visits(180, seed=1))
    observer = Observer(connection)
    neighbours = Neighbours(connection, observer, 10.0, lambda: now[0])
    first, second, _ = batches(Process(connection))
    neighbours.add(first, [observer.observe(piece) for piece in first.pieces])
    neighbours.flush()
    neighbours.add(second, [observer.observe(piece) for piece in second.pieces])
    assert not neighbours.is_due(second)
    now[0] = took_s + pause_s - 0.1
    assert not neighbours.is_due(second)
    now[0] += 0.2
    assert neighbours.is_due(second)


def test_an_owner_that_was_replaced_writes_no_neighbours(connection: Connection, log: Log) -> None:
    log.append(0, visits(100, seed=1))
    zombie, late = Process(connection), TrendsWriter(connection, 3_600.0)
    [batch] = batches(zombie)
    late.write(replace(batch, caught_up=False))
    successor = Process(connection)
    [mine] = batches(successor)
    with pytest.raises(Fenced):
        late.write(Batch())
    successor.write(mine)
    assert_exact(connection, rows=liked(log))


def test_a_single_user_cannot_push_an_item_or_a_pair(connection: Connection, log: Log) -> None:
    crowd = [Logged(item, 1.0, START, f"u{n}") for n in range(30) for item in ("a", "b")]
    spam = [Logged(item, 1.0, START, "bot") for _ in range(500) for item in ("x", "y")]
    log.append(0, crowd + spam)
    catch_up(connection)
    rows = connection.execute(
        "select item_id, pow(2, heat_never), weight_sum, mass[1], weights "
        "from item_trend join item_neighbour using (item_id)"
    ).fetchall()
    popularity = {item: (heat, total, mass) for item, heat, total, mass, _ in rows}
    assert popularity["a"] == pytest.approx((30.0, 30.0, 30.0))
    assert popularity["x"] == pytest.approx((2.0, 2.0, 2.0))
    pairs = {item: np.frombuffer(weights, "<f4")[0] for item, *_, weights in rows}
    assert pairs["a"] == 30.0
    assert pairs["x"] <= 4.0
    assert_exact(connection, rows=4)


@pytest.mark.usefixtures("small_batches")
def test_little_memory_for_histories_and_items_changes_nothing(
    connection: Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.look_back, "HISTORY_BYTES_MAX", 3_000)
    monkeypatch.setattr(flows.look_back, "LOOKUP_USERS", 5)
    monkeypatch.setattr(flows.neighbours, "ITEMS_MAX", 25)
    monkeypatch.setattr(flows.neighbours, "FLUSH_ROWS", 7)
    for seed in range(3):
        log.append(seed % 2, visits(200, seed, users=40))
    catch_up(connection)
    assert_exact(connection, rows=liked(log))


def test_memory_stays_within_its_bounds(
    connection: Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows.log_reader, "BATCH_OFFSETS_MAX", 200)
    monkeypatch.setattr(flows.look_back, "HISTORY_BYTES_MAX", 20_000)
    monkeypatch.setattr(flows.neighbours, "PAIRS_MAX", 500)
    monkeypatch.setattr(flows.neighbours, "FLUSH_ROWS", 30)
    monkeypatch.setattr(vane.covisitation, "BUFFER_PAIRS", 100)
    monkeypatch.setattr(vane.covisitation, "HELD_MAX", 60)
    monkeypatch.setattr(vane.covisitation, "NEIGHBOURS_MAX", 30)
    monkeypatch.setattr("vane.pair_oracle.LISTED_MAX", 30)
    log.append(0, visits(2_000, seed=1, users=100, items=200))
    process, writer = Process(connection), TrendsWriter(connection, 0.0)
    for batch in batches(process):
        writer.write(batch)
        assert writer.neighbours._pairs.pairs <= 500
        assert writer._observer._histories._bytes <= 20_000
    report = audited(connection)
    assert report.listed == []
    assert report.neighbour_items == liked(log)
    [(longest, lost)] = connection.execute(
        "select max(cardinality(neighbours)), max(lost[1]) from item_neighbour"
    )
    assert longest == 30
    assert lost > 0


def test_a_merge_changes_nothing_of_what_was_or_will_be_counted(
    connection: Connection, log: Log
) -> None:
    log.append(0, visits(100, seed=1, users=4))
    process = Process(connection)
    [batch] = batches(process)
    process.write(batch)
    log.append(0, visits(100, seed=2, users=4))
    connection.execute(
        "update interaction set user_id = 'user-0', visitor = coalesce(visitor, user_id) "
        "where user_id = 'user-1'"
    )
    catch_up(connection)
    log.append(0, visits(100, seed=3, users=1))
    catch_up(connection)
    assert_exact(connection, rows=liked(log))


def test_an_idle_owner_notices_that_all_is_to_be_made_anew(
    connection: Connection, log: Log
) -> None:
    log.append(0, visits(100, seed=1))
    process = Process(connection)
    for batch in batches(process):
        process.write(batch)
    process.check_positions()
    reset_trends(connection)
    assert connection.execute("select count(*) from item_neighbour").fetchone() == (0,)
    with pytest.raises(Fenced, match="were set back"):
        process.check_positions()
    catch_up(connection)
    assert_exact(connection, rows=liked(log))


def test_a_drain_flushes_the_neighbours_at_once(
    connection: Connection, log: Log, settings: Settings
) -> None:
    log.append(0, visits(2_000, seed=1, items=150))
    stop = Event()
    stop.set()
    started = time.monotonic()
    flow = build(replace(settings, drain="end"), Share(), stop, FlowMeter("trends"))
    run_main(flow)  # type: ignore[no-untyped-call]
    assert time.monotonic() - started < 8
    assert_exact(connection, rows=liked(log))

"""`vane verify` on a small database that is consistent (see `counted_log`), then corrupted."""

import sys
from collections.abc import Callable
from random import Random

import msgspec
import pytest

from flows.log_reader import LogReader
from flows.trends import TrendsWriter
from tests.integration.counted_log import ROWS, slot_of, write_world
from tests.support import Worker, add_item, event, unit_vectors
from vane.audit_report import Report
from vane.cli import main
from vane.settings import Settings
from vane.store.connection import Connection

Verify = Callable[..., tuple[int, str]]


@pytest.fixture
def world(connection: Connection) -> Connection:
    write_world(connection)
    return connection


@pytest.fixture
def verify(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verify:
    """Runs the command in this process: its exit code and what it wrote."""
    monkeypatch.setenv("VANE_DATABASE_URL", settings.database_url)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["vane", "verify", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        written = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, written.out + written.err

    return run


def test_a_consistent_database_is_verified(world: Connection, verify: Verify) -> None:
    # Sums may agree to the last bit: so they differ, by far less than what is allowed.
    world.execute("update item_trend set heat_7d = heat_7d * (1 + 1e-15::float8)")
    status, output = verify("--json")
    report = msgspec.json.decode(output, type=Report)
    assert report.listed == []
    assert status == 0
    assert (report.users, report.events, report.trend_items) == (4, len(ROWS), 4)
    assert report.partitions == 1
    assert 0 < report.worst_user_error < 1
    assert 0 < report.worst_trend_error < 1
    assert verify()[1].endswith("everything agrees\n")


def test_what_the_flows_write_is_verified(
    connection: Connection, settings: Settings, verify: Verify
) -> None:
    random = Random(1)
    vectors = unit_vectors(6)
    logs: list[list[bytes | None]] = [[], []]
    for number in range(400):
        user, item = f"user-{number % 7}", f"item-{random.randrange(8)}"
        fields = {"action": random.choice(["view", "purchase", "hide"])}
        logs[number % 2] += [event(number + random.randrange(9_000) * 60, user, item, **fields)]
    logs[0] += [b"garbage", None, logs[0][-1]]
    for number, vector in enumerate(vectors):
        add_item(connection, f"item-{number}", vector)
    worker = Worker(settings, connection, logs)
    for partition in (0, 1, 1, 0, 0, 1):
        worker.apply(worker.chunk(partition, most=60))
    assert verify()[0] == 0
    add_item(connection, "item-6", None)
    add_item(connection, "item-7", vectors[0])
    worker.drain()
    worker.close()
    reader = LogReader(connection, list(range(16)), "test")
    writer = TrendsWriter(connection, 0.0)
    while batch := reader.read_batch():
        writer.write(batch)
    status, output = verify("--json")
    report = msgspec.json.decode(output, type=Report)
    assert report.listed == []
    assert (status, report.users, report.trend_items) == (0, 7, 8)
    [pending] = connection.execute("select count(*) from pending").fetchall()
    assert pending == (0,)


def test_an_empty_database_is_verified(connection: Connection, verify: Verify) -> None:
    assert verify()[0] == 0


def test_only_one_user_is_looked_at_when_one_is_named(world: Connection, verify: Verify) -> None:
    world.execute("update user_preference set events = 99 where user_id = 'bob'")
    status, output = verify("--user", "ann", "--json")
    assert (status, msgspec.json.decode(output, type=Report).users) == (0, 1)
    status, output = verify("--user", "bob")
    assert (status, "user bob: events is 99, expected 2" in output) == (1, True)
    status, output = verify("--user", "nobody")
    assert (status, output) == (1, "vane: user 'nobody' is neither in the log nor stored\n")


NUDGED = (
    "(select array_agg(x + case when i = 3 then 1e-3 else 0 end order by i)::real[]::vector "
    "from unnest({}::real[]) with ordinality as t (x, i))"
)

CORRUPTIONS = {
    "a long vector": (
        f"update user_preference set long = {NUDGED.format('long')} where user_id = 'ann'",
        "user ann: long is off by ",
    ),
    "a short vector": (
        f"update user_preference set short = {NUDGED.format('short')} where user_id = 'dot'",
        "user dot: short is off by ",
    ),
    "a mass": (
        "update user_preference set mass_short = mass_short + 1e-9 where user_id = 'bob'",
        "user bob: mass_short is off by ",
    ),
    "the count of a user's events": (
        "update user_preference set events = events + 1 where user_id = 'ann'",
        "user ann: events is 5, expected 4",
    ),
    "the hash": (
        "update user_preference set event_hash = event_hash # 1 where user_id = 'cid'",
        "user cid: event_hash is ",
    ),
    "the time": (
        "update user_preference set as_of = as_of + interval '1 microsecond' where user_id = 'bob'",
        "user bob: as_of in microseconds is ",
    ),
    "a state is missing": (
        "delete from user_preference where user_id = 'cid'",
        "user cid: no state, expected 1 events",
    ),
    "a state too many": (
        (
            "insert into user_preference select 'eve', long, short, mass_long, mass_short, as_of, "
            "version, events, event_hash, recent from user_preference where user_id = 'bob'"
        ),
        "user eve: is stored, but the log has no events",
    ),
    "an event does not wait any more": (
        "delete from pending where user_id = 'cid'",
        "event at log 1 partition 0 offset 11: has no row in pending",
    ),
    "an event waits though its term was added": (
        (
            'insert into pending select log_id, partition, "offset", recorded_at, user_id, '
            'item_id, ts, weight from interaction where "offset" = 5'
        ),
        "event at log 1 partition 0 offset 5: is pending, but the log says otherwise",
    ),
    "a waiting event has another weight": (
        "update pending set weight = 1 where user_id = 'cid'",
        "event at log 1 partition 0 offset 11: is pending, but the log says otherwise",
    ),
    "a version of an item is lost": (
        "delete from item_version where item_id = 'rock'",
        "item rock: version 4 is used, but not stored",
    ),
    "the counts of a partition": (
        (
            "update stream_position set applied = applied - 1, duplicates = duplicates + 1 "
            "where flow = 'interactions'"
        ),
        f"interactions log 1 partition 0: {len(ROWS)} rows of the log, but {len(ROWS) - 1} applied",
    ),
    "the count of dead letters": (
        "update stream_position set dead_lettered = 0, erased = 1 where flow = 'interactions'",
        "interactions log 1 partition 0: 1 dead letters, but 0 dead_lettered",
    ),
    "counts that don't add up": (
        (
            "alter table stream_position drop constraint counts_add_up; "
            "update stream_position set empty = 9 where flow = 'interactions'"
        ),
        (
            f"interactions log 1 partition 0: {len(ROWS) + 3} offsets of the span, but "
            f"{len(ROWS) + 11} counted in all"
        ),
    ),
    "a log row twice": (
        (
            'insert into interaction select log_id, partition, "offset", '
            "recorded_at - interval '1 s', event_id, user_id, item_id, action, ts, weight, "
            "item_version, excludes, item_slot "
            'from interaction where "offset" = 6'
        ),
        "interactions log 1 partition 0: an offset has more than one log row",
    ),
    "a log row behind the position": (
        'update interaction set "offset" = 900 where "offset" = 6',
        f"interactions log 1 partition 0: a log row is outside of the span 5 to {8 + len(ROWS)}",
    ),
    "a dead letter where a log row is": (
        'update dead_letter set "offset" = 6',
        "event at log 1 partition 0 offset 6: is in the log and a dead letter",
    ),
    "rows of an unknown partition": (
        "update interaction set partition = 3 where user_id = 'bob'",
        "interactions log 1 partition 3: has rows, but no position",
    ),
    "a slot's count": (
        (
            "update stream_position set applied = applied + 1, empty = empty - 1 "
            "where flow = 'trends/00'"
        ),
        "trends/00 log 1 partition 0: 0 rows of the log, but 1 applied",
    ),
    "a slot ahead of the log": (
        (
            "update stream_position set next_offset = 100, empty = empty + 100 - next_offset "
            "where flow = 'trends/00'"
        ),
        "trends/00 log 1 partition 0: is ahead of the log",
    ),
    "a heat without a number": (
        "update item_trend set heat_1d = 'NaN' where item_id = 'rock'",
        "item rock: heat_1d is off by 1e+300 times its bound",
    ),
    "a heat": (
        "update item_trend set heat_1h = heat_1h + 1e-6 where item_id = 'jazz'",
        "item jazz: heat_1h is off by ",
    ),
    "the count of an item's events": (
        "update item_trend set events = events + 1 where item_id = 'rock'",
        "item rock: events is ",
    ),
    "the slot of an item": (
        "update item_trend set slot = (slot + 1) % 16 where item_id = 'rock'",
        "item rock: slot is ",
    ),
    "a trend is missing": (
        "delete from item_trend where item_id = 'untitled'",
        "item untitled: no trend, expected 1 events",
    ),
    "the sum of an item's weights": (
        "update item_trend set weight_sum = weight_sum + 1e-9 where item_id = 'rock'",
        "item rock: weight_sum is off by ",
    ),
    "an item's newest event": (
        "update item_trend set last_ts = last_ts + interval '1 microsecond' where item_id = 'rock'",
        "item rock: last_ts in microseconds is ",
    ),
    "the heat of a segment": (
        "update item_trend set heat_many = heat_many + 1e-6 where item_id = 'rock'",
        "item rock: heat_many is off by ",
    ),
    "a slot's count of the neighbours": (
        (
            "update stream_position set applied = applied + 1, empty = empty - 1 "
            "where flow = 'neighbours/00'"
        ),
        "neighbours/00 log 1 partition 0: 0 rows of the log, but 1 applied",
    ),
    "the mass of an item": (
        "update item_neighbour set mass[2] = mass[2] + 1e-9 where item_id = 'jazz'",
        "item jazz: mass of the neighbours is off by ",
    ),
    "a pair's weight": (
        (
            "update item_neighbour set weights = set_byte(weights, 2, 255 - get_byte(weights, 2)) "
            "where item_id = 'untitled'"
        ),
        "item untitled: neighbour rock is off by ",
    ),
    "a neighbour that never was": (
        (
            "update item_neighbour set neighbours = array_replace(neighbours, 'rock', 'blues') "
            "where item_id = 'untitled'"
        ),
        "item untitled: neighbour ",
    ),
    "lost weights of a short list": (
        "update item_neighbour set lost[1] = 1 where item_id = 'jazz'",
        "item jazz: lost weights though no list was full",
    ),
    "neighbours are missing": (
        "delete from item_neighbour where item_id = 'rock'",
        "item rock: no neighbours, expected a row",
    ),
    "neighbours too many": (
        (
            "insert into item_neighbour select 'blues', slot, as_of, mass, lost, neighbours, "
            "weights from item_neighbour where item_id = 'jazz'"
        ),
        "neighbours of blues: is stored, but the log has no events",
    ),
    "a trend too many": (
        (
            "insert into item_trend (item_id, slot, events, heat_15m, heat_1h, heat_2h24m, "
            "heat_1d, heat_7d, heat_never, heat_1k, heat_10k) select 'blues', slot, events, 1, 1, "
            "1, 1, 1, 1, 1, 1 from item_trend where item_id = 'jazz'"
        ),
        "item blues: is stored, but the log has no events",
    ),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_corruption_is_named(world: Connection, verify: Verify, corruption: str) -> None:
    sql, message = CORRUPTIONS[corruption]
    world.execute(sql)
    status, output = verify()
    assert status == 1
    assert any(line.startswith(message) for line in output.splitlines()), output


def test_trends_that_lag_are_compared_as_far_as_they_have_read(
    world: Connection, verify: Verify
) -> None:
    world.execute("truncate item_trend, item_neighbour")
    world.execute(
        "delete from stream_position where flow like 'trends/%' or flow like 'neighbours/%'"
    )
    assert verify()[0] == 0
    world.execute(
        "insert into stream_position (flow, log_id, partition, start_offset, next_offset, empty) "
        "values (%s, 1, 0, 5, 6, 1)",
        [f"trends/{slot_of('jazz'):02d}"],
    )
    status, output = verify()
    assert status == 1
    assert "item jazz: no trend, expected 1 events" in output


def test_twenty_mismatches_are_listed_and_all_are_counted(
    world: Connection, verify: Verify
) -> None:
    world.execute(
        "insert into user_preference select 'x' || n, long, short, mass_long, mass_short, as_of, "
        "version, events, event_hash, recent from user_preference, generate_series(1, 50) n "
        "where user_id = 'bob'"
    )
    status, output = verify()
    lines = output.splitlines()
    assert status == 1
    assert sum("is stored" in line for line in lines) == 20
    assert lines[-2:] == ["… and 30 more", "50 mismatches"]

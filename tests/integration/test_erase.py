"""Erasing a user beside live workers: nothing of one is left, nothing of others is lost."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from random import Random
from typing import Any

import pytest

from flows import preference_writer
from flows.learning import LogFollower
from tests.support import Worker, add_item, event, unit_vectors
from tests.trends_log import ALL_SLOTS, Process, catch_up
from vane.audit import audit_all
from vane.erase import Erased, MergedAway, erase_at
from vane.errors import Fenced
from vane.merge import merge_users
from vane.settings import Settings
from vane.store import positions
from vane.store.connection import Connection
from vane.store.replay import reset_trends
from vane.store.tuning import read_tuning
from vane.store.verification import open_snapshot

Start = Callable[[], Worker]

USER, OTHER = "jane", "john"
MARKER = json.dumps({"specversion": "1.0", "vanemarker": "0" * 32}).encode()


@pytest.fixture
def logs() -> list[list[bytes | None]]:
    """Two partitions: six events each of two users, a third of them on an unknown item."""
    both: list[bytes | None] = [
        event(n, user=(USER, OTHER)[n % 2], item=("i0", "i1", "late")[n % 3]) for n in range(12)
    ]
    return [both, []]


@pytest.fixture
def start(settings: Settings, connection: Connection, logs: Any) -> Iterator[Start]:
    for number, vector in enumerate(unit_vectors(2)):
        add_item(connection, f"i{number}", vector)
    with ExitStack() as workers:
        yield lambda: workers.enter_context(closing(Worker(settings, connection, logs)))


def erase(connection: Connection, logs: list[list[bytes | None]], user: str = USER) -> Erased:
    """As `erase_user` does it, with lists for a broker."""
    cuts = {partition: len(messages) for partition, messages in enumerate(logs)}
    for messages in logs:
        messages.append(MARKER)
    (log_id,) = connection.execute("select max(log_id) from log").fetchone() or (0,)
    return erase_at(connection, user, log_id, cuts)


def events_of(connection: Connection) -> dict[str, int]:
    rows = connection.execute("select user_id, events from user_preference where events > 0")
    return dict(rows.fetchall())


def counts(connection: Connection) -> tuple[int, ...]:
    """Applied, dead letters, duplicates, erased and empty offsets of flow interactions."""
    row = connection.execute(
        "select sum(applied), sum(dead_lettered), sum(duplicates), sum(erased), sum(empty) "
        "from stream_position where flow = 'interactions'"
    ).fetchone()
    return tuple(map(int, row or ()))


def version_of(connection: Connection, user: str) -> int:
    sql = "select version from user_preference where user_id = %s"
    row = connection.execute(sql, [user]).fetchone()
    assert row is not None
    return int(row[0])


def mentions(connection: Connection, user: str) -> dict[str, int]:
    """In which tables rows name a user, other than as a tombstone."""
    found = {}
    for table, column in [
        ("interaction", "user_id"),
        ("interaction", "visitor"),
        ("pending", "user_id"),
        ("account", "user_id"),
        ("user_preference", "alias_of"),
    ]:
        row = connection.execute(f"select count(*) from {table} where {column} = %s", [user])
        found[f"{table}.{column}"] = (row.fetchone() or (0,))[0]
    row = connection.execute(
        "select count(*) from dead_letter where position(%s::bytea in payload) > 0", [user.encode()]
    )
    found["dead_letter"] = (row.fetchone() or (0,))[0]
    return {table: count for table, count in found.items() if count}


def assert_exact(connection: Connection) -> None:
    tuning, _ = read_tuning(connection)
    with open_snapshot(connection) as snapshot:
        report = audit_all(snapshot, tuning.half_lives_s, lambda _: None)
    assert report.listed == []


def test_everything_of_the_user_goes(start: Start, connection: Connection, logs: Any) -> None:
    broken = event(50, user=USER, action="nonsense")
    logs[1] += [broken, event(51, user=OTHER, action="nonsense"), b'{"user_id": "jane", "ts"']
    start().drain()
    connection.execute(
        "insert into account (user_id, email) values (%s, 'jane@example.com')", [USER]
    )
    before = version_of(connection, USER)
    erased = erase(connection, logs)
    assert erased == ([(USER, before + 1)], 6, 2, 2, 1)
    assert mentions(connection, USER) == {}
    assert set(mentions(connection, OTHER)) == {
        "interaction.user_id",
        "pending.user_id",
        "dead_letter",
    }
    assert events_of(connection) == {OTHER: 6}
    start().drain()
    assert counts(connection) == (6, 3, 0, 6, 2)
    assert_exact(connection)


def test_once_more_deletes_nothing_more(start: Start, connection: Connection, logs: Any) -> None:
    start().drain()
    first = erase(connection, logs)
    again = erase(connection, logs)
    assert again[1:] == (0, 0, 0, 0)
    assert again.changes[0][1] > first.changes[0][1]
    start().drain()
    assert counts(connection) == (6, 0, 0, 6, 4)


def test_events_on_their_way_are_dropped_and_later_ones_count(
    start: Start, connection: Connection, logs: Any
) -> None:
    """In the partition where the worker knows the user, and in one where it does not."""
    worker = start()
    worker.apply(worker.chunk(0, most=6))
    logs[1] += [event(20, user=USER, item="i0"), event(21, user=USER, action="nonsense")]
    erase(connection, logs)
    logs[0] += [event(30, user=USER, item="i1"), event(31, user=OTHER, item="i1")]
    worker.drain()
    assert events_of(connection) == {USER: 1, OTHER: 7}
    assert counts(connection) == (8, 0, 0, 8, 2)
    assert mentions(connection, USER) == {"interaction.user_id": 1}
    assert_exact(connection)


@pytest.mark.parametrize("planned", [1, 2])
def test_a_chunk_that_was_planned_before_is_planned_again(
    start: Start, connection: Connection, logs: Any, planned: int
) -> None:
    worker = start()
    commits = [worker.prepare(0, most=12 // planned) for _ in range(planned)]
    erase(connection, logs)
    for commit in commits:
        commit()
    assert events_of(connection) == {OTHER: 6}
    assert counts(connection)[:4] == (6, 0, 0, 6)
    assert_exact(connection)


def test_planned_by_who_knew_after_one_who_did_not(
    start: Start, connection: Connection, logs: Any
) -> None:
    """The second plan reads the erasure, while the first one is still without it."""
    logs[0] += [event(40, user="new", item="i0"), event(41, user=USER, action="nonsense")]
    worker = start()
    worker.apply(worker.chunk(0, most=6))
    first = worker.prepare(0, most=6)
    erase(connection, logs)
    worker.writer._session._users.clear()
    second = worker.prepare(0, most=2)
    first()
    second()
    assert events_of(connection) == {OTHER: 6, "new": 1}
    assert counts(connection)[:4] == (7, 0, 0, 7)
    assert_exact(connection)


def test_a_dead_letter_that_was_planned_before_is_planned_again(
    start: Start, connection: Connection, logs: Any
) -> None:
    logs[1] += [event(1, user=USER, action="nonsense")]
    worker = start()
    commit = worker.prepare(1, most=1)
    erase(connection, logs)
    commit()
    assert counts(connection) == (0, 0, 0, 1, 0)
    assert mentions(connection, USER) == {}


def test_erased_between_the_position_and_the_states(
    start: Start, connection: Connection, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start()
    worker.apply(worker.chunk(0, most=6))
    advance = positions.advance_position
    tries: list[int] = []

    def erase_first(*args: Any, **fields: Any) -> None:
        if not tries:
            erase(connection, logs)
        tries.append(1)
        advance(*args, **fields)

    monkeypatch.setattr(preference_writer, "advance_position", erase_first)
    worker.drain()
    assert events_of(connection) == {OTHER: 6}
    assert_exact(connection)


def test_a_replay_brings_nothing_back(start: Start, connection: Connection, logs: Any) -> None:
    """The flow reads the log again from its beginning, as after a restored backup."""
    start().drain()
    logs[0] += [event(20, user=USER, item="i0")]
    erase(connection, logs)
    logs[0] += [event(30, user=USER, item="i1")]
    start().drain()
    connection.execute("truncate interaction, pending, dead_letter")
    connection.execute("delete from user_preference where user_id = %s", [OTHER])
    connection.execute(
        "update user_preference set events = 0, event_hash = 0, mass_long = 0, mass_short = 0, "
        "long = array_fill(0, array[384])::vector, short = array_fill(0, array[384])::vector, "
        "recent = decode(repeat('00', 512), 'hex')"
    )
    connection.execute(
        "update stream_position set next_offset = 0, applied = 0, erased = 0, empty = 0"
    )
    start().drain()
    assert events_of(connection) == {USER: 1, OTHER: 6}
    assert counts(connection) == (7, 0, 0, 7, 2)


def test_visitors_go_with_the_account(start: Start, connection: Connection, logs: Any) -> None:
    logs[1] += [event(n, user="anon", item="i0") for n in range(20, 23)]
    worker = start()
    worker.drain()
    merge_users(connection, "anon", USER)
    logs[1] += [event(23, user="anon", item="i1")]
    with pytest.raises(MergedAway, match="name that one"):
        erase(connection, [[], []], "anon")
    erased = erase(connection, logs)
    assert [user for user, _ in erased.changes] == ["anon", USER]
    assert erased.events == 9
    logs[1] += [event(24, user="anon", item="i1")]
    worker.drain()
    assert events_of(connection) == {OTHER: 6, "anon": 1}
    assert mentions(connection, USER) == {}
    assert_exact(connection)


def test_nothing_comes_back_of_a_user_nobody_had_heard_of(
    start: Start, connection: Connection, logs: Any
) -> None:
    worker = start()
    erase(connection, logs)
    worker.drain()
    assert events_of(connection) == {OTHER: 6}
    assert counts(connection) == (6, 0, 0, 6, 2)


@pytest.fixture
def crowd(connection: Connection, logs: Any) -> None:
    """Eight users on twelve items, one item touched by the erased user alone."""
    random = Random(1)
    names = [USER, OTHER, *(f"u{number}" for number in range(6))]
    logs[1] += [
        event(100 + n, user=random.choice(names), item=f"i{random.randrange(12)}")
        for n in range(150)
    ]
    logs[1] += [event(300, user=USER, item="alone")]
    for number in range(2, 12):
        add_item(connection, f"i{number}", None)
    add_item(connection, "alone", None)


@pytest.mark.usefixtures("crowd")
def test_trends_are_exact_without_saying_whose_events_they_hold(
    start: Start, connection: Connection, logs: Any
) -> None:
    worker = start()
    worker.drain()
    catch_up(connection)
    erase(connection, logs)
    logs[1] += [event(400 + n, user=(USER, OTHER)[n % 2], item=f"i{n % 4}") for n in range(8)]
    worker.drain()
    catch_up(connection)
    assert_exact(connection)
    for column, by in [("events", 1), ("events", -1), ("heat_1d", -1)]:
        change = f"update item_trend set {column} = {column} + %s where item_id = 'i3'"
        connection.execute(change, [by])
        with pytest.raises(AssertionError, match="item i3"):
            assert_exact(connection)
        connection.execute(change, [-by])
    reset_trends(connection)
    catch_up(connection)
    assert_exact(connection)
    orphan = connection.execute("select count(*) from item_trend where item_id = 'alone'")
    assert orphan.fetchone() == (0,)
    erased = connection.execute(
        "select sum(erased) from stream_position where flow like 'trends/%'"
    )
    assert erased.fetchone() == (0,)


@pytest.mark.usefixtures("crowd")
def test_trends_that_were_read_and_not_written_begin_again(
    start: Start, connection: Connection, logs: Any
) -> None:
    start().drain()
    process = Process(connection)
    batch = process.read_batch()
    assert batch is not None
    erase(connection, logs)
    with pytest.raises(Fenced):
        process.write(batch)
    catch_up(connection)
    assert_exact(connection)


def test_an_erasure_of_nothing_disturbs_no_trends(
    start: Start, connection: Connection, logs: Any
) -> None:
    worker = start()
    worker.drain()
    assert Process(connection, ALL_SLOTS).read_batch() is not None
    erase(connection, logs, "nobody")
    epochs = connection.execute("select distinct epoch from stream_position where flow like 't%'")
    assert epochs.fetchall() == [(1,)]


def test_learning_begins_anew_without_the_user(
    start: Start, connection: Connection, logs: Any
) -> None:
    start().drain()
    follower = LogFollower(connection, 1_000, {})
    follower.read_batch()
    assert not follower.erased_since()
    erase(connection, logs)
    assert follower.erased_since()
    follower.begin(follower.positions)
    assert not follower.erased_since()
    read = follower.read_batch().blocks
    assert {user for acts in read for user in acts.users} == {OTHER}

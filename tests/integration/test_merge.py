"""Merging a visitor into an account beside live workers: nothing is lost or counted twice."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from itertools import permutations
from typing import Any

import pytest

from flows import preference_writer
from tests.support import Worker, add_item, event, unit_vectors
from vane import merge as merge_module
from vane.audit import audit_all
from vane.errors import InvalidRequest
from vane.merge import merge_users
from vane.rebuild import change_half_lives, rebuild_users
from vane.settings import Settings
from vane.store import interactions as store
from vane.store import merge as merge_store
from vane.store import positions, states
from vane.store.connection import Connection, connect
from vane.store.tuning import read_tuning
from vane.store.verification import open_snapshot

Start = Callable[[], Worker]

VISITOR, ACCOUNT = "anon", "john"


@pytest.fixture
def logs() -> list[list[bytes | None]]:
    """Two partitions: six events of the visitor, six of the account, a third of unknown items."""
    both: list[bytes | None] = [
        event(n, user=(VISITOR, ACCOUNT)[n % 2], item=("i0", "i1", "late")[n % 3])
        for n in range(12)
    ]
    return [both, []]


@pytest.fixture
def start(settings: Settings, connection: Connection, logs: Any) -> Iterator[Start]:
    for number, vector in enumerate(unit_vectors(2)):
        add_item(connection, f"i{number}", vector)
    with ExitStack() as workers:
        yield lambda: workers.enter_context(closing(Worker(settings, connection, logs)))


def events_of(connection: Connection) -> dict[str, int]:
    """Number of events in the state of each user."""
    return dict(connection.execute("select user_id, events from user_preference"))


def version_of(connection: Connection, user: str) -> int:
    sql = "select version from user_preference where user_id = %s"
    row = connection.execute(sql, [user]).fetchone()
    assert row is not None
    return int(row[0])


def assert_exact(connection: Connection, *, applied: int) -> None:
    """Log, states and waiting events agree, and so many events are in the log."""
    tuning, _ = read_tuning(connection)
    with open_snapshot(connection) as snapshot:
        report = audit_all(snapshot, tuning.half_lives_s, lambda _: None)
    assert report.listed == []
    assert report.events == applied
    names = {user for (user,) in connection.execute("select user_id from interaction")}
    merged = connection.execute("select user_id from user_preference where alias_of is not null")
    assert not names & {user for (user,) in merged}


def test_the_account_gets_all_that_the_visitor_did(start: Start, connection: Connection) -> None:
    start().drain()
    before = {user: version_of(connection, user) for user in (VISITOR, ACCOUNT)}
    changes = merge_users(connection, VISITOR, ACCOUNT)
    after = max(before.values()) + 1
    assert changes == [(VISITOR, after), (ACCOUNT, after)]
    assert events_of(connection) == {VISITOR: 0, ACCOUNT: 12}
    assert connection.execute("select distinct user_id from pending").fetchall() == [(ACCOUNT,)]
    assert_exact(connection, applied=12)


def test_the_same_merge_again_changes_nothing(start: Start, connection: Connection) -> None:
    start().drain()
    changes = merge_users(connection, VISITOR, ACCOUNT)
    rows = connection.execute("select * from user_preference order by 1").fetchall()
    assert merge_users(connection, VISITOR, ACCOUNT) == changes
    assert connection.execute("select * from user_preference order by 1").fetchall() == rows


def test_a_merge_into_an_alias_means_its_account(start: Start, connection: Connection) -> None:
    start().drain()
    merge_users(connection, "phone", VISITOR)
    merge_users(connection, VISITOR, ACCOUNT)
    assert merge_users(connection, "tablet", VISITOR)[1][0] == ACCOUNT
    assert merge_users(connection, "phone", ACCOUNT)[1][0] == ACCOUNT
    aliases = connection.execute("select user_id, alias_of from user_preference order by 1")
    assert aliases.fetchall() == [
        (VISITOR, ACCOUNT),
        (ACCOUNT, None),
        ("phone", ACCOUNT),
        ("tablet", ACCOUNT),
    ]
    assert_exact(connection, applied=12)


def test_wrong_merges_are_refused_and_leave_nothing(start: Start, connection: Connection) -> None:
    start().drain()
    merge_users(connection, VISITOR, ACCOUNT)
    rows = connection.execute("select * from user_preference order by 1").fetchall()
    for visitor, account, reason in [
        ("new", "new", "into itself"),
        (ACCOUNT, VISITOR, "into itself"),
        (VISITOR, "other", "into another account before"),
    ]:
        with pytest.raises(InvalidRequest, match=f"visitor: .*{reason}"):
            merge_users(connection, visitor, account)
    assert connection.execute("select * from user_preference order by 1").fetchall() == rows


def test_users_without_events_are_merged_too(
    start: Start, connection: Connection, logs: Any
) -> None:
    merge_users(connection, "new", "newer")
    logs[0] += [event(20, user="new", item="i0"), event(21, user="newer", item="i1")]
    start().drain()
    assert events_of(connection) == {VISITOR: 6, ACCOUNT: 6, "new": 0, "newer": 2}
    assert_exact(connection, applied=14)


def test_later_events_of_the_visitor_count_for_the_account(
    start: Start, connection: Connection, logs: Any
) -> None:
    worker = start()
    worker.drain()
    merge_users(connection, VISITOR, ACCOUNT)
    again = event(0, user=VISITOR, item="i0")
    logs[0] += [event(20, user=VISITOR, item="late"), again, event(21, user=ACCOUNT, item="i1")]
    worker.drain()
    assert events_of(connection) == {VISITOR: 0, ACCOUNT: 14}
    add_item(connection, "late", unit_vectors(3)[2])
    worker.drain()
    assert connection.execute("select count(*) from pending").fetchone() == (0,)
    assert_exact(connection, applied=14)


def test_a_chunk_that_was_planned_ahead_is_planned_again_too(
    start: Start, connection: Connection
) -> None:
    """It counts on a state of the visitor that never came: the merge's has the same version."""
    worker = start()
    first, second = worker.prepare(0, most=6), worker.prepare(0, most=6)
    merge_users(connection, VISITOR, ACCOUNT)
    first()
    second()
    assert events_of(connection) == {VISITOR: 0, ACCOUNT: 12}
    assert_exact(connection, applied=12)


def test_a_chunk_that_was_planned_before_the_merge_is_planned_again(
    start: Start, connection: Connection, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start()
    worker.apply(worker.chunk(0, most=6))
    advance = positions.advance_position
    tries: list[int] = []

    def merge_first(*args: Any, **fields: Any) -> None:
        if not tries:
            merge_users(connection, VISITOR, ACCOUNT)
        tries.append(1)
        advance(*args, **fields)

    monkeypatch.setattr(preference_writer, "advance_position", merge_first)
    worker.drain()
    assert len(tries) == 2
    assert events_of(connection) == {VISITOR: 0, ACCOUNT: 12}
    assert_exact(connection, applied=12)


@pytest.mark.parametrize("step", [(states, "write_states"), (store, "write_log")])
def test_a_merge_waits_for_a_chunk_that_has_the_rows(
    settings: Settings,
    start: Start,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    step: tuple[Any, str],
) -> None:
    worker = start()
    worker.apply(worker.chunk(0, most=6))
    original = getattr(*step)
    merging: list[threading.Thread] = []

    def merge() -> None:
        with connect(settings, "merge") as other:
            merge_users(other, VISITOR, ACCOUNT)

    def merge_meanwhile(*args: Any) -> Any:
        done = original(*args)
        if not merging:
            merging.append(threading.Thread(target=merge))
            merging[0].start()
            while not connection.execute("select from pg_locks where not granted").fetchall():
                assert merging[0].is_alive()
        return done

    monkeypatch.setattr(*step, merge_meanwhile)
    worker.apply(worker.chunk(0))
    merging[0].join()
    assert events_of(connection) == {VISITOR: 0, ACCOUNT: 12}
    assert_exact(connection, applied=12)


@pytest.mark.parametrize("merge_first", [True, False])
def test_waiting_events_are_added_while_their_user_is_merged(
    settings: Settings,
    start: Start,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    *,
    merge_first: bool,
) -> None:
    """The worker has read the visitor's state, and deletes the waiting events then or before."""
    worker = start()
    worker.drain()
    add_item(connection, "late", unit_vectors(3)[2])
    take = store.take_pending
    merging: list[threading.Thread] = []

    def merge() -> None:
        with connect(settings, "merge") as other:
            merge_users(other, VISITOR, ACCOUNT)

    def taken(*args: Any) -> Any:
        if not merging:
            merging.append(threading.Thread(target=merge))
            if merge_first:
                merging[0].run()
        events = take(*args)
        if not merge_first and merging[0].ident is None:
            merging[0].start()
            while not connection.execute("select from pg_locks where not granted").fetchall():
                assert merging[0].is_alive()
        return events

    monkeypatch.setattr(store, "take_pending", taken)
    worker.drain()
    if not merge_first:
        merging[0].join()
    assert events_of(connection) == {VISITOR: 0, ACCOUNT: 12}
    assert connection.execute("select count(*) from pending").fetchone() == (0,)
    assert_exact(connection, applied=12)


def test_the_account_is_merged_away_meanwhile(
    start: Start, connection: Connection, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    start().drain()
    lock = merge_store.lock_users
    merged: list[bool] = []

    def late(*args: Any) -> None:
        if not merged:
            merged.append(True)
            with connect(settings, "merge") as other:
                merge_users(other, ACCOUNT, "boss")
        lock(*args)

    monkeypatch.setattr(merge_module, "lock_users", late)
    assert merge_users(connection, VISITOR, ACCOUNT)[1][0] == "boss"
    assert events_of(connection) == {VISITOR: 0, ACCOUNT: 0, "boss": 12}
    assert_exact(connection, applied=12)


def test_merges_in_all_directions_at_once(
    settings: Settings, start: Start, connection: Connection, logs: Any
) -> None:
    """Whatever is refused: nobody's events are lost, and no alias has an alias."""
    users = [f"u{number}" for number in range(6)]
    logs[1] += [event(f"{user}-{n}", user, ("i0", "late")[n]) for user in users for n in range(2)]
    worker = start()
    worker.drain()
    pairs = list(permutations(users, 2))
    random.Random(1).shuffle(pairs)

    def merge(mine: list[tuple[str, str]]) -> None:
        with connect(settings, "merge") as other:
            for pair in mine:
                with suppress(InvalidRequest):
                    merge_users(other, *pair)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(merge, [pairs[third::3] for third in range(3)]))
    worker.drain()
    assert sorted(events_of(connection).values()) == [0] * 5 + [6, 6, 12]
    assert_exact(connection, applied=24)


def test_states_of_former_half_lives_are_replayed_first(
    start: Start, connection: Connection
) -> None:
    worker = start()
    worker.drain()
    tuning = change_half_lives(connection, 36_000.0, 3_600.0)
    merge_users(connection, VISITOR, ACCOUNT)
    assert_exact(connection, applied=12)
    worker.drain()
    assert sum(len(changes) for changes in rebuild_users(connection, tuning, None)) == 2
    assert events_of(connection) == {VISITOR: 0, ACCOUNT: 12}
    assert_exact(connection, applied=12)


def test_a_half_done_merge_is_found(start: Start, connection: Connection) -> None:
    start().drain()
    merge_users(connection, VISITOR, ACCOUNT)
    connection.execute("update interaction set user_id = %s where event_id = 'e0'", [VISITOR])
    tuning, _ = read_tuning(connection)
    with open_snapshot(connection) as snapshot:
        report = audit_all(snapshot, tuning.half_lives_s, lambda _: None)
    assert "is merged into another, but not wholly" in {row.difference for row in report.listed}

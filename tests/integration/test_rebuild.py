"""Rebuilds beside a live worker: the same states, or those of other half-lives, and exact."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.support import Worker, add_item, event, unit_vectors
from vane.audit import audit_all
from vane.rebuild import change_half_lives, rebuild_these, rebuild_users
from vane.settings import Settings
from vane.store import states
from vane.store.connection import Connection
from vane.store.replay import reset_trends
from vane.store.tuning import read_tuning
from vane.store.verification import open_snapshot

Start = Callable[[], Worker]
HOUR_S = 3_600.0


@pytest.fixture
def logs() -> list[list[bytes | None]]:
    """One partition with events of three users, one of an item that is not there."""
    items = ["i0", "i1", "i2", "late"]
    return [[event(n, user=f"u{n % 3}", item=items[n % 4], ts=1.7e9 + 997 * n) for n in range(60)]]


@pytest.fixture
def start(settings: Settings, connection: Connection, logs: Any) -> Iterator[Start]:
    for number, vector in enumerate(unit_vectors(3)):
        add_item(connection, f"i{number}", vector)
    with ExitStack() as workers:
        yield lambda: workers.enter_context(closing(Worker(settings, connection, logs)))


def differences(connection: Connection) -> list[Any]:
    tuning, _ = read_tuning(connection)
    with open_snapshot(connection) as snapshot:
        return audit_all(snapshot, tuning.half_lives_s, lambda _: None).listed


def rebuild_all(connection: Connection) -> int:
    tuning, _ = read_tuning(connection)
    return sum(len(changes) for changes in rebuild_users(connection, tuning, None))


def test_a_spoilt_state_is_restored(start: Start, connection: Connection) -> None:
    start().drain()
    connection.execute("update user_preference set long = short, mass_short = 7")
    assert len(differences(connection)) == 2 * 3
    assert rebuild_all(connection) == 3
    assert differences(connection) == []
    assert rebuild_all(connection) == 3, "and again, over its own versions"
    assert differences(connection) == []


def test_a_live_worker_goes_on_over_a_rebuild(
    start: Start, connection: Connection, logs: Any
) -> None:
    worker = start()
    worker.apply(worker.chunk(0, most=30))
    rebuild_all(connection)
    worker.drain()
    add_item(connection, "late", unit_vectors(4)[3])
    rebuild_all(connection)
    worker.drain()
    assert differences(connection) == []


def test_events_that_come_between_reading_and_writing_are_not_lost(
    start: Start, connection: Connection, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start()
    worker.apply(worker.chunk(0, most=30))
    write = states.write_states
    raced: list[bool] = []

    def race(*args: Any) -> list[str]:
        if not raced:
            raced.append(True)
            worker.drain()
        return write(*args)

    monkeypatch.setattr("vane.rebuild.write_states", race)
    assert rebuild_all(connection) == 3
    assert raced
    assert differences(connection) == []


def test_other_half_lives_reach_every_state(
    start: Start, connection: Connection, logs: Any
) -> None:
    """The worker learns of them from the first state in its way, or at its next housekeeping."""
    worker = start()
    worker.apply(worker.chunk(0, most=30))
    tuning = change_half_lives(connection, 9 * HOUR_S, 1 * HOUR_S)
    rebuild_these(connection, tuning, ["u0"])
    worker.apply(worker.chunk(0, most=3))
    assert worker.tuning == tuning
    worker.drain()
    generations = connection.execute("select distinct generation from user_preference").fetchall()
    assert generations == [(tuning.generation,)]
    assert differences(connection) == []


def test_states_that_no_event_touches_are_rebuilt_too(start: Start, connection: Connection) -> None:
    start().drain()
    tuning = change_half_lives(connection, 9 * HOUR_S, 1 * HOUR_S)
    assert differences(connection) != []
    assert len([*rebuild_users(connection, tuning, None)]) == 1
    assert differences(connection) == []


def test_trends_begin_from_zero(connection: Connection) -> None:
    connection.execute(
        "insert into log (cluster_id, topic, topic_id) values ('c', 't', 'x');"
        "insert into stream_position (flow, log_id, partition, start_offset, next_offset, applied, "
        "empty) values ('trends/00', 1, 0, 5, 9, 3, 1), ('interactions', 1, 0, 5, 9, 3, 1);"
        "insert into item_trend select 'i', 0, 3, 1, 1, 1, 1, 1, 1, 1, 1"
    )
    reset_trends(connection)
    rows = connection.execute(
        "select flow, next_offset, applied, epoch from stream_position order by flow"
    ).fetchall()
    assert rows == [("interactions", 9, 3, 0), ("trends/00", 5, 0, 1)]
    assert connection.execute("select count(*) from item_trend").fetchone() == (0,)


def test_since_checks_and_rebuilds_only_users_with_newer_events(
    start: Start, connection: Connection, logs: Any
) -> None:
    start().drain()
    connection.execute("update user_preference set mass_long = 7 where user_id in ('u0', 'u1')")
    newest = connection.execute("select as_of from user_preference where user_id = 'u1'").fetchone()
    assert newest is not None
    (since,) = newest
    tuning, _ = read_tuning(connection)

    def spoilt() -> list[str]:
        with open_snapshot(connection) as snapshot:
            report = audit_all(snapshot, tuning.half_lives_s, lambda _: None, since)
        assert report.users == 2
        return [mismatch.subject for mismatch in report.listed]

    assert spoilt() == ["user u1"]
    changes = [change for batch in rebuild_users(connection, tuning, since) for change in batch]
    assert [user for user, _ in changes] == ["u1", "u2"]
    assert spoilt() == []
    assert [mismatch.subject for mismatch in differences(connection)] == ["user u0"]

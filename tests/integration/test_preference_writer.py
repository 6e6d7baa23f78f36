"""The contract of the one transaction, on real PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import psycopg
import pytest

from flows.state_session import PENDING_EVENTS_MAX
from tests.support import DAY_MS, Worker, add_item, event, unit_vectors
from vane.errors import Fenced
from vane.interaction import event_hash
from vane.settings import Settings
from vane.store import interactions as store
from vane.store.connection import Connection
from vane.store.partitions import ensure_log_partitions
from vane.store.positions import accept_gap

VECTORS = unit_vectors(3)
Start = Callable[..., Worker]


@pytest.fixture
def logs() -> list[list[bytes | None]]:
    """Two empty partitions."""
    return [[], []]


@pytest.fixture
def start(
    settings: Settings, connection: Connection, logs: list[list[bytes | None]]
) -> Iterator[Start]:
    """Starts a worker on both partitions; the items i0, i1, i2 exist."""
    for number, vector in enumerate(VECTORS):
        add_item(connection, f"i{number}", vector)
    with ExitStack() as workers:
        yield lambda: workers.enter_context(closing(Worker(settings, connection, logs)))


def user_row(connection: Connection, user: str = "u") -> Any:
    row = connection.execute(
        "select long::real[], short::real[], mass_long, mass_short, version, events, event_hash "
        "from user_preference where user_id = %s",
        [user],
    ).fetchone()
    assert row is not None
    return row


def counts(connection: Connection) -> dict[str, int]:
    columns = ["next_offset", "applied", "dead_lettered", "duplicates", "empty", "clamped"]
    row = connection.execute(
        f"select {', '.join(f'sum({column})::bigint' for column in columns)} from stream_position"
    ).fetchone()
    return dict(zip(columns, row or (), strict=True))


def test_one_event_moves_the_vectors(start: Start, connection: Connection, logs: Any) -> None:
    logs[0] += [event(1, item="i0", action="click"), event(2, item="i1")]
    start().drain()
    long, short, mass_long, mass_short, version, events, digest = user_row(connection)
    second = 2 ** (-1 / (30 * 86_400)), 2 ** (-1 / (6 * 3_600))
    for vector, share in zip((long, short), second, strict=True):
        np.testing.assert_allclose(
            vector, 2 * share * VECTORS[0] + VECTORS[1], rtol=1e-5, atol=1e-6
        )
    assert (mass_long, mass_short) == pytest.approx((2 * second[0] + 1, 2 * second[1] + 1))
    assert (version, events) == (1, 2)
    assert digest % 2**64 == (event_hash("e1") + event_hash("e2")) % 2**64
    logged = connection.execute(
        'select "offset", event_id, item_id, action, weight, item_version, excludes, item_slot '
        "from interaction order by 1"
    ).fetchall()
    assert [row[:7] for row in logged] == [
        (0, "e1", "i0", "click", 2.0, 1, False),
        (1, "e2", "i1", "view", 1.0, 1, False),
    ]


def test_a_redelivered_chunk_is_refused(start: Start, connection: Connection, logs: Any) -> None:
    logs[0].append(event(1, item="i0"))
    worker = start()
    chunk = worker.chunk(0)
    worker.apply(chunk)
    before = user_row(connection)
    with pytest.raises(Fenced, match="no longer ours"):
        worker.apply(chunk)
    assert user_row(connection) == before


def test_a_zombie_is_fenced_off(start: Start, connection: Connection, logs: Any) -> None:
    logs[0].append(event(1, item="i0"))
    zombie = start()
    start()
    with pytest.raises(Fenced):
        zombie.apply(zombie.chunk(0))
    assert counts(connection)["applied"] == 0
    assert connection.execute("select count(*) from user_preference").fetchone() == (0,)


def test_two_workers_on_one_user_lose_no_update(
    start: Start, connection: Connection, logs: Any
) -> None:
    worker_of = [start(), start()]
    worker_of[0].cursors[0].epoch += 1  # the second start took both partitions
    for turn in range(6):
        logs[turn % 2].append(event(turn, item=f"i{turn % 3}"))
        worker = worker_of[turn % 2]
        worker.apply(worker.chunk(turn % 2))
    _, _, mass_long, _, version, events, _ = user_row(connection)
    assert (version, events) == (6, 6)
    assert mass_long == pytest.approx(6, rel=1e-4)


def test_a_refused_write_sees_the_duplicates_of_the_other(
    start: Start, connection: Connection, logs: Any
) -> None:
    logs[0].append(event(0, item="i0"))
    one = start()
    one.apply(one.chunk(0))
    logs[1] += [event(1, item="i1"), event(2, item="i1")]
    two = start()
    two.apply(two.chunk(1))
    one.cursors[0].epoch += 1
    logs[0] += [event(1, item="i1"), event(3, item="i2")]
    one.apply(one.chunk(0))
    assert user_row(connection)[4:6] == (3, 4)
    assert list(counts(connection).values()) == [5, 4, 0, 1, 0, 0]


def test_what_was_planned_on_duplicates_of_another_worker_is_planned_again(
    start: Start, connection: Connection, logs: Any
) -> None:
    """The other has brought the state to the very version that the plan ahead counts on."""
    one = start()
    logs[0] += [event(0, item="i0"), event(1, item="i1"), event(6, item="i2")]
    one.prepare(0, 1)()
    first, second = one.prepare(0, 1), one.prepare(0, 1)
    logs[1] += [event(1, item="i1"), event(5, item="i2")]
    two = start()
    two.apply(two.chunk(1))
    connection.execute('update stream_position set epoch = epoch - 1 where "partition" = 0')
    first()
    second()
    _, _, mass_long, _, version, events, _ = user_row(connection)
    assert (version, events) == (3, 4)
    assert mass_long == pytest.approx(4, rel=1e-4)


def test_a_refused_write_leaves_the_cached_states_of_others_alone(
    settings: Settings, connection: Connection, logs: Any
) -> None:
    """The cache is full, and the states that are next to each other are of the same version."""
    add_item(connection, "i0", VECTORS[0])
    small = replace(settings, user_cache_users=1_000, chunk_events_max=2_500)
    everyone = [f"x{n:04}" for n in range(PENDING_EVENTS_MAX)]
    with closing(Worker(small, connection, logs)) as one:
        for turn, users in enumerate([everyone, everyone[1:], everyone[1:]]):
            logs[0] += [event(f"{turn}{user}", user=user, item="i0") for user in users]
            one.apply(one.chunk(0))
        logs[0].append(event(1, item="i0"))
        one.apply(one.chunk(0))
        logs[1] += [event(n, item="i0") for n in (2, 3, 4)]
        with closing(Worker(small, connection, logs)) as two:
            two.apply(two.chunk(1))
        one.cursors[0].epoch += 1
        logs[0].append(event(5, item="i0"))
        one.apply(one.chunk(0))
        assert user_row(connection)[4:6] == (3, 5)
        logs[0] += [event(f"again{user}", user=user, item="i0") for user in everyone[1:]]
        one.apply(one.chunk(0))
    rows = connection.execute(
        "select distinct version, events from user_preference where user_id > 'x0000'"
    ).fetchall()
    assert rows == [(4, 4)]
    assert one.meter.refused.value == 1


def test_a_crash_inside_the_transaction_writes_nothing(
    start: Start, connection: Connection, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs[0].append(event(1, item="i0"))
    worker = start()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store, "write_log", crash)
        with pytest.raises(KeyboardInterrupt):
            worker.apply(worker.chunk(0))
    assert counts(connection)["next_offset"] == 0
    worker.apply(worker.chunk(0))
    assert user_row(connection)[5] == 1


@pytest.mark.parametrize("arrives", [False, True])
def test_a_lost_commit_acknowledgement(
    start: Start,
    connection: Connection,
    logs: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    arrives: bool,
) -> None:
    """The connection dies around COMMIT; whether it arrived decides nothing."""
    logs[0].append(event(1, item="i0"))
    worker = start()
    exit_transaction = psycopg.Transaction.__exit__
    died: list[bool] = []

    def dies(self: Any, *args: Any) -> Any:
        if died:
            return exit_transaction(self, *args)
        died.append(True)
        if arrives:
            exit_transaction(self, *args)
        self.connection.close()
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(psycopg.Transaction, "__exit__", dies)
    worker.apply(worker.chunk(0))
    assert died
    assert user_row(connection)[4:6] == (1, 1)
    assert counts(connection)["applied"] == 1


def test_duplicates_are_dropped_and_counted(
    start: Start, connection: Connection, logs: Any
) -> None:
    logs[0] += [event(1, item="i0"), event(1, item="i0"), event(2, item="i0")]
    worker = start()
    worker.drain()
    logs[0].append(event(2, item="i0"))
    worker.drain()
    assert user_row(connection)[5] == 2
    assert (counts(connection)["applied"], counts(connection)["duplicates"]) == (2, 2)


def test_events_wait_for_their_item(start: Start, connection: Connection, logs: Any) -> None:
    logs[0] += [event(1, item="late"), event(2, item="i1"), event(3, item="late", user="v")]
    worker = start()
    worker.drain()
    assert user_row(connection)[5] == 2
    assert user_row(connection)[2] == pytest.approx(1, rel=1e-5)
    assert connection.execute("select count(*) from pending").fetchone() == (2,)
    add_item(connection, "late", VECTORS[2])
    worker.drain()
    assert connection.execute("select count(*) from pending").fetchone() == (0,)
    long, _, mass_long, _, version, events, _ = user_row(connection)
    np.testing.assert_allclose(long, VECTORS[1] + VECTORS[2], rtol=1e-5, atol=2e-6)
    assert (mass_long, version, events) == (pytest.approx(2, rel=1e-5), 2, 2)
    versions = connection.execute("select item_version from interaction order by 1").fetchall()
    assert versions == [(1,), (1,), (1,)]


def test_an_item_without_text_counts_but_has_no_vector(
    start: Start, connection: Connection, logs: Any
) -> None:
    add_item(connection, "mute", None)
    logs[0].append(event(1, item="mute"))
    start().drain()
    long, _, mass_long, _, _, events, _ = user_row(connection)
    assert (set(long), mass_long, events) == ({0.0}, 0.0, 1)
    assert connection.execute("select count(*) from pending").fetchone() == (0,)


def test_an_event_uses_the_item_version_of_its_time(
    start: Start, connection: Connection, logs: Any
) -> None:
    logs[0].append(event(1, item="i0"))
    worker = start()
    worker.drain()
    add_item(connection, "i0", VECTORS[1], version=2)
    worker.drain()
    logs[0].append(event(2, item="i0", ts=DAY_MS + 1_000))
    worker.drain()
    np.testing.assert_allclose(
        user_row(connection)[0], VECTORS[0] + VECTORS[1], rtol=1e-5, atol=1e-6
    )
    used = connection.execute('select item_version from interaction order by "offset"').fetchall()
    assert used == [(1,), (2,)]


def test_a_frozen_owner_is_terminated(
    settings: Settings, start: Start, connection: Connection, logs: Any
) -> None:
    """A worker frozen inside its transaction holds the row's lock; the next one takes it away."""
    start()
    with psycopg.connect(settings.database_url) as frozen:
        frozen.execute("update stream_position set applied = applied")
        connection.execute("set lock_timeout = 200")
        worker = start()
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            frozen.execute("select 1")
    logs[0].append(event(1, item="i0"))
    worker.drain()
    assert counts(connection)["applied"] == 1


def test_an_accepted_gap_is_skipped_and_counted(
    start: Start, connection: Connection, logs: Any
) -> None:
    logs[0] += [event(number, item="i0") for number in range(5)]
    worker = start()
    worker.apply(worker.chunk(0, most=2))
    stream = worker.cursors[0].stream
    assert accept_gap(connection, stream, 4) == 2
    assert accept_gap(connection, stream, 4) == 0
    with pytest.raises(Fenced):
        worker.apply(worker.chunk(0))
    start().drain()
    row = connection.execute(
        "select start_offset, next_offset, applied, skipped from stream_position "
        "where partition = 0"
    ).fetchone()
    assert row == (0, 5, 3, 2)


def test_the_log_lies_in_partitions_by_month_made_ahead(
    start: Start, connection: Connection, logs: Any
) -> None:
    logs[0].append(event(1, item="i0"))
    start().drain()
    today = datetime.now(UTC).date()
    where = connection.execute("select tableoid::regclass::text from interaction").fetchall()
    assert where == [(f"interaction_{today:%Y_%m}",)]
    assert ensure_log_partitions(connection, today) == []
    assert ensure_log_partitions(connection, date(2199, 11, 30)) == [
        "interaction_2199_11",
        "interaction_2199_12",
        "interaction_2200_01",
    ]


def test_a_month_whose_rows_lie_elsewhere_gets_no_partition_and_stops_nobody(
    start: Start, connection: Connection, logs: Any
) -> None:
    logs[0].append(event(1, item="i0"))
    start().drain()
    connection.execute("update interaction set recorded_at = '2099-12-24 18:00:00+00'")
    assert ensure_log_partitions(connection, date(2099, 11, 30)) == [
        "interaction_2099_11",
        "interaction_2100_01",
    ]
    where = connection.execute("select tableoid::regclass::text from interaction").fetchall()
    assert where == [("interaction_default",)]

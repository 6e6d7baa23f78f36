"""The monitor tells where the installation stands, also when parts of it are away."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support import Worker, add_item, event, unit_vectors
from vane.canary import USER, Canary
from vane.client import Vane
from vane.meter import Meter
from vane.metrics import meter_of
from vane.monitor import Monitor
from vane.settings import Settings
from vane.store.connection import Connection

USERS = 30


@pytest.fixture
def numbers() -> Meter:
    return meter_of("monitor")


@pytest.fixture
def watch(settings: Settings, numbers: Meter) -> Iterator[Monitor]:
    monitor = Monitor(settings, numbers)
    yield monitor
    monitor.close()


@pytest.fixture
def filled(settings: Settings, connection: Connection) -> None:
    """Some users with a state."""
    add_item(connection, "i", unit_vectors(1)[0])
    worker = Worker(settings, connection, [[event(n, user=f"u{n}") for n in range(USERS)]])
    worker.apply(worker.chunk(0, USERS))
    worker.close()


def line(numbers: Meter, start: str) -> float:
    (found,) = [each for each in numbers.text().decode().splitlines() if each.startswith(start)]
    return float(found.rsplit(" ", 1)[1])


@pytest.mark.usefixtures("filled")
def test_it_tells_what_became_of_messages_and_how_tables_are(
    watch: Monitor, numbers: Meter, connection: Connection
) -> None:
    connection.execute("update stream_position set fenced = 2")
    watch.look_at_streams()
    watch.look_at_servers()
    watch.survey()
    applied = 'vane_log_messages_total{flow="interactions",outcome="applied"}'
    assert line(numbers, applied) == USERS
    assert line(numbers, 'vane_log_fenced_total{flow="interactions",partition="0"}') == 2
    for server in ("postgres", "redis", "kafka"):
        assert line(numbers, f'vane_dependency_up{{server="{server}"}}') == 1
    assert line(numbers, 'vane_table_bytes{table="interaction"}') > 0
    assert line(numbers, "vane_hnsw_bytes") > 0
    assert line(numbers, "vane_kafka_brokers") == 1
    assert "secret" not in numbers.text().decode()


@pytest.mark.usefixtures("filled")
def test_an_audit_finds_a_state_that_is_not_what_the_log_gives(
    watch: Monitor, numbers: Meter, connection: Connection
) -> None:
    watch.audit()
    assert line(numbers, 'vane_audited_users_total{result="different"}') == 0
    checked = line(numbers, 'vane_audited_users_total{result="equal"}')
    assert checked > 0
    connection.execute("update user_preference set events = events + 1")
    watch.audit()
    assert line(numbers, 'vane_audited_users_total{result="different"}') > 0
    assert line(numbers, 'vane_audited_users_total{result="equal"}') == checked


def test_servers_that_are_away_are_told_of_and_stop_nothing(
    settings: Settings, numbers: Meter
) -> None:
    away = replace(
        settings,
        redis_url="redis://127.0.0.1:1/0",
        kafka_bootstrap="127.0.0.1:1",
        database_url="postgresql://vane@127.0.0.1:1/vane",
    )
    monitor = Monitor(away, numbers)
    for look in (monitor.look_at_streams, monitor.look_at_servers, monitor.survey, monitor.audit):
        look()
    monitor.close()
    for server in ("postgres", "redis", "kafka"):
        assert line(numbers, f'vane_dependency_up{{server="{server}"}}') == 0


def test_a_canary_without_an_api_fails_once_the_api_was_there(numbers: Meter) -> None:
    with Vane("http://127.0.0.1:1", timeout_s=0.5) as api:
        canary = Canary(api, numbers, 1.0)
        canary.run()
        assert line(numbers, 'vane_canary_runs_total{result="failed"}') == 0
        canary._was_up = True
        canary.run()
        assert line(numbers, 'vane_canary_runs_total{result="failed"}') == 1
        assert line(numbers, 'vane_dependency_up{server="api"}') == 0


def test_an_event_of_the_canary_moves_nobody_and_counts_nowhere(
    settings: Settings, connection: Connection
) -> None:
    add_item(connection, "i", unit_vectors(1)[0])
    worker = Worker(settings, connection, [[event(500, user=USER, action="canary")]])
    worker.apply(worker.chunk(0, 1))
    worker.close()
    rows = connection.execute(
        "select weight from interaction where user_id = %s", [USER]
    ).fetchall()
    assert rows == [(0.0,)]
    norm, mass, events = connection.execute(
        "select vector_norm(long), mass_long, events from user_preference where user_id = %s",
        [USER],
    ).fetchone() or (None, None, None)
    assert (norm, mass, events) == (0.0, 0.0, 1)

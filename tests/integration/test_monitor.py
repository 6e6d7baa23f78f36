"""The monitor tells where the installation stands, also when parts of it are away."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.support import Worker, add_item, event, unit_vectors
from vane.bus import ShownItems
from vane.canary import USER, Canary
from vane.client import Vane
from vane.features import FEATURES
from vane.linear import LinearRanker
from vane.meter import Meter
from vane.metrics import meter_of
from vane.monitor import Monitor
from vane.ranking import Model
from vane.settings import Settings
from vane.store.connection import Connection
from vane.store.models import publish_model

USERS = 30
ITEMS = 2_000


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


def list_items(connection: Connection, count: int) -> None:
    """Items with contents, as serving sees them."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into item (item_id, version, title, kind, content)"
            " values (%s, 1, 'An item', 'product', %s)",
            [
                (f"monitor-{number}", str(vector.tolist()))
                for number, vector in enumerate(unit_vectors(count))
            ],
        )


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


@pytest.mark.usefixtures("filled")
def test_it_tells_how_far_vectors_and_weights_have_moved(
    settings: Settings, numbers: Meter, connection: Connection
) -> None:
    now = [1_000_000.0]
    list_items(connection, 5)
    monitor = Monitor(settings, numbers, lambda: now[0])
    ranker = LinearRanker(FEATURES)
    publish_model(connection, Model(ranker), {}, {})
    monitor.survey()
    assert line(numbers, 'vane_vector_shift{vectors="long",window="hour"}') < 1e-6
    assert line(numbers, 'vane_model_shift{part="linear",window="hour"}') == 0
    ((length,),) = connection.execute(
        "select avg(vector_norm(long)) from user_preference"
    ).fetchall()
    assert line(numbers, 'vane_vector_length{vectors="long"}') == pytest.approx(length)
    connection.execute(
        "update user_preference set long = array_fill(-1, array[384])::vector * long"
    )
    connection.execute("update item set content = array_fill(-1, array[384])::halfvec * content")
    before = np.linalg.norm(ranker.flat)
    ranker.weights += 0.5
    publish_model(connection, Model(ranker), {}, {})
    now[0] += 3_700
    monitor.survey()
    for vectors in ("long", "items"):
        shift = line(numbers, f'vane_vector_shift{{vectors="{vectors}",window="hour"}}')
        assert shift == pytest.approx(2, abs=1e-3), vectors
    assert line(numbers, 'vane_vector_shift{vectors="short",window="hour"}') < 1e-6
    distance = 0.5 * len(ranker.weights) ** 0.5 / before
    shift = line(numbers, 'vane_model_shift{part="linear",window="day"}')
    assert shift == pytest.approx(distance, rel=1e-4)
    now[0] += 3_700
    monitor.survey()
    assert line(numbers, 'vane_model_shift{part="linear",window="hour"}') == 0
    assert line(numbers, 'vane_model_shift{part="linear",window="day"}') > 0
    monitor.close()


def test_it_tells_what_lists_have_shown_and_what_a_search_costs(
    settings: Settings, watch: Monitor, numbers: Meter, connection: Connection
) -> None:
    list_items(connection, ITEMS)
    connection.execute("update item set available = false where item_id = 'monitor-0'")
    connection.execute("analyze item")

    async def show() -> None:
        sketches = ShownItems(settings.redis_url)
        for item in ("monitor-1", "monitor-2", "monitor-1"):
            assert await sketches.add([item], 3_600.0)
        await sketches.close()

    watch._clock = lambda: 3_600.0
    asyncio.run(show())
    watch.survey()
    for window in ("hour", "day"):
        assert line(numbers, f'vane_coverage_ratio{{window="{window}"}}') == 2 / (ITEMS - 1)
    assert line(numbers, "vane_hnsw_probe_indexed") == 1
    assert line(numbers, 'vane_hnsw_probe_rows{result="kept"}') == 40
    assert line(numbers, 'vane_hnsw_probe_rows{result="removed"}') <= 1
    assert line(numbers, 'vane_hnsw_probe_pages{result="hit"}') >= 40


@pytest.mark.usefixtures("filled")
def test_what_trends_have_not_stored_counts_by_partition(
    watch: Monitor, numbers: Meter, connection: Connection
) -> None:
    connection.execute(
        "insert into stream_position (flow, log_id, partition, start_offset, next_offset)"
        " select flow, log_id, 0, stored, stored from log,"
        " (values ('trends/0', 10), ('trends/1', 7), ('neighbours/0', 30)) as f (flow, stored)"
    )
    watch._clock = lambda: 100.0
    watch.look_at_streams()
    watch._clock = lambda: 105.0
    watch.look_at_streams()
    assert line(numbers, 'vane_reader_lag_events{partition="0",table="trends"}') == USERS - 7
    assert line(numbers, 'vane_reader_lag_seconds{partition="0",table="trends"}') == 5
    assert line(numbers, 'vane_reader_lag_events{partition="0",table="neighbours"}') == 0
    assert line(numbers, 'vane_reader_lag_seconds{partition="0",table="neighbours"}') == 0


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

"""Every metric of the list is exposed by a process under load, and nothing else is."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence

import httpx
import pytest
from confluent_kafka import Producer

from tests.exposed import Samples, read_exposed, read_samples, total
from tests.running import VANE, RunningUp, two_free_ports, wait_until
from tests.support import Worker, add_item, event, unit_vectors
from vane.embedded.broker import LOOPBACK
from vane.metrics import (
    CACHE_LOOKUPS,
    CLAMPED_EVENTS,
    EMBEDDED_TEXTS,
    FLOW_DEAD_LETTERS,
    FLOW_EPOCH,
    FLOW_HINTS,
    FLOW_MESSAGES,
    FLOW_TRANSACTION_MESSAGES,
    FLOW_TRANSACTION_SECONDS,
    FRESHNESS,
    PARTS,
    PENDING_EVENTS,
    PROCESSES,
    REFUSED_STATES,
)
from vane.settings import Settings
from vane.store.connection import Connection

EVENTS = 60


def produce(bootstrap: str, topic: str, messages: Sequence[tuple[str, object]]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for key, value in messages:
        producer.produce(topic, json.dumps(value), key)
    assert producer.flush(30) == 0


def load(bootstrap: str) -> None:
    """Items, then events that are new, twice there, of tomorrow, wrong, or ahead of their item."""
    now = time.time()
    items = [(f"secret-{n}", {"item_id": f"secret-{n}", "title": f"car {n}"}) for n in range(5)]
    produce(bootstrap, "product-updates", [*items, ("x", {"item_id": "secret-x", "op": "blow"})])
    good = [
        {
            "event_id": f"secret-{n}",
            "user_id": f"secret-{n % 7}",
            "item_id": f"secret-{n % 5}",
            "action": "view",
            "ts": now - 1,
        }
        for n in range(EVENTS)
    ]
    odd = [
        good[0],
        {**good[1], "event_id": "secret-ahead", "ts": now + 86_400},
        {**good[2], "event_id": "secret-early", "item_id": "secret-late"},
        {**good[3], "event_id": "secret-wrong", "action": "secret"},
    ]
    produce(bootstrap, "user-interactions", [(str(each["user_id"]), each) for each in good + odd])
    produce(bootstrap, "admin-commands", [("x", {"command_id": "c", "command": "blow", "ts": now})])


class Scraper:
    """Scrapes the processes of a `vane up`."""

    def __init__(self, up: RunningUp) -> None:
        self._pages = up.endpoints.metrics

    def __call__(self, process: str) -> Samples:
        return read_exposed(self._page(process), process)

    def so_far(self, process: str) -> Samples:
        """Of a process that may not have begun with everything yet."""
        return read_samples(self._page(process), process)

    def _page(self, process: str) -> str:
        text = httpx.get(self._pages[process]).text
        assert "secret" not in text
        return text


@pytest.fixture
def fresh_up() -> Iterator[RunningUp]:
    """A `vane up` that nothing else has counted in."""
    with RunningUp("--no-demo") as up:
        up.wait_ready()
        yield up


def test_every_process_exposes_its_part_of_the_list_under_load(fresh_up: RunningUp) -> None:
    endpoints, scrape = fresh_up.endpoints, Scraper(fresh_up)
    assert set(endpoints.metrics) == set(PROCESSES)
    load(endpoints.kafka)

    def applied(flow: str, count: int) -> Callable[[], bool]:
        return lambda: total(scrape.so_far(flow), FLOW_MESSAGES, flow, "applied") >= count

    for flow, count in (("interactions", EVENTS + 2), ("catalog", 5), ("trends", EVENTS)):
        wait_until(applied(flow, count), 60, flow)
    wait_until(applied("learning", EVENTS), 60, "learning")
    letters = f'{FLOW_DEAD_LETTERS.name}{{field="command"'
    wait_until(lambda: letters in httpx.get(endpoints.metrics["commands"]).text, 60, "commands")

    found = scrape("interactions")
    assert total(found, FLOW_MESSAGES, "duplicate") == 1
    assert total(found, FLOW_DEAD_LETTERS, "action") == 1
    assert total(found, CLAMPED_EVENTS) == 1
    assert total(found, PENDING_EVENTS, "began") >= 1
    assert total(found, CACHE_LOOKUPS, "user_states", "miss") >= 7
    for stage in ("committed", "pushed"):
        assert total(found, FRESHNESS, stage) >= EVENTS
    assert total(found, FLOW_TRANSACTION_MESSAGES) >= 1
    assert found["vane_flow_transaction_messages_sum", "interactions"] == EVENTS + 4
    for partition in map(str, range(Settings().topic_partitions)):
        assert found[FLOW_EPOCH.name, "interactions", partition] >= 1
        assert found["vane_flow_lag_events", "interactions", partition] == 0
        assert found["vane_flow_lag_seconds", "interactions", partition] == 0

    found = scrape("catalog")
    assert total(found, EMBEDDED_TEXTS) == 5
    assert total(found, FLOW_DEAD_LETTERS, "op") == 1
    for flow, parts in PARTS.items():
        found = scrape(flow)
        for part in parts:
            assert total(found, FLOW_TRANSACTION_SECONDS, flow, part) >= 1, (flow, part)
        if flow not in {"learning", "commands"}:
            assert total(found, FLOW_HINTS, flow, "sent") >= 1
    assert httpx.get(f"{endpoints.api}/v1/users/secret-1/recommendations").status_code == 200
    scrape("api")


def test_a_refused_state_is_counted(settings: Settings, connection: Connection) -> None:
    add_item(connection, "i", unit_vectors(1)[0])
    worker = Worker(settings, connection, [[event(1), event(2)]])
    worker.apply(worker.chunk(0, 1))
    connection.execute("update user_preference set version = version + 1")
    worker.apply(worker.chunk(0, 1))
    worker.close()
    assert worker.meter.refused.value == 1
    lag = worker.meter.flow.lag(0)
    lag.end_at(2)
    assert lag.events == 0
    text = worker.meter.flow.numbers.text().decode()
    assert f"{REFUSED_STATES.name} 1.0" in text


def environ(settings: Settings, **more: str) -> dict[str, str]:
    return os.environ | more | {
        "VANE_DATABASE_URL": settings.database_url,
        "VANE_REDIS_URL": settings.redis_url,
        "VANE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
    }  # fmt: skip


def test_each_process_of_a_fleet_has_a_port_of_its_own(settings: Settings) -> None:
    first = two_free_ports()
    command = [*VANE, "flow", "trends", "--processes", "2", "--metrics-port", str(first)]
    with subprocess.Popen(command, env=environ(settings), stderr=subprocess.DEVNULL) as fleet:
        try:
            wait_until(lambda: answers(first) and answers(first + 1), 30, "no metrics")
        finally:
            fleet.terminate()
    assert fleet.returncode == 0


def answers(port: int) -> bool:
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    except httpx.TransportError:
        return False
    return 'vane_flow_messages_total{flow="trends"' in text


def test_a_port_in_use_is_wrong_use(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*VANE, "flow", "trends"],
            env=environ(settings, VANE_METRICS_PORT=str(port)),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"vane: metrics on {LOOPBACK} port {port}: ")
    assert len(done.stderr.splitlines()) == 1

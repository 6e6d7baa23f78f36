"""A real Prometheus scrapes a real Vane under load: no panel is empty, every rule works."""

import json
import re
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from confluent_kafka import Producer as RawProducer

from grafana.dashboards import DASHBOARDS
from grafana.generate import RULES
from grafana.scraper import Prometheus, scraping
from tests.running import RunningUp, wait_until
from vane.client import Producer, Vane
from vane.embedded.broker import LOOPBACK, free_port

ITEMS = 40
FILLED_LIMIT_S = 150.0

pytestmark = pytest.mark.ops


class _Taker(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(HTTPStatus.OK)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def traces() -> Iterator[str]:
    """The address of what takes every trace, and keeps none."""
    with ThreadingHTTPServer((LOOPBACK, 0), _Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{LOOPBACK}:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def up(traces: str) -> Iterator[RunningUp]:
    fast = {
        "VANE_MONITOR_INTERVAL_MS": "1000",
        "VANE_CANARY_INTERVAL_MS": "1000",
        "VANE_LEARNING_PUBLISH_MS": "1000",
        "VANE_OTLP_ENDPOINT": traces,
        "VANE_TRACE_SAMPLE": "1",
    }
    with RunningUp("--no-demo", "--simulate", "20", environ=fast) as running:
        running.wait_ready()
        load(running)
        yield running


def load(running: RunningUp) -> None:
    """A catalogue, an event that is wrong, and callers of most routes."""
    with Producer(running.endpoints.kafka) as producer:
        for number in range(ITEMS):
            producer.update_item(
                {"item_id": f"i{number}", "title": f"blue car {number}", "category": "cars"}
            )
        producer.flush()
    api = running.endpoints.api
    wait_until(lambda: httpx.get(f"{api}/v1/items/i1").status_code == 200, 60, "items")
    wrong = {"event_id": "w", "user_id": "u", "item_id": "i1", "action": "blink", "ts": time.time()}
    raw = RawProducer({"bootstrap.servers": running.endpoints.kafka})  # ours would refuse it
    raw.produce("user-interactions", json.dumps(wrong), "u")
    assert raw.flush(30) == 0


@pytest.fixture(scope="module")
def prometheus(up: RunningUp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder, address = tmp_path_factory.mktemp("prometheus"), f"{LOOPBACK}:{free_port()}"
    with scraping(up.endpoints.metrics, folder, address, scrape_s=1, rules=RULES) as found:
        yield found


def test_no_panel_is_empty(up: RunningUp, prometheus: Prometheus) -> None:
    queries = {
        (page.title, panel.title, each.selected)
        for page in DASHBOARDS
        for panel in page.panels
        for each in panel.queries
    }
    deadline = time.monotonic() + FILLED_LIMIT_S
    with Vane(up.endpoints.api) as vane:
        stream = vane.stream("sim-1")
        next(stream)
        while queries and time.monotonic() < deadline:
            for user in range(5):
                vane.recommend(f"sim-{user}", limit=5)
                vane.recommend(f"sim-{user}", limit=5)
            vane.search("blue", user_id="sim-1")
            queries = {each for each in queries if not prometheus.now(each[2])}
            time.sleep(2)
        stream.close()
    assert not queries


def test_histograms_lead_to_recorded_traces(prometheus: Prometheus) -> None:
    def traced(metric: str) -> set[str]:
        found = prometheus.exemplars(f"{metric}_bucket", time.time() - 300, time.time())
        labels = [each["labels"] for series in found for each in series["exemplars"]]
        assert all(set(each) == {"trace_id"} for each in labels), "never an id of a user or item"
        return {each["trace_id"] for each in labels}

    requests = traced("vane_api_request_seconds")
    assert all(re.fullmatch("[0-9a-f]{32}", trace) for trace in requests)
    assert requests & traced("vane_api_stage_seconds"), "a list is part of its request"
    assert traced("vane_flow_transaction_seconds"), "events posted with a trace are followed"


def test_every_rule_can_be_worked_out(prometheus: Prometheus) -> None:
    rules = prometheus.rules()
    assert len(rules) == len(re.findall(r"^  - (?:alert|record):", RULES.read_text(), re.MULTILINE))
    assert {rule["health"] for rule in rules} == {"ok"}
    firing = [rule["name"] for rule in rules if rule.get("state") == "firing"]
    assert not firing, firing

"""A real Prometheus scrapes a real Vane under load: no panel is empty, every rule works."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from confluent_kafka import Producer as RawProducer

from grafana.dashboards import DASHBOARDS
from grafana.generate import RULES
from tests.running import RunningUp, wait_until
from vane.client import Producer, Vane
from vane.embedded.broker import LOOPBACK, free_port

ROOT = Path(__file__).resolve().parents[2]
ITEMS = 40
FILLED_LIMIT_S = 150.0

pytestmark = pytest.mark.ops


@pytest.fixture(scope="module")
def up() -> Iterator[RunningUp]:
    fast = {
        "VANE_MONITOR_INTERVAL_MS": "1000",
        "VANE_CANARY_INTERVAL_MS": "1000",
        "VANE_LEARNING_PUBLISH_MS": "1000",
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
def prometheus(up: RunningUp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, address = tmp_path_factory.mktemp("prometheus"), f"{LOOPBACK}:{free_port()}"
    jobs = [
        {"job_name": f"vane-{name}", "static_configs": [{"targets": [url.split("/")[2]]}]}
        for name, url in up.endpoints.metrics.items()
    ]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "2s"},
        "rule_files": [str(RULES)],
        "scrape_configs": jobs,
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    command: list[str | Path] = [
        ROOT / "build" / "bin" / "prometheus",
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        url = f"http://{address}/api/v1"
        try:
            wait_until(lambda: answers(url), 30, "Prometheus")
            yield url
        finally:
            server.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/status/buildinfo").status_code == 200
    except httpx.TransportError:
        return False


def query(prometheus: str, expression: str) -> list[Any]:
    plain = expression.replace("$__rate_interval", "20s").replace("$__range", "2m")
    for name in ("job", "instance"):
        plain = plain.replace(f'"${name}"', '".+"')
    reply = httpx.get(f"{prometheus}/query", params={"query": plain}, timeout=20).json()
    assert reply["status"] == "success", f"{plain}: {reply}"
    found: list[Any] = reply["data"]["result"]
    return [each for each in found if each["value"][1] != "NaN"]


def test_no_panel_is_empty(up: RunningUp, prometheus: str) -> None:
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
            queries = {each for each in queries if not query(prometheus, each[2])}
            time.sleep(2)
        stream.close()
    assert not queries


def test_every_rule_can_be_worked_out(prometheus: str) -> None:
    groups = httpx.get(f"{prometheus}/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == len(re.findall(r"^  - (?:alert|record):", RULES.read_text(), re.MULTILINE))
    assert {rule["health"] for rule in rules} == {"ok"}
    firing = [rule["name"] for rule in rules if rule.get("state") == "firing"]
    assert not firing, firing

"""From a click to the changed answer, at rising loads: POST /v1/events until the list holds it.

    python -m benchmarks.click_to_change --rates 100 1000 5000 20000 --plot docs/images/latency.svg

Runs `vane up` on a scratch folder; other users' events come from a process of its own. Each click
is a POST and then one GET with `after=TOKEN`, whose answer must be another than before; when it was
committed tells the hint that follows each commit. The floor, measured in turn with the clicks on
the same servers, is what no design can avoid: the message to the broker with its acknowledgement,
back from it, and one row committed.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import redis
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.plots import plot_lines
from benchmarks.processes import VANE, passed
from benchmarks.report import machine as this_machine
from benchmarks.report import table
from vane.bus import PREFERENCES
from vane.kafka_admin import create_topics
from vane.settings import Settings
from vane.store.connection import connect

START_PATIENCE_S = 180.0
SETTLE_S = 3.0
QUEUED_MAX = 50_000
"""Events that wait for the broker; half of what a producer takes by default."""

TICK_S = 0.005
REACHED = 0.9
"""A load counts as reached when at least this part of it is committed as it comes."""

FLOOR_TOPIC = "benchmark-floor"
COLOURS = ["red", "blue", "black", "white", "green"]
KINDS = ["quiet city car", "family estate", "fast coupe", "old diesel van", "electric sport car"]
SHARES = (50, 99, 100)

Endpoints = dict[str, str]


@contextmanager
def vane_up(folder: Path, flows: str, demo: str = "--no-demo") -> Iterator[Endpoints]:
    """A running `vane up`; gives its endpoints."""
    command = [*VANE, "up", demo, "--port", "0", "--flows", flows]
    process = subprocess.Popen([*command, "--data-dir", str(folder)], stdout=subprocess.DEVNULL)
    endpoints = folder / "endpoints.json"
    try:
        until = time.monotonic() + START_PATIENCE_S
        while not endpoints.exists():
            assert process.poll() is None, "vane up has ended"
            assert time.monotonic() < until, "vane up is not ready"
            time.sleep(0.1)
        yield json.loads(endpoints.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def load_items(folder: Path, count: int) -> None:
    """A small catalogue, embedded by the real model."""
    rng = random.Random(1)
    lines = [
        json.dumps({"item_id": f"i{n}", "title": f"{rng.choice(COLOURS)} {rng.choice(KINDS)} {n}"})
        for n in range(count)
    ]
    file = folder / "items.jsonl"
    file.write_text("\n".join(lines))
    command = [*VANE, "load", "items", str(file), "--wait", "--data-dir", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def keep_busy(bootstrap: str, rate: int, items: int) -> None:
    """In a child: other users' events, `rate` a second, evenly, until it is ended."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 2, "log_level": 0})
    rng, run = random.Random(rate), round(time.time())
    started, number = time.monotonic(), 0
    while True:
        due = round((time.monotonic() - started) * rate)
        for n in range(number, due):
            user = f"other{rng.randrange(20_000)}"
            event = {
                "event_id": f"busy{run}-{rate}-{n}",
                "user_id": user,
                "item_id": f"i{rng.randrange(items)}",
                "action": "view",
                "ts": round(time.time() * 1e3),
            }
            while len(producer) >= QUEUED_MAX:
                producer.poll(TICK_S)
            producer.produce("user-interactions", json.dumps(event), key=user)
        number = max(due, number)
        producer.poll(0)
        time.sleep(TICK_S)


@contextmanager
def others(endpoints: Endpoints, rate: int, items: int) -> Iterator[None]:
    """Within, other users are busy."""
    given = [endpoints["kafka"], str(rate), str(items)]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.click_to_change", *given])
    try:
        time.sleep(SETTLE_S)
        yield
    finally:
        process.kill()
        process.wait()


class Commits:
    """When users were committed: the hints tell."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._hints = self._subscribed()

    def forget(self) -> None:
        """Pass over what was told so far, which may be thousands a second."""
        self._hints.close()
        self._hints = self._subscribed()

    def _subscribed(self) -> redis.client.PubSub:
        hints: redis.client.PubSub = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        hints.subscribe(PREFERENCES)
        hints.get_message(timeout=1.0)
        return hints

    def wait(self, user: str) -> float:
        """Seconds since 1970 of the user's next commit."""
        name = f'"{user}"'.encode()
        while True:
            message = self._hints.get_message(timeout=1)
            if message and name in message["data"]:
                return float(json.loads(message["data"])["ts"])

    def close(self) -> None:
        """Leave Redis."""
        self._hints.close()
        self._client.close()


class Floor:
    """The same way without any work in between."""

    def __init__(self, endpoints: Endpoints) -> None:
        bootstrap = endpoints["kafka"]
        create_topics(bootstrap, {FLOOR_TOPIC: 1})
        common = {"bootstrap.servers": bootstrap, "log_level": 0}
        self._producer = Producer({**common, "linger.ms": 2, "acks": "all"})
        self._consumer = Consumer({**common, "group.id": "floor", "fetch.wait.max.ms": 20})
        self._consumer.assign([TopicPartition(FLOOR_TOPIC, 0, 0)])
        self._connection = psycopg.connect(endpoints["postgres"], autocommit=True)
        self._connection.execute("create table if not exists benchmark_floor (n integer)")
        while self._consumer.poll(0.5) is not None:  # what an earlier one has left
            pass

    def pass_once(self) -> float:
        """Milliseconds for one message there, back, and committed."""
        started = time.perf_counter()
        self._producer.produce(FLOOR_TOPIC, b"x")
        self._producer.flush()
        message: Any = None
        while message is None:
            message = self._consumer.poll(1)
        self._connection.execute("insert into benchmark_floor values (1)")
        return 1e3 * (time.perf_counter() - started)

    def close(self) -> None:
        """Leave the servers."""
        self._consumer.close()
        self._connection.close()


@dataclass(slots=True)
class Measured:
    """Milliseconds since the POST of each click, and the floor's of each pass."""

    committed: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)


class FellBehindError(Exception):
    """The load is more than can be committed for long."""


def click(client: httpx.Client, user: str, item: str, etag: str) -> tuple[float, float, str]:
    """When the POST began and an answer held the click, in seconds since 1970; its ETag.

    Raises:
        FellBehindError: no answer held it within ten seconds.
    """
    began = time.time()
    event = {"user_id": user, "item_id": item, "action": "like"}
    token = client.post("/v1/events", json=event).raise_for_status().json()["token"]
    answer = client.get(
        f"/v1/users/{user}/recommendations", params={"after": token, "wait_ms": 10_000}
    ).raise_for_status()
    if answer.headers["Vane-Applied"] != "true":
        raise FellBehindError
    assert answer.headers["ETag"] != etag, "the click changed nothing"
    return began, time.time(), answer.headers["ETag"]


def measure(endpoints: Endpoints, clicks: int, items: int) -> Measured:
    """Clicks and passes of the floor, in turn."""
    rng, measured, etag = random.Random(3), Measured(), ""
    with (
        closing(Floor(endpoints)) as floor,
        closing(Commits(endpoints["redis"])) as commits,
        httpx.Client(base_url=endpoints["api"], timeout=20) as client,
    ):
        for number in range(clicks):
            user = f"visitor{number % 20}"
            commits.forget()
            began, answered, etag = click(client, user, f"i{rng.randrange(items)}", etag)
            measured.committed.append(1e3 * (commits.wait(user) - began))
            measured.answered.append(1e3 * (answered - began))
            measured.floor.append(floor.pass_once())
            time.sleep(rng.uniform(0, 0.05))
    return measured


def committed_s(endpoints: Endpoints) -> float:
    """Events that are committed a second now."""
    with connect(Settings(database_url=endpoints["postgres"]), "benchmark") as connection:
        before, since = passed(connection, "interactions"), time.perf_counter()
        time.sleep(SETTLE_S)
        return (passed(connection, "interactions") - before) / (time.perf_counter() - since)


def shares(values: list[float]) -> list[float]:
    """p50, p99 and the maximum."""
    return [float(np.percentile(values, share)) for share in SHARES]


def report(results: dict[int, Measured], plot: Path | None) -> None:
    """Print one table, draw one plot."""
    rows = []
    for rate, measured in results.items():
        columns = (measured.committed, measured.answered, measured.floor)
        figures = [" / ".join(f"{value:,.0f}" for value in shares(column)) for column in columns]
        rows.append([f"{rate:,}", *figures])
    header = ["events/s", "committed", "answer changed", "floor"]
    print(table(header, rows))
    if plot:
        names = {50: "p50", 99: "p99", 100: "max"}
        lines = {
            f"answer changed, {name}": [
                (rate, float(np.percentile(measured.answered, share)))
                for rate, measured in results.items()
            ]
            for share, name in names.items()
        }
        lines["committed, p50"] = [
            (rate, float(np.median(measured.committed))) for rate, measured in results.items()
        ]
        lines["floor, p50"] = [
            (rate, float(np.median(measured.floor))) for rate, measured in results.items()
        ]
        plot_lines(plot, lines, x="other events/s", y="milliseconds", logarithmic=True)


def main() -> None:
    """Measure each load in turn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1_000, 5_000, 20_000])
    parser.add_argument("--clicks", type=int, default=300)
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--flows", default="interactions,catalog,trends")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    print(f"{this_machine()}; {options.clicks} clicks each, p50 / p99 / max in milliseconds\n")
    results = {}
    with tempfile.TemporaryDirectory(prefix="vane-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with vane_up(folder, options.flows) as endpoints:
            load_items(folder, options.items)
            for rate in options.rates:
                with others(endpoints, rate, options.items):
                    reached = committed_s(endpoints)
                    if reached < REACHED * rate:
                        print(f"{rate:,} events/s: not reached, {reached:,.0f} are committed\n")
                        break
                    try:
                        measure(endpoints, options.clicks // 10, options.items)  # to warm up
                        results[rate] = measure(endpoints, options.clicks, options.items)
                    except FellBehindError:
                        print(f"{rate:,} events/s: not for long, a click was not seen in 10 s\n")
                        break
    report(results, options.plot)


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1].count(":"):  # a child of `others`
        keep_busy(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    main()

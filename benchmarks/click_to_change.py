"""From a click to the changed answer: POST /v1/events until the recommendations hold it.

    python benchmarks/click_to_change.py --rate 500 --clicks 400 --items 2000

Runs `vane up` on a scratch folder and keeps other users busy at `--rate` events a second. Each
click is a POST and then one GET with `after=TOKEN`, whose answer must be another than before. The
floor, measured in turn with the clicks on the same servers, is what no design can avoid: the
message to the broker with its acknowledgement, back from it, and one row committed.
"""

import argparse
import itertools
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition

from vane.kafka_admin import create_topics

START_PATIENCE_S = 180.0
FLOOR_TOPIC = "benchmark-floor"
COLOURS = ["red", "blue", "black", "white", "green"]
KINDS = ["quiet city car", "family estate", "fast coupe", "old diesel van", "electric sport car"]


@contextmanager
def vane_up(folder: Path) -> Iterator[dict[str, str]]:
    """A running `vane up`; gives its endpoints."""
    command = [sys.executable, "-m", "vane", "up", "--no-demo", "--port", "0"]
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
    command = [sys.executable, "-m", "vane", "load", "items", str(file), "--wait"]
    subprocess.run([*command, "--data-dir", str(folder)], check=True, stdout=subprocess.DEVNULL)


def keep_busy(bootstrap: str, rate: int, items: int, stop: threading.Event) -> None:
    """Other users' events, `rate` a second, evenly."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 2, "log_level": 0})
    rng = random.Random(2)
    started = time.monotonic()
    for number in itertools.count():
        user = f"other{rng.randrange(20_000)}"
        event = {
            "event_id": f"busy{number}",
            "user_id": user,
            "item_id": f"i{rng.randrange(items)}",
            "action": "view",
            "ts": round(time.time() * 1e3),
        }
        producer.produce("user-interactions", json.dumps(event), key=user)
        producer.poll(0)
        if stop.wait(max(0.0, started + (number + 1) / rate - time.monotonic())):
            break
    producer.flush()


def click(client: httpx.Client, user: str, item: str, etag: str) -> tuple[float, str]:
    """Milliseconds from the POST to an answer that holds the click, and the answer's ETag."""
    started = time.perf_counter()
    event = {"user_id": user, "item_id": item, "action": "like"}
    token = client.post("/v1/events", json=event).raise_for_status().json()["token"]
    answer = client.get(
        f"/v1/users/{user}/recommendations", params={"after": token, "wait_ms": 5_000}
    ).raise_for_status()
    elapsed_ms = 1e3 * (time.perf_counter() - started)
    assert answer.headers["Vane-Applied"] == "true"
    assert answer.headers["ETag"] != etag, "the click changed nothing"
    return elapsed_ms, answer.headers["ETag"]


class Floor:
    """The same way without any work in between."""

    def __init__(self, endpoints: dict[str, str]) -> None:
        bootstrap = endpoints["kafka"]
        create_topics(bootstrap, {FLOOR_TOPIC: 1})
        common = {"bootstrap.servers": bootstrap, "log_level": 0}
        self._producer = Producer({**common, "linger.ms": 2, "acks": "all"})
        self._consumer = Consumer({**common, "group.id": "floor", "fetch.wait.max.ms": 20})
        self._consumer.assign([TopicPartition(FLOOR_TOPIC, 0, 0)])
        self._connection = psycopg.connect(endpoints["postgres"], autocommit=True)
        self._connection.execute("create table benchmark_floor (n integer)")

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


def measure(endpoints: dict[str, str], clicks: int, items: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each click and of each pass of the floor, in turn."""
    rng, clicked, passed = random.Random(3), [], []
    with (
        closing(Floor(endpoints)) as floor,
        httpx.Client(base_url=endpoints["api"], timeout=10) as client,
    ):
        etag = ""
        for number in range(clicks):
            item = f"i{rng.randrange(items)}"
            elapsed_ms, etag = click(client, f"visitor{number % 20}", item, etag)
            clicked.append(elapsed_ms)
            passed.append(floor.pass_once())
            time.sleep(rng.uniform(0, 0.05))
    return clicked[clicks // 10 :], passed[clicks // 10 :]


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rate", type=int, default=500, help="other events a second")
    parser.add_argument("--clicks", type=int, default=400)
    parser.add_argument("--items", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vane-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        stop = threading.Event()
        with vane_up(folder) as endpoints:
            load_items(folder, options.items)
            busy = threading.Thread(
                target=keep_busy, args=(endpoints["kafka"], options.rate, options.items, stop)
            )
            busy.start()
            time.sleep(2)
            try:
                clicked, passed = measure(endpoints, options.clicks, options.items)
            finally:
                stop.set()
                busy.join()
    print(f"{len(clicked)} clicks beside {options.rate} events/s; milliseconds")
    print(f"{'':24}{'p50':>8}{'p99':>8}{'max':>8}")
    shares = [50, 99, 100]
    rows = {"click to changed answer": clicked, "floor": passed}
    for label, values in rows.items():
        print(f"{label:24}" + "".join(f"{np.percentile(values, s):8.1f}" for s in shares))
    ratios = [np.percentile(clicked, s) / np.percentile(passed, s) for s in shares]
    print(f"{'ratio':24}" + "".join(f"{ratio:8.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()

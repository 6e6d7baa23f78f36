"""A hundredth of what docs/scaling.md works out, run for minutes: the CPU of each process.

    python -m benchmarks.hundredth --minutes 5

100,000 users and 10,000 items, 500 events and 200 requests a second, all on this machine: flows
interactions and trends, the API with a network that ranks, PostgreSQL, broker and Redis. One list
in twenty is asked for by a user who was not seen lately; the others poll with entity tags.
"""

import argparse
import json
import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import numpy as np
from confluent_kafka import Producer

from benchmarks.api import KEY, wait_ready
from benchmarks.api_site import Size, fill, made_up_network
from benchmarks.flows import TOPIC, wal_bytes
from benchmarks.postgres_cpu import PostgresCpu
from benchmarks.processes import VANE, Running, cpu_s, passed, running, wait_passed
from benchmarks.report import machine as this_machine
from benchmarks.report import table
from benchmarks.servers import servers
from vane.embedded.broker import free_port
from vane.kafka_admin import create_topics
from vane.store.connection import Connection, connect
from vane.store.models import publish_network
from vane.store.partitions import ensure_log_partitions

EVENTS_S, REQUESTS_S, COLD_SHARE = 500, 200, 0.05
POLLERS, READERS = 200, 4
SETTLE_S = 30.0
PARTITIONS = 8
TICK_S = 0.005
MISSES = re.compile(r'^vane_api_cache_total\{[^}]*result="miss"[^}]*\} ([0-9.e+]+)$', re.MULTILINE)


@dataclass(slots=True)
class Answers:
    """What the readers saw."""

    took_ms: list[float] = field(default_factory=list)
    unchanged: int = 0


def produce(bootstrap: str, size: Size, stop: threading.Event) -> None:
    """Views at an even rate; half of the users Zipf, half uniform."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 0})
    rng, began, number = np.random.default_rng(2), time.monotonic(), 0
    while not stop.is_set():
        while number < EVENTS_S * (time.monotonic() - began):
            zipf = rng.random() < 0.5
            user = int(min(rng.zipf(1.3), size.users) - 1 if zipf else rng.integers(size.users))
            event = {
                "event_id": f"live-{number}",
                "user_id": f"u{user}",
                "item_id": f"i{int(size.items * rng.random() ** 3)}",
                "action": "view",
                "ts": round(time.time() * 1e3),
            }
            producer.produce(TOPIC, json.dumps(event), event["user_id"], user % PARTITIONS)
            number += 1
        producer.poll(0)
        stop.wait(TICK_S)
    producer.flush()


def read(url: str, users: int, seed: int, stop: threading.Event, answers: Answers) -> None:
    """One of READERS, each with its share of the requests."""
    rng, tags = random.Random(seed), dict[str, str]()
    pollers = [f"u{rng.randrange(users)}" for _ in range(POLLERS // READERS)]
    began, number = time.monotonic(), 0
    with httpx.Client(base_url=url, headers={"X-API-Key": KEY}, timeout=10) as client:
        while not stop.wait(max(0.0, began + number * READERS / REQUESTS_S - time.monotonic())):
            number += 1
            cold = rng.random() < COLD_SHARE
            user = f"u{rng.randrange(users)}" if cold else rng.choice(pollers)
            started = time.perf_counter()
            answer = client.get(
                f"/v1/users/{user}/recommendations", headers={"If-None-Match": tags.get(user, "")}
            )
            assert answer.status_code in (200, 304), answer.text
            answers.took_ms.append(1e3 * (time.perf_counter() - started))
            answers.unchanged += answer.status_code == 304
            if not cold:
                tags[user] = answer.headers["ETag"]


@dataclass(frozen=True, slots=True)
class Counters:
    """Everything that is counted, at one moment."""

    at: float
    cpu_s: dict[str, float]
    wal_bytes: int
    events: int
    misses: float


@dataclass(frozen=True, slots=True)
class Site:
    """What is measured."""

    connection: Connection
    url: str
    processes: dict[str, Running]
    servers: dict[str, int]
    """Process ids."""

    def counters(self) -> Counters:
        """Read them all."""
        metrics = httpx.get(f"{self.url}/metrics", headers={"X-API-Key": KEY}).text
        cpu = {name: process.cpu_s() for name, process in self.processes.items()}
        cpu |= {name: cpu_s([pid]) for name, pid in self.servers.items()}
        cpu["postgres"] = PostgresCpu.of(self.connection).seconds()
        return Counters(
            time.monotonic(),
            cpu,
            wal_bytes(self.connection),
            passed(self.connection, "interactions"),
            sum(map(float, MISSES.findall(metrics))),
        )


def report(before: Counters, after: Counters, answers: Answers) -> str:
    """Shares of a core, and what was done for them."""
    took = after.at - before.at
    cpu = {name: (after.cpu_s[name] - used) / took for name, used in before.cpu_s.items()}
    events, wal = after.events - before.events, after.wal_bytes - before.wal_bytes
    p50, p99 = np.percentile(answers.took_ms, [50, 99])
    asked = len(answers.took_ms)
    wal_text = f"{wal / took / 1e6:.2f} MB/s of WAL, {wal / events / 1e3:.1f} kB each"
    unchanged = f"{answers.unchanged / asked:.0%} of them 304"
    facts = [
        f"{events / took:.0f} events/s, {wal_text}",
        f"{asked / took:.0f} requests/s, p50 {p50:.1f}, p99 {p99:.1f} ms, {unchanged}",
        f"{(after.misses - before.misses) / took:.1f} lists made a second",
    ]
    rows = [[name, f"{100 * share:.1f} %"] for name, share in cpu.items()]
    rows.append(["all", f"{100 * sum(cpu.values()):.1f} %"])
    return "\n".join(facts) + "\n\n" + table(["process", "of a core"], rows)


@contextmanager
def traffic(site: Site, bootstrap: str, size: Size) -> Iterator[Answers]:
    """Within, events are produced and lists asked for."""
    stop, answers = threading.Event(), Answers()
    threads = [threading.Thread(target=produce, args=(bootstrap, size, stop))]
    threads += [
        threading.Thread(target=read, args=(site.url, size.users, seed, stop, answers))
        for seed in range(READERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def filled_site(size: Size) -> Iterator[tuple[Site, str]]:
    """A site of some age with everything running; and the broker's address."""
    rng, keys = np.random.default_rng(1), {"access": "keys", "admin_key": KEY}
    with ExitStack() as stack:
        machine = stack.enter_context(servers())
        settings = stack.enter_context(machine.database("site"))
        connection = stack.enter_context(connect(settings, "benchmark"))
        connection.execute("insert into log (cluster_id, topic, topic_id) values ('c', 't', 'i')")
        ensure_log_partitions(connection, datetime.now(UTC).date())
        fill(connection, size, rng)
        publish_network(connection, made_up_network(rng), {})
        create_topics(settings.kafka_bootstrap, {TOPIC: PARTITIONS})
        port = free_port()
        commands = {f"flow {name}": ["flow", name] for name in ("interactions", "trends")}
        commands["api"] = ["api", "--port", str(port)]
        processes = {
            name: stack.enter_context(running([[*VANE, *command]], settings, **keys))
            for name, command in commands.items()
        }
        url = f"http://127.0.0.1:{port}"
        wait_ready(f"{url}/v1/users/u0/recommendations", processes["api"])
        _, redis, broker = machine.pids
        site = Site(connection, url, processes, {"redis": redis, "broker": broker})
        yield site, settings.kafka_bootstrap


def main() -> None:
    """Fill, run until it is warm, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--users", type=int, default=100_000)
    options = parser.parse_args()
    size = Size(items=options.items, users=options.users)
    with filled_site(size) as (site, bootstrap), traffic(site, bootstrap, size) as answers:
        wait_passed(site.connection, "interactions", 1, site.processes["flow interactions"])
        time.sleep(SETTLE_S)
        answers.took_ms.clear()
        answers.unchanged = 0
        before = site.counters()
        time.sleep(60 * options.minutes)
        after, seen = site.counters(), Answers(list(answers.took_ms), answers.unchanged)
    print(f"{this_machine()}; {size.items:,} items, {size.users:,} users\n")
    print(report(before, after, seen))


if __name__ == "__main__":
    main()

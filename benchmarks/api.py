"""`make bench-api`: warm, 304 and cold requests beside their floors, in one run.

    python -m benchmarks.api --items 50000 --users 100000 --connections 1 4 16

A made-up site in a database of its own, `vane api` with access checked, wrk as the load. Warm:
ready answers of 1,000 users in turn; 304: the same with their entity tags; cold: every request is
another user's list, ranked by a network. Floors, each right before: a plain ASGI hello on the same
server, and one pgvector query for the 40 nearest of a user's vector over the same pool. Answers
live an hour here, so that a warm request stays one. CPU is milliseconds a request: of the processes
that answer, and of PostgreSQL.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.api_site import Size, fill, made_up_network
from benchmarks.postgres_cpu import PostgresCpu
from benchmarks.processes import VANE, Running, running
from benchmarks.report import machine, spread, table
from benchmarks.servers import servers
from schemas.responses import Recommendations
from vane.embedded.broker import free_port
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.models import publish_network

WARM_USERS = 1_000
KEY = "a key for benchmarks"
SCRIPT = Path(__file__).with_name("api_load.lua")
RESULT = re.compile(r"^RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)
START_S = 120.0
PAIRS = {"hello": ("warm", "304"), "nearest": ("cold",)}
"""The floors, and what is measured beside each."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One burst of load."""

    rate: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    own_ms: float  # CPU a request
    postgres_ms: float


@dataclass(slots=True)
class Target:
    """Where requests of one kind go.

    Attributes:
        paths: file with a line for each request.
        passed: requests so far; the next burst begins behind them.
    """

    url: str
    paths: Path
    processes: Running
    postgres: PostgresCpu
    key: tuple[str, ...] = ()
    passed: int = 0
    bursts: dict[int, list[Measured]] = field(default_factory=dict)

    def burst(self, connections: int, seconds: int) -> Measured:
        """Load for so many seconds."""
        command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s"]
        command += ["--timeout=10s", f"--script={SCRIPT}", self.url, "--", str(self.paths)]
        own, postgres = self.processes.cpu_s(), self.postgres.seconds()
        done = subprocess.run(
            [*command, str(self.passed), *self.key], capture_output=True, text=True, check=True
        )
        own, postgres = self.processes.cpu_s() - own, self.postgres.seconds() - postgres
        found = RESULT.search(done.stdout)
        assert found, done.stdout
        count, took_us, p50, p99, most, refused, failed = map(int, found.groups())
        assert refused == failed == 0, done.stdout
        self.passed += count + connections
        rate, milli = count / (took_us / 1e6), 1e3 / count
        return Measured(rate, p50 / 1e3, p99 / 1e3, most / 1e3, own * milli, postgres * milli)


def measure(
    targets: dict[str, Target], connections: Sequence[int], options: argparse.Namespace
) -> None:
    """Every kind in turn, floor first, as often as wanted; bursts are kept with the targets."""
    for count in connections:
        for _ in range(options.runs):
            for floor, kinds in PAIRS.items():
                for name in (floor, *kinds):
                    burst = targets[name].burst(count, options.seconds)
                    targets[name].bursts.setdefault(count, []).append(burst)


def rows(targets: dict[str, Target], connections: Sequence[int]) -> Iterator[list[str]]:
    """Of the table, with ratios to the floor burst by burst."""
    for floor, kinds in PAIRS.items():
        for name in (floor, *kinds):
            for count in connections:
                bursts = targets[name].bursts[count]
                pairs = zip(bursts, targets[floor].bursts[count], strict=True)
                yield [
                    name,
                    str(count),
                    spread([each.rate for each in bursts]),
                    spread([each.rate / beside.rate for each, beside in pairs], 2),
                    *(
                        f"{statistics.median(getattr(each, part) for each in bursts):.{digits}f}"
                        for part, digits in (("p50_ms", 1), ("p99_ms", 1), ("max_ms", 0))
                    ),
                    spread([each.own_ms for each in bursts], 2),
                    spread([each.postgres_ms for each in bursts], 2),
                ]


def get(url: str, tag: str | None = None) -> tuple[int, str, bytes]:
    """Status, entity tag and body."""
    headers = {"X-API-Key": KEY} | ({"If-None-Match": tag} if tag else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.headers["ETag"], answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers["ETag"], b""


def prepare(folder: Path, url: str, users: int, limit: int) -> tuple[dict[str, Path], int]:
    """Files of requests by kind, the warm users' answers made; and the size of a body."""
    order = np.random.default_rng(7).permutation(users).tolist()
    target = "/v1/users/u{}/recommendations?limit=" + str(limit)
    warm = [target.format(user) for user in order[:WARM_USERS]]
    answers = [get(url + path) for path in warm]
    body = msgspec.json.decode(answers[0][2], type=Recommendations)
    assert body.strategy == "personal"
    assert len(body.items) == limit
    assert get(url + warm[0], answers[0][1])[0] == 304
    lines = {
        "hello": ["/hello"],
        "warm": warm,
        "304": [f"{path}\t{tag}" for path, (_, tag, _) in zip(warm, answers, strict=True)],
        "nearest": [f"/near/u{user}" for user in order],
        "cold": [target.format(user) for user in order[WARM_USERS:]],
    }
    files = {}
    for name, requests in lines.items():
        files[name] = folder / name
        files[name].write_text("\n".join(requests) + "\n")
    return files, len(answers[0][2])


def wait_ready(url: str, processes: Running) -> None:
    """Until lists are answered."""
    deadline = time.monotonic() + START_S
    while True:
        processes.check()
        try:
            if get(url)[0] == 200:
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, f"{url} does not answer"
        time.sleep(0.2)


@contextmanager
def site(size: Size) -> Iterator[tuple[Settings, PostgresCpu]]:
    """A filled database with a network that ranks."""
    rng = np.random.default_rng(1)
    with servers() as started, started.database("site") as settings:
        with connect(settings, "benchmark") as connection:
            fill(connection, size, rng)
            publish_network(connection, made_up_network(rng), {})
            cpu = PostgresCpu.of(connection)
        yield settings, cpu


def run(options: argparse.Namespace) -> None:
    """Fill, serve, load, print."""
    size = Size(items=options.items, users=options.users)
    with ExitStack() as stack:
        settings, postgres = stack.enter_context(site(size))
        port, beside = free_port(), free_port()
        api = [*VANE, "api", "--port", str(port)]
        if options.workers > 1:
            api += ["--workers", str(options.workers)]
        served = stack.enter_context(
            running([api], settings, cache_ttl_ms=3_600_000, access="keys", admin_key=KEY)
        )
        floor = [sys.executable, "-m", "benchmarks.api_floor", str(beside)]
        floors = stack.enter_context(running([floor], settings))
        url, near = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{beside}"
        wait_ready(f"{url}/v1/users/u0/recommendations", served)
        wait_ready(f"{near}/near/u0", floors)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vane-load-")))
        paths, length = prepare(folder, url, size.users, options.limit)
        targets = {
            name: Target(near, file, floors, postgres)
            if name in PAIRS
            else Target(url, file, served, postgres, (KEY,))
            for name, file in paths.items()
        }
        before = machine()
        targets["cold"].burst(max(options.connections), options.warm_up)
        measure(targets, options.connections, options)
        print(
            f"{before}; {size.items:,} items, {size.users:,} users, {options.workers} worker(s),"
            f" {options.runs} runs of {options.seconds} s, bodies of {length:,} bytes,"
            f" {served.rss_mib():.0f} MiB\n"
        )
        header = ["request", "connections", "requests/s", "of floor", "p50 ms", "p99", "max"]
        print(table([*header, "CPU ms", "PostgreSQL"], [*rows(targets, options.connections)]))


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="make bench-api", description=__doc__.split("\n")[0])
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=5, help="of a burst")
    parser.add_argument("--warm-up", type=int, default=20, help="seconds of cold requests before")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a small site, short bursts")
    options = parser.parse_args()
    if options.quick:
        options.items, options.users, options.runs = 5_000, 5_000, 1
        options.seconds, options.warm_up = 2, 5
    if shutil.which("wrk") is None:
        parser.exit(2, "make bench-api: wrk is missing: apt-get install wrk\n")
    run(options)


if __name__ == "__main__":
    main()

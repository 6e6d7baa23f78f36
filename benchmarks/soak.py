"""An hour of a whole Vane under believable traffic: memory, lag and answers, then `vane verify`.

    python -m benchmarks.soak --minutes 60 --rate 100 --plot docs/images/soak.svg

`vane up` with the demo catalogue on a scratch folder, `vane simulate` as its users, and readers
that ask for lists of these users in turn. Memory is the proportional set size (pages that processes
share are split between them) of each process by its name. The slope is taken behind the first
third, in which caches fill.
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import psutil

from benchmarks.click_to_change import Endpoints, vane_up
from benchmarks.plots import plot_lines
from benchmarks.processes import VANE, trees
from benchmarks.report import machine, table

FLOWS = "interactions,catalog,trends,learning,commands"
SAMPLE_S = 10.0
PAUSE_S = 0.2
"""Between two lists that are asked for."""
WARM = 1 / 3
SERVERS = ("postgres", "redis-server", "tansu")

Series = dict[str, list[tuple[float, float]]]
"""(minutes, MiB) by process."""


def name_of(process: psutil.Process) -> str:
    """`flow trends`, `api`, `postgres` and so on."""
    if process.name().startswith(SERVERS):
        return next(server for server in SERVERS if process.name().startswith(server))
    words = process.cmdline()
    if "vane" not in words:
        return "others"
    command = words[words.index("vane") + 1 :]
    return " ".join(command[: 2 if command[0] == "flow" else 1])


def memory_mib(pid: int) -> dict[str, float]:
    """Of everything that a process has started, by name."""
    found: dict[str, float] = defaultdict(float)
    for process in trees([pid]):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            found[name_of(process)] += process.memory_full_info().pss / 2**20
    return found


def watch(endpoints: Endpoints, options: argparse.Namespace) -> tuple[Series, list[list[float]]]:
    """Until the time is over: memory, and milliseconds of the answers in each third."""
    memory: Series = defaultdict(list)
    answers: list[list[float]] = [[], [], []]
    rng, began, sampled = random.Random(1), time.monotonic(), 0.0
    [up] = [each for each in psutil.Process().children() if "up" in each.cmdline()]
    with httpx.Client(base_url=endpoints["api"], timeout=30) as client:
        while (passed := time.monotonic() - began) < 60 * options.minutes:
            user = f"sim-{rng.randrange(options.users) + 1}"
            started = time.perf_counter()
            items = client.get(f"/v1/users/{user}/recommendations").raise_for_status().json()
            assert items["items"], "a list is empty"
            third = int(3 * passed / (60 * options.minutes))
            answers[third].append(1e3 * (time.perf_counter() - started))
            if passed >= sampled:
                sampled += SAMPLE_S
                for name, mib in memory_mib(up.pid).items():
                    memory[name].append((passed / 60, mib))
            time.sleep(PAUSE_S)
    return memory, answers


def wait_for_items(endpoints: Endpoints) -> None:
    """Until the first of the catalogue are in the lists; then none may be empty."""
    while not httpx.get(f"{endpoints['api']}/v1/users/nobody/recommendations").json()["items"]:
        time.sleep(PAUSE_S)


def slope(points: list[tuple[float, float]]) -> float:
    """MiB an hour behind the first third, least squares."""
    warm = [point for point in points if point[0] >= WARM * points[-1][0]]
    return 60 * statistics.linear_regression(*zip(*warm, strict=True)).slope


def memory_table(memory: Series) -> str:
    """Behind the first third, at the end, and the slope."""
    rows = []
    for name, points in sorted(memory.items(), key=lambda pair: -pair[1][-1][1]):
        warm = next(mib for at, mib in points if at >= WARM * points[-1][0])
        most = max(mib for _, mib in points)
        rows.append(
            [name, f"{warm:.0f}", f"{points[-1][1]:.0f}", f"{most:.0f}", f"{slope(points):+.1f}"]
        )
    return table(["process", "MiB, warm", "at the end", "most", "MiB more in an hour"], rows)


def main() -> None:
    """Run, print, draw; the exit code is that of `vane verify`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="vane-soak-") as name,
        vane_up(Path(name), FLOWS, "--demo") as endpoints,
    ):
        wait_for_items(endpoints)
        simulate = [*VANE, "simulate", "--data-dir", name, "--wait-for-items", "--duration"]
        load = ["forever", "--rate", str(options.rate), "--users", str(options.users)]
        busy = subprocess.Popen([*simulate, *load], stdout=subprocess.DEVNULL)
        try:
            memory, answers = watch(endpoints, options)
            assert busy.poll() is None, "the simulation has ended"
        finally:
            busy.terminate()
            busy.wait()
        status = subprocess.run(
            [*VANE, "status", "--data-dir", name], capture_output=True, text=True, check=True
        )
        verified = subprocess.run(
            [*VANE, "verify", "--data-dir", name], check=False, capture_output=True, text=True
        )
    print(f"{machine()}; {options.minutes:g} minutes, {options.rate:g} events/s\n")
    print(memory_table(memory))
    for number, third in enumerate(answers, 1):
        p50, p99, most = np.percentile(third, [50, 99, 100])
        print(
            f"\nthird {number}: {len(third)} lists, p50 {p50:.0f}, p99 {p99:.0f}, max {most:.0f} ms"
        )
    print(f"\n{status.stdout}\n{verified.stdout}{verified.stderr}")
    if options.plot:
        plot_lines(options.plot, memory, x="minutes", y="PSS, MiB", zero=True)
    sys.exit(verified.returncode)


if __name__ == "__main__":
    main()

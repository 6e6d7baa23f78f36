"""Memory of flow interactions over millions of events, for some sizes of its caches.

    python -m benchmarks.memory --plot docs/images/memory.svg

More users and items than the caches hold, so all of them are filled and replaced all the time.
"""

import argparse
import statistics
import time
from pathlib import Path

from benchmarks.flows import FILLED, Load, filled, produce
from benchmarks.plots import plot_lines
from benchmarks.processes import VANE, passed, running
from benchmarks.report import table
from benchmarks.servers import Servers, servers
from vane.store.connection import connect

SAMPLE_S = 0.5
WARM = 1 / 3
"""This part of the events fills the caches; what comes after must be flat."""


def sample(machine: Servers, load: Load, cache: int) -> list[tuple[float, float]]:
    """(million events, MiB) of one run with `cache` users and items kept."""
    samples = []
    sizes = {"user_cache_users": cache, "item_cache_items": cache}
    with (
        machine.database("memory", FILLED) as settings,
        connect(settings, "benchmark") as connection,
        running([[*VANE, "flow", "interactions"]], settings, **sizes) as flow,
    ):
        done = 0
        while done < load.events:
            flow.check()
            time.sleep(SAMPLE_S)
            done = passed(connection, "interactions")
            samples.append((done / 1e6, flow.rss_mib()))
    return samples


def growth(samples: list[tuple[float, float]]) -> float:
    """MiB for a million events, least squares, once the caches are full."""
    end = samples[-1][0]
    warm = [point for point in samples if point[0] >= WARM * end]
    return statistics.linear_regression(*zip(*warm, strict=True)).slope


def main() -> None:
    """Sample, print one table, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--caches", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    load = Load(options.events, users=200_000, items=60_000)
    lines = {}
    with servers() as machine:
        produce(machine.kafka, load)
        with filled(machine, load):
            for cache in options.caches:
                lines[f"{cache:,} users and items"] = sample(machine, load, cache)
    header = ["caches", "MiB, warm", "MiB, at the end", "MiB more for a million events"]
    rows = []
    for name, samples in lines.items():
        warm = next(mib for done, mib in samples if done >= WARM * samples[-1][0])
        rows.append([name, f"{warm:.0f}", f"{samples[-1][1]:.0f}", f"{growth(samples):+.1f}"])
    print(table(header, rows))
    if options.plot:
        plot_lines(options.plot, lines, x="million events", y="RSS, MiB", zero=True)


if __name__ == "__main__":
    main()

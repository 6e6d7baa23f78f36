"""`make bench`: what the flows do in a second beside their floors, as Markdown.

The tables of docs/performance.md are this output. `--quick` only shows that everything works.
"""

import argparse
from dataclasses import replace

from benchmarks.catalog import catalog_table
from benchmarks.flows import Load, interactions_table
from benchmarks.report import machine
from benchmarks.trends import LOAD as TRENDS
from benchmarks.trends import trends_table


def main() -> None:
    """Measure every flow in turn, in this one run."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one small run of each")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    load, items, runs = Load(), 2_000, options.runs
    if options.quick:
        load, items, runs = replace(load, events=20_000, users=20_000, items=2_000), 300, 1
    print(f"{machine()}; median and range of {runs} runs; durable commits\n")
    print(f"## Interactions, {load.events:,} events\n", flush=True)
    print(interactions_table(load, options.processes, runs), "\n", flush=True)
    print(f"## Trends, {load.events:,} events\n", flush=True)
    print(trends_table(replace(TRENDS, events=load.events), runs), "\n", flush=True)
    print(f"## Catalogue, {items:,} items\n", flush=True)
    print(catalog_table(items, runs))


if __name__ == "__main__":
    main()

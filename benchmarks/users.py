"""What an event costs, by how many users the table has.

    python -m benchmarks.users --plot docs/images/users.svg

Uniform events over users that all exist, so nearly every event reads and updates another row.
"""

import argparse
from pathlib import Path

from benchmarks.flows import FILLED, Load, Measured, filled, measure, produce
from benchmarks.plots import plot_lines
from benchmarks.report import machine as this_machine
from benchmarks.report import spread, table
from benchmarks.servers import servers
from vane.store.connection import Connection, connect

FILL_ROWS = 100_000


def fill_users(connection: Connection, count: int) -> None:
    """So many users with a row each, as large as they all are."""
    for start in range(0, count, FILL_ROWS):
        connection.execute(
            "insert into user_preference select 'user-' || n, v, v, 1, 1,"
            " now() - interval '1 day', 1, 1, 0, decode(repeat('00', 512), 'hex')"
            " from generate_series(%s::int, %s) n,"
            " (select array_fill(0.05, array[384])::vector as v) as one",
            [start, min(start + FILL_ROWS, count) - 1],
        )
    connection.execute("vacuum analyze user_preference")


def measure_users(users: int, events: int, runs: int) -> list[Measured]:
    """Runs over a table of so many users, each on a copy of its own."""
    load, results = Load(events, users, zipf=0.0), []
    with servers() as machine:
        produce(machine.kafka, load)
        with filled(machine, load):
            for _ in range(runs):
                with machine.database("flow", FILLED) as settings:
                    with connect(settings, "benchmark") as connection:
                        fill_users(connection, users)
                    results.append(measure(machine, settings, "flow", load))
    return results


def main() -> None:
    """Measure each size, print one table, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--users", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    print(f"{this_machine()}; {options.runs} runs of {options.events:,} events\n")
    rows, points = [], []
    for users in options.users:
        runs = measure_users(users, options.events, options.runs)
        costs = [1e6 / run.events_s for run in runs]
        rows.append(
            [
                f"{users:,}",
                spread([run.events_s for run in runs]),
                spread(costs, 1),
                spread([run.cpu_us for run in runs], 1),
                spread([run.wal_kb for run in runs], 1),
            ]
        )
        points.append((users, min(costs)))
    print(table(["users", "events/s", "µs an event", "CPU µs, flow", "WAL kB an event"], rows))
    if options.plot:
        lines = {"flow interactions": points}
        plot_lines(options.plot, lines, x="users in the table", y="µs an event", logarithmic=True)


if __name__ == "__main__":
    main()

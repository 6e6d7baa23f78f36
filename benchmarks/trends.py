"""Events per second through flows/trends: popularity and neighbours, in memory and with PostgreSQL.

    python -m benchmarks.trends --events 300000 --runs 3

The floor reads and decodes the same rows of the log over the same function of the store. "memory"
holds the rows against their users' histories and adds them to neighbours in memory, rows already
read; "flow" is the whole flow from zero, last flush included. All on one core, in turn, on fresh
databases, half of the users Zipf, half uniform. The flow's CPU is Python's and PostgreSQL's, its
ratio to the floor by the clock. It says what the flushes of neighbours took.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

import flows.log_reader
from benchmarks.flows import Load
from benchmarks.postgres_cpu import PostgresCpu
from benchmarks.report import machine as this_machine
from benchmarks.report import ratios, spread, table
from benchmarks.servers import Servers, servers
from flows.log_reader import Batch, LogReader
from flows.look_back import Observer
from flows.neighbours import FLUSH_EVERY, Neighbours
from flows.trends import TrendsWriter, aggregate_seen
from vane.interaction import TREND_SLOTS, item_slot
from vane.store.connection import Connection, connect
from vane.store.slot_log import read_log_rows, read_log_spans

SLOTS = list(range(TREND_SLOTS))
FILL = """copy interaction (log_id, partition, "offset", recorded_at, event_id, user_id, item_id,
    action, ts, weight, excludes, item_slot) from stdin"""
POSITION = """insert into stream_position (flow, log_id, partition, start_offset, next_offset,
    applied) values ('interactions', 1, 0, 0, %(events)s, %(events)s)"""
LOAD = Load(users=50_000, items=20_000)
NAMES = ("floor", "memory", "flow", "cpu")


def fill(connection: Connection, load: Load) -> None:
    """A log of one partition, an event every 0.1 seconds."""
    rng = np.random.default_rng(1)
    zipf = np.minimum(rng.zipf(1.3, load.events), load.users) - 1
    uniform = rng.integers(0, load.users, load.events)
    users = np.where(rng.random(load.events) < 0.5, zipf, uniform).tolist()
    items = (load.items * rng.random(load.events) ** 3).astype(int).tolist()
    connection.execute("insert into log (cluster_id, topic, topic_id) values ('c', 't', 'i')")
    with connection.cursor() as cursor, cursor.copy(FILL) as copy:
        for offset, (user, number) in enumerate(zip(users, items, strict=True)):
            item = f"item-{number}"
            at = np.datetime64("2026-01-01") + np.timedelta64(100 * offset, "ms")
            row = (1, 0, offset, "now", f"e{offset}", f"user-{user}", item, "view", str(at))
            copy.write_row((*row, 1.0, False, item_slot(item)))
    connection.execute(POSITION, {"events": load.events})
    connection.execute("analyze interaction")
    connection.execute("checkpoint")


@contextmanager
def filled(machine: Servers, name: str, load: Load) -> Iterator[Connection]:
    """A fresh database with the log."""
    with machine.database(name) as settings, connect(settings, "benchmark") as connection:
        fill(connection, load)
        yield connection


def batches(connection: Connection) -> Iterator[Batch]:
    """The log as the flow reads it."""
    reader = LogReader(connection, SLOTS, "benchmark")
    while batch := reader.read_batch():
        yield batch


def floor(connection: Connection) -> None:
    """Read and decode the rows."""
    [span] = read_log_spans(connection)
    step = flows.log_reader.BATCH_OFFSETS_MAX
    for low in range(0, span.next_offset, step):
        read_log_rows(connection, span, low, low + step)


def memory(connection: Connection) -> float:
    """Histories, popularity and neighbours of rows that were read before; seconds."""
    observer = Observer(connection)
    neighbours = Neighbours(connection, observer, 3_600.0)
    read = list(batches(connection))
    started = time.perf_counter()
    for batch in read:
        seen = [observer.observe(piece) for piece in batch.pieces]
        aggregate_seen(seen)
        neighbours.add(batch, seen)
    return time.perf_counter() - started


def flow(connection: Connection) -> list[tuple[int, float]]:
    """Everything; returns rows and seconds of each flush of neighbours."""
    writer, flushes = TrendsWriter(connection, FLUSH_EVERY * 1.0), []
    flush = writer.neighbours.flush

    def timed() -> int:
        started = time.perf_counter()
        rows = flush()
        flushes.append((rows, time.perf_counter() - started))
        return rows

    writer.neighbours.flush = timed  # type: ignore[method-assign]
    for batch in batches(connection):
        writer.write(batch)
    writer.write(Batch())
    return flushes


def measure(load: Load, runs: int) -> tuple[dict[str, list[float]], list[tuple[int, float]]]:
    """Events a second of each, in turn, and the flushes of neighbours."""
    rates: dict[str, list[float]] = {name: [] for name in NAMES}
    flushes: list[tuple[int, float]] = []
    with servers() as machine:
        for _ in range(runs):
            with filled(machine, "trends", load) as connection:
                started = time.perf_counter()
                floor(connection)
                rates["floor"].append(load.events / (time.perf_counter() - started))
                rates["memory"].append(load.events / memory(connection))
            with filled(machine, "trends", load) as connection:
                postgres = PostgresCpu.of(connection)
                started, cpu_s = time.perf_counter(), time.process_time() + postgres.seconds()
                flushes += flow(connection)
                rates["flow"].append(load.events / (time.perf_counter() - started))
                cpu_s = time.process_time() + postgres.seconds() - cpu_s
                rates["cpu"].append(load.events / cpu_s)
    return rates, flushes


def trends_table(load: Load, runs: int) -> str:
    """All as Markdown."""
    rates, flushes = measure(load, runs)
    rows = sum(rows for rows, _ in flushes) / sum(seconds for _, seconds in flushes)
    header = ["floor, events/s", "in memory, events/s", "flow, events/s", "flow, events/s of CPU"]
    header += ["ratio", "neighbours/s"]
    figures = [spread(rates[name]) for name in NAMES]
    return table(header, [[*figures, ratios(rates["flow"], rates["floor"]), f"{rows:,.0f}"]])


def main() -> None:
    """Measure in turn and print one table."""
    parser, given = argparse.ArgumentParser(description=__doc__.split("\n")[0]), LOAD
    parser.add_argument("--events", type=int, default=given.events)
    parser.add_argument("--users", type=int, default=given.users)
    parser.add_argument("--items", type=int, default=given.items)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(f"{this_machine()}; {options.runs} runs of {options.events:,} events\n")
    print(trends_table(Load(options.events, options.users, options.items), options.runs))


if __name__ == "__main__":
    main()

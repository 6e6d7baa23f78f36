"""A cold recommendation: milliseconds and CPU, beside a raw nearest-neighbour query.

    python -m benchmarks.recommend --items 20000 --users 2000 --requests 300

Fills a scratch database on an embedded PostgreSQL as the flows would, then asks for lists as the
API does behind its cache of answers, every list of another user, one at a time. "new process": no
neighbours, vectors or nearest items are in memory; "long running": those of earlier requests are.
CPU is that of this process with its threads, and of PostgreSQL. The floor is one query of pgvector
for 40 items over the same pool, measured in turn with the lists. Afterwards the item table is
loaded and brought up to date.
"""

import argparse
import asyncio
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from api.recommend import recommend
from api.recommender import Query, Recommender, open_recommender
from benchmarks.api_site import TOPICS, Size, fill, fill_trends, made_up_network
from benchmarks.postgres_cpu import PostgresCpu
from benchmarks.search import scratch_database
from vane.item_table import ItemTable
from vane.settings import Settings
from vane.store.connection import Connection, connect
from vane.store.item_changes import ItemChanges
from vane.store.migrate import migrate
from vane.store.serving import literal

EVENTS_A_USER = 30
WARM_UP = 50
BLOCK = 25
FLOOR = "select item_id from item order by content <#> %(query)s::halfvec(384) limit 40"


@dataclass
class Times:
    """Of one kind of request."""

    wall_ms: list[float] = field(default_factory=list)
    own_cpu_s: float = 0.0
    postgres_cpu_s: float = 0.0

    def row(self, name: str) -> str:
        """A line of the table."""
        half, most = np.percentile(self.wall_ms, [50, 99])
        own, other = (
            1e3 * cpu / len(self.wall_ms) for cpu in (self.own_cpu_s, self.postgres_cpu_s)
        )
        return f"{name:<32} {half:7.2f} {most:7.2f} {own:9.2f} {other:12.2f} {own + other:8.2f}"


def fill_plain_items(connection: Connection, count: int) -> None:
    """Items without content, as the item table knows nothing of it."""
    connection.execute(
        "insert into item (item_id, version, title, category)"
        " select 'i ' || n, 1, 'The item ' || n, 'topic ' || n %% %s"
        " from generate_series(0, %s - 1) as n",
        [TOPICS, count],
    )


async def measure(
    recommender: Recommender, users: Sequence[str], cpu: PostgresCpu, floor: Times, query: str
) -> Times:
    """One list for each user, in blocks, each beside a block of the floor."""
    times = Times()

    async def nearest(_user: str) -> None:
        await recommender.store.read((FLOOR, {"query": query}))

    async def listed(user: str) -> None:
        body = (await recommend(recommender, user, Query(10)))[0]
        msgspec.json.encode(body)

    for start in range(0, len(users), BLOCK):
        for kind, ask in ((times, listed), (floor, nearest)):
            before = (time.process_time(), cpu.seconds())
            for user in users[start : start + BLOCK]:
                began = time.perf_counter()
                await ask(user)
                kind.wall_ms.append(1e3 * (time.perf_counter() - began))
            after = (time.process_time(), cpu.seconds())
            kind.own_cpu_s += after[0] - before[0]
            kind.postgres_cpu_s += after[1] - before[1]
    return times


async def run(settings: Settings, users: Sequence[str], cpu: PostgresCpu, query: str) -> None:
    """Measure lists, with and without a network, and print a line for each."""
    floor, rows = Times(), dict[str, Times]()
    half = len(users) // 2
    for name, network in (("linear", False), ("network", True)):
        async with open_recommender(settings, "benchmark") as recommender:
            if network:
                learned = made_up_network(np.random.default_rng(3))
                recommender.knowledge.model = replace(recommender.knowledge.model, network=learned)
            await recommender.store.item_mean()
            rows[f"{name}, new process"] = await measure(
                recommender, users[:WARM_UP], cpu, floor, query
            )
            await measure(recommender, users[WARM_UP:half], cpu, floor, query)
            rows[f"{name}, long running"] = await measure(
                recommender, users[half:], cpu, floor, query
            )
    print(f"{'':<32} {'p50 ms':>7} {'p99 ms':>7} {'CPU ms':>9} {'+ PostgreSQL':>12} {'= ms':>8}")
    for name, times in rows.items():
        print(times.row(name))
    print(floor.row("floor: 40 nearest in pgvector"))


def measure_table(settings: Settings) -> None:
    """Load the item table, then follow a flush of 1,000 items."""
    with connect(settings, "benchmark") as connection:
        table, changes = ItemTable(), ItemChanges(connection)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        for rows in changes.read():
            rows.put_into(table, by_event_clock=False)
        table.refresh()
        loaded_s = time.perf_counter() - started
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        connection.execute(
            "update item_trend set heat_1d = heat_1d + 1, changed_xid = pg_current_xact_id()"
            " where item_id in (select item_id from item limit 1000)"
        )
        started, cpu = time.perf_counter(), time.process_time()
        for rows in changes.read():
            rows.put_into(table, by_event_clock=False)
        table.refresh()
        took_ms = 1e3 * (time.perf_counter() - started)
        cpu_ms = 1e3 * (time.process_time() - cpu)
    print(
        f"item table: {len(table):,} items loaded in {loaded_s:.2f} s, {grown / 1024:.0f} MiB more;"
        f" a flush of 1,000 items followed in {took_ms:.1f} ms, {cpu_ms:.1f} ms of it CPU"
    )


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--table-only", action="store_true", help="only the item table")
    options = parser.parse_args()
    with scratch_database() as settings:
        with connect(settings, "benchmark") as connection:
            migrate(connection)
            if options.table_only:
                fill_plain_items(connection, options.items)
                fill_trends(connection)
            else:
                size = Size(options.items, options.users, EVENTS_A_USER)
                vectors = fill(connection, size, np.random.default_rng(1))
            cpu = PostgresCpu.of(connection)
        measure_table(settings)
        if not options.table_only:
            users = [f"u{number}" for number in range(min(options.requests, options.users))]
            asyncio.run(run(settings, users, cpu, literal(vectors[0])))


if __name__ == "__main__":
    main()

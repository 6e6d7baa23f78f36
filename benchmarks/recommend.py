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
import os
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from api.recommend import recommend
from api.recommender import Query, Recommender, open_recommender
from benchmarks.search import scratch_database
from vane.features import FEATURES
from vane.item_table import ItemTable
from vane.linear import LabelledList, LinearRanker
from vane.network import NetworkRanker
from vane.preference import Floats
from vane.ranking import Model
from vane.settings import Settings
from vane.store import binary
from vane.store.connection import Connection, connect
from vane.store.item_changes import ItemChanges
from vane.store.migrate import migrate
from vane.store.serving import literal

DIMENSION = 384
TOPICS = 60
EVENTS_A_USER = 30
NEIGHBOURS = 200
WARM_UP = 50
BLOCK = 25
LISTS = 1_000
FLOOR = "select item_id from item order by content <#> %(query)s::halfvec(384) limit 40"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


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


class Cpu:
    """CPU seconds of this process and of PostgreSQL's, whose clock has ticks of 10 ms."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = postmaster

    def now(self) -> tuple[float, float]:
        """Both, since their start."""
        own = time.process_time()
        return own, sum(map(_cpu_s, self._backends()))

    def _backends(self) -> Iterator[int]:
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = path.read_text().rsplit(")", 1)[1].split()[1]
            except OSError:
                continue
            if int(parent) == self._postmaster:
                yield int(path.parent.name)


def _cpu_s(pid: int) -> float:
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(values[11]) + int(values[12])) * TICK_S


def contents(count: int, rng: np.random.Generator) -> Floats:
    """Unit vectors around some topics, with a part that all have in common."""
    centres = rng.normal(size=(TOPICS, DIMENSION)) + 0.7 * rng.normal(size=DIMENSION)
    vectors = centres[np.arange(count) % TOPICS] + 0.8 * rng.normal(size=(count, DIMENSION))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def fill_items(connection: Connection, vectors: Floats) -> None:
    """Items with contents in their index."""
    count = len(vectors)
    connection.execute("drop index item_content")
    kind = np.dtype([("dim", ">i2"), ("unused", ">i2"), ("value", ">f2", (DIMENSION,))])
    cells = np.zeros(count, kind)
    cells["dim"], cells["value"] = DIMENSION, vectors
    ids, titles = ([f"{word} {n}" for n in range(count)] for word in ("i", "The item"))
    pieces = [
        binary.text(ids),
        binary.integers([1] * count),
        binary.text(titles),
        binary.text([f"topic {n % TOPICS}" for n in range(count)]),
        [kind.itemsize.to_bytes(4, "big") + cell.tobytes() for cell in cells],
    ]
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy item (item_id, version, title, category, content) from stdin (format binary)"
        ) as copy,
    ):
        copy.write(binary.copy_data(len(pieces), *pieces))
    connection.execute(
        "create index item_content on item using hnsw (content halfvec_ip_ops)"
        " with (m = 16, ef_construction = 100)"
    )


def fill_plain_items(connection: Connection, count: int) -> None:
    """Items without content, as the item table knows nothing of it."""
    connection.execute(
        "insert into item (item_id, version, title, category)"
        " select 'i ' || n, 1, 'The item ' || n, 'topic ' || n %% %s"
        " from generate_series(0, %s - 1) as n",
        [TOPICS, count],
    )


def fill_trends(connection: Connection) -> None:
    """Popularity falls off as it does on real sites."""
    connection.execute(
        "insert into item_trend (item_id, slot, events, heat_15m, heat_1h, heat_2h24m, heat_1d,"
        " heat_7d, heat_never, heat_1k, heat_10k, weight_sum, heat_few, heat_some, heat_many)"
        " select item_id, 0, events, t / 900 + h, t / 3600 + h, t / 8640 + h, t / 86400 + h,"
        " t / 604800 + h, h, h, h, events, t / 86400 + h, t / 86400 + h, t / 86400 + h"
        " from (select item_id, ceil(1000 / n)::int as events, 10 - ln(n) + random() as h,"
        " extract(epoch from now())::float8 - 20000 * random() as t"
        " from (select item_id, row_number() over (order by random()) as n from item) i) x"
    )


def fill_users(
    connection: Connection, vectors: Floats, users: int, rng: np.random.Generator
) -> None:
    """Users with a favourite topic each, their logs and vectors, and the neighbours of items."""
    count = len(vectors)
    with connection.cursor() as cursor:
        for number in range(users):
            topic = rng.integers(TOPICS)
            own = topic + TOPICS * (rng.pareto(1.0, EVENTS_A_USER) * 3).astype(int)
            items = np.where(
                rng.random(EVENTS_A_USER) < 0.8, own, rng.integers(0, count, EVENTS_A_USER)
            )
            items %= count
            cursor.executemany(
                'insert into interaction (log_id, partition, "offset", recorded_at, event_id,'
                " user_id, item_id, action, ts, weight, excludes, item_slot)"
                " values (1, 0, %s, now(), 'e', %s, %s, 'view', now() - %s * interval '1 minute',"
                " 1, false, 0)",
                [
                    (EVENTS_A_USER * number + place, f"u{number}", f"i {item}", place)
                    for place, item in enumerate(items.tolist())
                ],
            )
            total = literal(vectors[items].sum(axis=0))
            cursor.execute(
                "insert into user_preference values (%s, %s, %s, %s, %s, now(), 1, %s, 0, '')",
                [f"u{number}", total, total, *[EVENTS_A_USER] * 3],
            )
        for number in range(count):
            near = (number + TOPICS * rng.integers(1, 400, NEIGHBOURS)) % count
            weights = rng.random((len(near), 4)).astype("<f4")
            cursor.execute(
                "insert into item_neighbour"
                " values (%s, 0, now(), '{9,5,3,7}', '{0,0,0,0}', %s, %b)",
                [f"i {number}", [f"i {item}" for item in near.tolist()], weights.tobytes()],
            )


def model_with_network(rng: np.random.Generator) -> Model:
    """A network of the usual size; what it learned means nothing."""
    features = rng.random((LISTS, 60, len(FEATURES))).astype(np.float32)
    lists = [LabelledList(rows, int(rng.integers(60))) for rows in features]
    linear = LinearRanker(FEATURES)
    linear.learn(lists[:10])
    return Model(linear, NetworkRanker.fit(FEATURES, lists, seed=1))


async def measure(
    recommender: Recommender, users: Sequence[str], cpu: Cpu, floor: Times, query: str
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
            before = cpu.now()
            for user in users[start : start + BLOCK]:
                began = time.perf_counter()
                await ask(user)
                kind.wall_ms.append(1e3 * (time.perf_counter() - began))
            after = cpu.now()
            kind.own_cpu_s += after[0] - before[0]
            kind.postgres_cpu_s += after[1] - before[1]
    return times


async def run(settings: Settings, users: Sequence[str], cpu: Cpu, query: str) -> None:
    """Measure lists, with and without a network, and print a line for each."""
    floor, rows = Times(), dict[str, Times]()
    half = len(users) // 2
    for name, network in (("linear", False), ("network", True)):
        async with open_recommender(settings, "benchmark") as recommender:
            if network:
                recommender.knowledge.model = model_with_network(np.random.default_rng(3))
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
    rng = np.random.default_rng(1)
    with scratch_database() as settings:
        with connect(settings, "benchmark") as connection:
            migrate(connection)
            if options.table_only:
                fill_plain_items(connection, options.items)
            else:
                vectors = contents(options.items, rng)
                fill_items(connection, vectors)
                fill_users(connection, vectors, options.users, rng)
            fill_trends(connection)
            row = connection.execute("select pg_read_file('postmaster.pid')").fetchone()
            assert row is not None
            cpu = Cpu(int(row[0].split()[0]))
            connection.execute("vacuum analyze")
        measure_table(settings)
        if not options.table_only:
            users = [f"u{number}" for number in range(min(options.requests, options.users))]
            asyncio.run(run(settings, users, cpu, literal(vectors[0])))


if __name__ == "__main__":
    main()

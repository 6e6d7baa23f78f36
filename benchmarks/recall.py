"""Recall of the text index against exact search, through the very query that serving uses.

    python -m benchmarks.recall --items ITEMS.jsonl.gz --vectors VECTORS.npy
    python -m benchmarks.recall --made-up 1000000

Users have taken some items, so the query is their centred vector; what they have seen is left out.
Of the 100 nearest of both vectors, found exactly, so much is among the 100 that the index gives,
for any item, and within a category, which the index is scanned for until enough are found. The
lists of serving are 40 deep.
"""

import argparse
import asyncio
import gzip
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.api_site import BATCH_ROWS, TOPICS, Size, contents, copy_items, fill_users
from benchmarks.report import machine, table
from benchmarks.servers import servers
from vane.filters import ANY, Filter
from vane.preference import Floats
from vane.settings import Settings
from vane.store import moments, serving
from vane.store.connection import connect
from vane.store.moments import Wanted, about_of, about_query
from vane.store.serving import ServingStore, open_store

USERS = 200
EVENTS_A_USER = 20
TASTES = 2

Ints = NDArray[np.int64]


class Catalogue:
    """Vectors (n, d) of items by number, and their categories."""

    def __init__(self, vectors: Floats, categories: Sequence[str]) -> None:
        self.vectors, self.categories = vectors, np.array(categories)
        self._found: dict[tuple[bytes, str | None], set[int]] = {}

    def exact(self, query: Floats, out: Ints, category: str | None, depth: int) -> set[int]:
        """The nearest by inner product, without some; searched once a query."""
        key = query.tobytes(), category
        if key not in self._found:
            scores = self.vectors @ query
            scores[out] = -np.inf
            if category is not None:
                scores[self.categories != category] = -np.inf
            best = np.argpartition(-scores, depth)[:depth]
            self._found[key] = set(best[scores[best] > -np.inf].tolist())
        return self._found[key]


async def recall(
    store: ServingStore, catalogue: Catalogue, category: str | None, depth: int, users: int
) -> tuple[float, float, float]:
    """Mean and lowest recall over users, and milliseconds of a query, both searches together."""
    found, took_s = [], 0.0
    mean = await store.item_mean()
    wanted = Wanted(ANY if category is None else Filter(categories=(category,)))
    query = about_query("" if category is None else moments.FILTER, depth)
    for user in range(users):
        began = time.perf_counter()
        known = await about_of(store, query, f"u{user}", wanted)
        took_s += time.perf_counter() - began
        seen = np.array([int(item[1:]) for item in known.seen])
        for taste, near in zip(
            known.queries(mean), (known.near_long, known.near_short), strict=True
        ):
            assert taste is not None
            best = catalogue.exact(
                taste.astype(np.float16).astype(np.float32), seen, category, depth
            )
            found.append(len(best & {int(item[1:]) for item in near}) / max(len(best), 1))
    return float(np.mean(found)), min(found), 1e3 * took_s / users


async def is_indexed(store: ServingStore, depth: int) -> bool:
    """Whether the plan without a filter searches the index; of a few items it does not."""
    fields = {"user_id": "u0", "mean": await store.item_mean_parameter(), "exclude_seen": True}
    (lines,) = await store.read(("explain " + about_query("", depth), fields))
    return sum("item_content" in line for (line,) in lines) == TASTES


async def measure(
    settings: Settings,
    catalogue: Catalogue,
    filters: Mapping[str, str | None],
    options: argparse.Namespace,
) -> list[list[str]]:
    """A row for each breadth of the search."""
    rows, usual = [], serving.SESSION["hnsw.ef_search"]
    for breadth in map(str, options.breadths):
        serving.SESSION["hnsw.ef_search"] = breadth
        async with open_store(settings, "recall") as store:
            assert await is_indexed(store, options.depth)
            row = [breadth + (" (serving)" if breadth == usual else "")]
            for category in filters.values():
                mean, low, took_ms = await recall(
                    store, catalogue, category, options.depth, options.users
                )
                row.append(f"{mean:.3f} ({low:.2f}), {took_ms:.1f} ms")
        rows.append(row)
    serving.SESSION["hnsw.ef_search"] = usual
    return rows


def real(items: Path, vectors: Path) -> Catalogue:
    """Items of a file, with their vectors in the same order."""
    with gzip.open(items) as lines:
        rows = [msgspec.json.decode(line) for line in lines]
    return Catalogue(
        np.load(vectors).astype(np.float16).astype(np.float32),
        [row.get("category") or "none" for row in rows],
    )


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=Path)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--made-up", type=int, default=0, metavar="ITEMS")
    parser.add_argument("--depth", type=int, default=100, help="how many nearest ones")
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--breadths", type=int, nargs="+", default=[20, 40, 60, 80, 120, 200])
    options = parser.parse_args()
    rng = np.random.default_rng(3)
    if options.made_up:
        vectors = contents(options.made_up, rng).astype(np.float16).astype(np.float32)
        categories = [f"topic {number % TOPICS}" for number in range(len(vectors))]
        catalogue = Catalogue(vectors, categories)
    else:
        catalogue = real(options.items, options.vectors)
    with servers() as started, started.database("recall") as settings:
        with connect(settings, "benchmark") as connection:
            began = time.perf_counter()
            copy_items(connection, catalogue.vectors, catalogue.categories.tolist())
            built_s = time.perf_counter() - began
            users = max(options.users, BATCH_ROWS // 10)
            size = Size(len(catalogue.vectors), users, EVENTS_A_USER)
            fill_users(connection, catalogue.vectors, size, rng)
            connection.execute("vacuum analyze")
        names, counts = np.unique(catalogue.categories, return_counts=True)
        order = np.argsort(-counts)
        chosen = {"any": None} | {
            f"{100 * counts[place] / counts.sum():.1f} % of the items": str(names[place])
            for place in (order[0], order[len(order) // 2])
        }
        print(f"{machine()}; {len(catalogue.vectors):,} items, filled in {built_s:.0f} s")
        header = ["ef_search", *chosen]
        print(table(header, asyncio.run(measure(settings, catalogue, chosen, options))))


if __name__ == "__main__":
    main()

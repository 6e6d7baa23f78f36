"""Search in a catalogue of 50,000 items: milliseconds for each kind of query, beside a floor.

    python -m benchmarks.search --items 50000 --queries 300

Fills a scratch database on an embedded PostgreSQL, then asks as the API does behind its cache, one
query at a time. The floor is a look-up of one item by its key over the same pool, measured in turn
with the queries.
"""

import argparse
import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from msgspec.structs import asdict

from api.recommender import Query, Recommender, open_recommender
from api.search import search
from api.suggestions import suggest
from vane.catalogue import Item
from vane.embedded.postgres import Postgres
from vane.settings import Settings
from vane.store.catalog import ItemRow, write_items
from vane.store.connection import Connection, connect
from vane.store.migrate import migrate

BATCH_ITEMS = 500
DIMENSION = 384
USER = "visitor"
SUGGESTED = ("prefix", "letter", "words", "typo", "broad")
"""Kinds of queries that suggestions are asked for as well."""
MAKES = {
    "Škoda": ("Octavia", "Fabia", "Superb", "Kodiaq", "Karoq", "Scala", "Enyaq"),
    "Volkswagen": ("Golf", "Passat", "Polo", "Tiguan", "Touran", "T-Roc", "ID.3"),
    "Peugeot": ("208", "308", "508", "Partner", "Rifter", "Traveller"),
    "Citroën": ("C3", "C4", "Berlingo", "Picasso", "Jumpy"),
    "Mercedes-Benz": ("A 180", "C 220", "E 300", "Sprinter", "Vito", "Citan"),
    "BMW": ("320d", "520i", "X3", "X5", "i3"),
    "Toyota": ("Corolla", "Yaris", "RAV4", "Auris", "Land Cruiser", "Hilux"),
    "Renault": ("Clio", "Mégane", "Scénic", "Captur", "Kangoo"),
    "Hyundai": ("i20", "i30", "Tucson", "Santa Fe", "Kona"),
    "Лада": ("Нива", "Веста", "Гранта"),
}
TRIMS = ("Ambition", "Elegance", "Comfortline", "Highline", "Active", "Allure", "Premium", "Sport")
FUELS = ("petrol", "diesel", "hybrid", "electric")
BODIES = ("estate", "hatchback", "saloon", "convertible", "van", "coupé")
COLOURS = ("red", "blue", "black", "white", "silver", "green")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Words:
    """Names and prose of believable frequencies: few words are everywhere, most are rare."""

    def __init__(self, rng: random.Random, count: int) -> None:
        starts = [*"bcdfghklmnprstvw", "br", "dr", "gr", "kl", "pr", "st", "tr"]
        ends = ["", "n", "r", "s", "l", "nd", "rk"]

        def syllables(least: int) -> str:
            parts = (rng.choice(starts) + rng.choice("aeiou") for _ in range(rng.randint(least, 4)))
            return "".join(parts) + rng.choice(ends)

        self._rng = rng
        self._names = list({syllables(2) for _ in range(count)})
        self._weights = [1 / (rank + 10) for rank in range(len(self._names))]

    def some(self, count: int) -> list[str]:
        """So many words."""
        return self._rng.choices(self._names, self._weights, k=count)


def catalogue(count: int, rng: random.Random) -> Iterator[Item]:
    """Seven in ten are cars, the others films and articles with names of their own."""
    words = Words(rng, 30_000)
    for number in range(count):
        colour, year, text = rng.choice(COLOURS), rng.randint(1998, 2025), " ".join(words.some(40))
        if rng.random() < 0.7:
            make = rng.choice(list(MAKES))
            model, fuel, body = rng.choice(MAKES[make]), rng.choice(FUELS), rng.choice(BODIES)
            title = f"{make} {model} {rng.randint(10, 30) / 10} {rng.choice(TRIMS)} {year}"
            category, tags = "cars", [fuel, body, colour]
            text = f"A {colour} {make} {model} with {fuel} engine, one owner, full history. {text}"
        else:
            category = rng.choice(["films", "articles"])
            title, tags = f"The {' '.join(words.some(3)).title()} ({year})", words.some(2)
        yield Item(
            item_id=f"i{number}", title=title, category=category, tags=tags, description=text
        )


def fill(connection: Connection, items: list[Item]) -> None:
    """Write items with random contents, and a visitor with some taste."""
    connection.execute("drop index item_content")  # no search uses it, and building it takes long
    contents = np.random.default_rng(1).normal(size=(len(items), DIMENSION))
    contents /= np.linalg.norm(contents, axis=1, keepdims=True)
    for start in range(0, len(items), BATCH_ITEMS):
        rows = [
            ItemRow(**asdict(items[at]), content=contents[at].tolist(), new_content=True)
            for at in range(start, min(start + BATCH_ITEMS, len(items)))
        ]
        with connection.transaction():
            write_items(connection, rows)
    taste = str(contents[:20].sum(axis=0).tolist())
    connection.execute(
        "insert into user_preference values (%s, %s, %s, 20, 20, now(), 1, 20, 0, '')",
        [USER, taste, taste],
    )
    connection.execute(
        "insert into item_trend select item_id, 0, 1, h, h, h, h, h, h, h, h"
        " from (select item_id, random() as h from item) i where h > 0.5"
    )
    connection.execute("vacuum analyze")


def typo(word: str, rng: random.Random) -> str:
    """The word with one letter lost, doubled, replaced or swapped with the next."""
    at = rng.randrange(1, len(word) - 1)
    before, letter, after = word[:at], word[at], word[at + 1 :]
    return rng.choice(
        [
            before + after,
            before + letter + letter + after,
            before + rng.choice(LETTERS) + after,
            before + after[0] + letter + after[1:],
        ]
    )


def query_kinds(items: list[Item], rng: random.Random) -> dict[str, Callable[[], str]]:
    """A maker of queries for each kind."""

    def title() -> str:
        return rng.choice(items).title

    def long_word() -> str:
        return rng.choice([word for word in title().split() if word.isalpha() and len(word) > 3])

    return {
        "title": title,
        "words": lambda: " ".join(title().split()[:2]),
        "word": long_word,
        "prefix": lambda: long_word()[:4],
        "letter": lambda: long_word()[: rng.randint(1, 2)],
        "typo": lambda: typo(long_word(), rng),
        "two typos": lambda: f"{typo(long_word(), rng)} {typo(long_word(), rng)}",
        "broad": lambda: rng.choice(["cars", "c", "petrol", "the", "with engine", "one owner"]),
        "unrelated": lambda: f"{long_word()} {long_word()} {long_word()}",
    }


async def measure(
    recommender: Recommender, kinds: dict[str, Callable[[], str]], queries: int
) -> dict[str, list[float]]:
    """Milliseconds of each query by kind, and of the floor."""
    suggested = {f"suggest: {kind}": kinds[kind] for kind in SUGGESTED}
    times: dict[str, list[float]] = {name: [] for name in ("floor", *kinds, *suggested)}
    await suggest(recommender, "a", 8)  # reads the labels
    for number in range(queries):
        for kind, make in (kinds | suggested).items():
            text, user = make(), USER if number % 2 else None
            started = time.perf_counter()
            if kind in suggested:
                await suggest(recommender, text, 8)
            else:
                await search(recommender, text, user, Query(10))
            times[kind].append(1e3 * (time.perf_counter() - started))
            started = time.perf_counter()
            await recommender.store.item("i1")
            times["floor"].append(1e3 * (time.perf_counter() - started))
    return times


@contextmanager
def scratch_database() -> Iterator[Settings]:
    """An embedded PostgreSQL with its settings, and nothing of it left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="vane-bench-"))
    folder.chmod(0o755)
    try:
        server = Postgres(folder / "data", folder / "sockets", folder).start()
        try:
            yield Settings(database_url=server.uri)
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Fill, measure, print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=300, help="of each kind")
    options = parser.parse_args()
    rng = random.Random(1)
    items = list(catalogue(options.items, rng))
    with scratch_database() as settings:
        started = time.monotonic()
        with connect(settings, "benchmark") as connection:
            migrate(connection)
            fill(connection, items)
            terms = connection.execute("select term from search_term").rowcount
        print(f"{len(items):,} items, {terms:,} terms, {time.monotonic() - started:.0f} s to fill")

        async def run() -> dict[str, list[float]]:
            async with open_recommender(settings, "benchmark") as recommender:
                await measure(recommender, query_kinds(items, random.Random(2)), 20)
                return await measure(
                    recommender, query_kinds(items, random.Random(3)), options.queries
                )

        times = asyncio.run(run())
    floor = np.percentile(times["floor"], 50)
    print("kind         p50 ms  p99 ms  p50/floor")
    for kind, measured in times.items():
        half, most = np.percentile(measured, [50, 99])
        print(f"{kind:<12} {half:6.1f}  {most:6.1f}  {half / floor:9.1f}")


if __name__ == "__main__":
    main()

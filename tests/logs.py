"""Small made-up logs of kinds of sites that differ in everything."""

import numpy as np
from numpy.typing import NDArray

from vane.item_table import ItemTable
from vane.replica import Events

MINUTE_US = 60_000_000
DAY_US = 1_440 * MINUTE_US
START_US = 1_700_000_000_000_000


def catalogue(items: int, categories: int = 4) -> ItemTable:
    """A table of available items in turn of each category, none of them touched."""
    table = ItemTable()
    names = [f"i{number}" for number in range(items)]
    table.put(
        names,
        filled=np.ones(items, np.bool_),
        category=[f"c{number % categories}" for number in range(items)],
    )
    return table


def events(rows: list[tuple[int, int, int, float]]) -> Events:
    """Events of (user, item, microseconds since START_US, weight)."""
    user, item, ts_us, weight = zip(*rows, strict=True)
    return Events(
        user=np.array(user, np.int64),
        item=np.array(item, np.int64),
        ts_us=START_US + np.array(ts_us, np.int64),
        weight=np.array(weight, np.float64),
        excluding=np.zeros(len(rows), np.bool_),
    )


def shop(seed: int, baskets: int = 120, users: int = 30, items: int = 80) -> Events:
    """Large baskets, each bought at one moment, no clicks; a user buys from one shelf."""
    rng = np.random.default_rng(seed)
    rows = []
    for basket in range(baskets):
        user = int(rng.integers(users))
        bought = 4 * rng.choice(items // 4, rng.integers(5, 12), replace=False) + user % 4
        rows += [(user, item, basket * 180 * MINUTE_US, 8.0) for item in bought.tolist()]
    return events(rows)


def news(seed: int, clicks: int = 900, users: int = 60, items: int = 90) -> Events:
    """Clicks on whatever is new: each story draws for half a day; no text anywhere."""
    rng = np.random.default_rng(seed)
    rows = []
    for click in range(clicks):
        newest = items * click / clicks
        item = int(max(0.0, newest - rng.exponential(4.0)))
        rows.append((int(rng.integers(users)), item, click * 10 * MINUTE_US, 2.0))
    return events(rows)


def texts(items: int, dimension: int = 16, seed: int = 0) -> NDArray[np.float32]:
    """A content vector for each item."""
    vectors = np.random.default_rng(seed).normal(1.0, 1.0, (items, dimension))
    return vectors.astype(np.float32)

"""Made-up logs of sites that differ from films in everything, for `vane evaluate`.

    python -m benchmarks.site_logs shop /tmp/shop
    vane evaluate --items /tmp/shop/items.jsonl --events /tmp/shop/events.csv --baselines

`shop`: large baskets bought at one moment, no clicks; tastes by shelf, seasons, complements, and
things that are bought again. `news`: clicks without any text; stories live for hours, readers have
topics.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Item = dict[str, str]

START_S = 1_600_000_000
DAY_S = 86_400.0
BASKET_MAX = 40
BOUGHT_AGAIN = 0.15
"""Chance of each of a customer's newest items, in each basket."""

SHELF_WORDS, TITLE_WORDS = 40, 4
"""Of a shelf's own vocabulary; of a title."""


class Event(NamedTuple):
    """One line of the log; `day` counts from the beginning."""

    user: int
    item: int
    day: float


def shop(
    rng: np.random.Generator, *, users: int = 4_000, items: int = 2_500, baskets: int = 9_000
) -> tuple[list[Item], list[Event]]:
    """A catalogue and 300 days of purchases."""
    shelves, days = 30, 300.0
    shelf = rng.integers(0, shelves, items)
    strength = rng.zipf(1.3, items).clip(1, 400) ** 0.7
    height, width = rng.random(items) * 365, rng.choice([15, 60, 400], items, p=[0.3, 0.3, 0.4])
    complements = [rng.choice(np.flatnonzero(shelf == own), 3) for own in shelf]
    taste = rng.dirichlet(np.full(shelves, 0.12), users)
    pace, joined = rng.pareto(1.2, users) + 0.2, rng.random(users) * 250
    joined[0] = 0.0
    owned: list[list[int]] = [[] for _ in range(users)]
    events = []
    for day in np.sort(rng.random(baskets) * days).tolist():
        user = _drawn(rng, pace * (joined <= day))
        season = np.exp(-np.abs((day - height + 182) % 365 - 182) / width)
        chance = strength * season * (taste[user][shelf] + 0.01)
        size = int(np.clip(rng.lognormal(2.2, 0.7), 1, BASKET_MAX))
        basket = set(rng.choice(items, size, p=chance / chance.sum()).tolist())
        basket |= {int(rng.choice(complements[item])) for item in list(basket)[:6:2]}
        basket |= {item for item in owned[user][-BASKET_MAX:] if rng.random() < BOUGHT_AGAIN}
        owned[user] += sorted(basket.difference(owned[user]))
        events += [Event(user, item, day) for item in sorted(basket)]
    words = rng.integers(0, SHELF_WORDS, (items, TITLE_WORDS))
    return [
        {
            "item_id": f"i{item}",
            "title": " ".join(f"s{shelf[item]}w{word}" for word in words[item]),
            "category": f"c{shelf[item] // 3}",
        }
        for item in range(items)
    ], events


def news(
    rng: np.random.Generator, *, users: int = 9_000, items: int = 3_000, visits: int = 19_000
) -> tuple[list[Item], list[Event]]:
    """Stories without text and two weeks of clicks."""
    topics, days = 15, 14.0
    born, topic = np.sort(rng.random(items) * days) - 1, rng.integers(0, topics, items)
    strength = rng.pareto(1.1, items) + 0.1
    life = rng.choice([0.08, 0.3, 1.5], items, p=[0.45, 0.4, 0.15])
    taste, pace = rng.dirichlet(np.full(topics, 0.2), users), rng.pareto(1.3, users) + 0.1
    read: list[list[int]] = [[] for _ in range(users)]
    events = []
    for begun in np.sort(rng.random(visits) * days).tolist():
        user, day, last = _drawn(rng, pace), begun, None
        for _ in range(1 + int(rng.poisson(2.0))):
            age = np.maximum(day - born, 0)
            chance = strength * (age > 0) * np.exp2(-age / life) * (0.12 + taste[user][topic])
            if last is not None:
                chance[topic == topic[last]] *= 3
            chance[read[user]] *= 0.03
            last = _drawn(rng, chance)
            read[user].append(last)
            events.append(Event(user, last, day))
            day += rng.exponential(2.0 / 1_440)
    return [{"item_id": f"i{item}"} for item in range(items)], sorted(events, key=lambda e: e.day)


def _drawn(rng: np.random.Generator, weights: Doubles) -> int:
    return int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum()))


def main() -> None:
    """Write `items.jsonl` and `events.csv` of a site into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", choices=["shop", "news"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    items, events = shop(rng) if asked.site == "shop" else news(rng)
    asked.folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{json.dumps(item)}\n" for item in items)
    (asked.folder / "items.jsonl").write_text(lines, encoding="utf-8")
    action = "purchase" if asked.site == "shop" else "click"
    with (asked.folder / "events.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "item_id", "action", "timestamp"])
        for user, item, day in events:
            rows.writerow([f"u{user}", f"i{item}", action, START_S + int(day * DAY_S)])
    print(f"{len(items):,} items and {len(events):,} events in {asked.folder}")


if __name__ == "__main__":
    main()

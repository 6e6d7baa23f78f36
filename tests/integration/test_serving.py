"""What serving retrieves is what the replica, from which models learn, retrieves."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random

import numpy as np
import pytest

from api.recommender import Moment, Query, open_recommender
from tests.api.seed import Seed
from tests.support import DAY_MS, Worker, event, unit_vectors
from tests.trends_log import catch_up
from vane.features import FEATURES
from vane.item_table import ItemTable
from vane.replica import Events, Replica
from vane.retrieval import SOURCES
from vane.settings import Settings
from vane.store.connection import Connection
from vane.tuning import Tuning

ITEMS = 150
USERS = 25
CATEGORIES = ("cars", "films", "books", None)
PUBLISHED = datetime(2023, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Visit:
    user: str
    item: int
    action: str
    ts_ms: int


def visits(count: int, seed: int) -> list[Visit]:
    """In the order of time; some items are touched again and again, some are disliked."""
    random = Random(seed)
    found, ts_ms = list[Visit](), DAY_MS
    for _ in range(count):
        ts_ms += random.choice([1_000, 30_000, 3_600_000])
        user = f"user-{min(int(random.expovariate(0.1)), USERS - 1)}"
        item = min(int(random.expovariate(0.03)), ITEMS - 1)
        if found and random.random() < 0.2:
            user, item = found[-1].user, found[-1].item
        action = random.choice(["view", "view", "click", "like", "purchase", "dislike"])
        found.append(Visit(user, item, action, ts_ms))
    return found


@dataclass
class Site:
    """A catalogue of which a third has no text, and its log."""

    settings: Settings
    connection: Connection
    log: list[Visit]

    def fill(self) -> None:
        """Through the flows, as a running system would."""
        seed = Seed(self.connection)
        for number, vector in enumerate(self.vectors()):
            seed.item(
                f"item-{number}",
                vector if vector.any() else None,
                category=CATEGORIES[number % 4],
                published_at=PUBLISHED,
            )
        self.connection.execute(
            "insert into item_version (item_id, version, content)"
            " select item_id, version, content from item"
        )
        messages = [
            event(n, v.user, f"item-{v.item}", action=v.action, ts=v.ts_ms)
            for n, v in enumerate(self.log)
        ]
        worker = Worker(self.settings, self.connection, [messages])
        worker.drain()
        worker.close()
        catch_up(self.connection)

    def vectors(self) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        vectors = unit_vectors(ITEMS, seed=7)
        vectors[::3] = 0
        return vectors

    def replica(self, ids: list[str]) -> tuple[Replica, dict[str, int]]:
        """The same in memory, items numbered so that ties end alike; the codes of its users."""
        table, order = ItemTable(), [int(item.removeprefix("item-")) for item in ids]
        table.put(
            ids,
            category=[CATEGORIES[number % 4] for number in order],
            filled=np.ones(ITEMS, bool),
            since_us=np.full(ITEMS, round(PUBLISHED.timestamp() * 1e6)),
        )
        replica, users = Replica(table, self.vectors()[order]), dict[str, int]()
        tuning = Tuning()
        replica.apply(
            Events(
                user=np.array([users.setdefault(v.user, len(users)) for v in self.log]),
                item=table.numbers(f"item-{v.item}" for v in self.log),
                ts_us=np.array([v.ts_ms * 1_000 for v in self.log]),
                weight=np.array([tuning.action_weights[v.action] for v in self.log]),
                excluding=np.array([v.action in tuning.excluding_actions for v in self.log]),
            )
        )
        return replica, users

    def moments(self, users: list[str]) -> list[Moment]:
        """As the API would make them, by the clock of the events."""

        async def run() -> list[Moment]:
            settings = replace(self.settings, clock="event")
            async with open_recommender(settings, "tests") as recommender:
                return [await recommender.moment(user, Query()) for user in users]

        return asyncio.run(run())


@pytest.fixture
def site(settings: Settings, connection: Connection) -> Site:
    built = Site(settings, connection, visits(600, seed=3))
    built.fill()
    return built


def test_candidates_sources_and_features_equal_those_of_the_replica(site: Site) -> None:
    users = [*{visit.user for visit in site.log}, "nobody"]
    moments = site.moments(users)
    replica, codes = site.replica(moments[0].shelf.table.ids)
    now_us = site.log[-1].ts_ms * 1_000
    for user, served in zip(users, moments, strict=True):
        sources, features = replica.moment(codes.get(user, -1), now_us)
        mine = [replica.table.ids[number] for number in sources.numbers.tolist()]
        theirs = [served.shelf.table.ids[number] for number in served.sources.numbers.tolist()]
        assert sorted(mine) == sorted(theirs), user
        order = [theirs.index(item) for item in mine]
        for place, name in enumerate(SOURCES):
            np.testing.assert_allclose(
                served.sources.values[order, place],
                sources.values[:, place],
                rtol=2e-3,
                atol=2e-3,
                err_msg=f"{user} {name}",
            )
        ranks = np.array([name.startswith("rank_") for name in FEATURES])
        differing = np.abs(served.features[order] - features)
        assert differing[:, ~ranks].max() < 5e-3, [
            FEATURES[place] for place in np.flatnonzero((differing * ~ranks).max(axis=0) > 5e-3)
        ]
        swapped = differing[:, ranks] > 1  # near ties
        assert swapped.mean() < 0.01

"""What the text index finds, of the demo catalogue, beside exact search."""

import asyncio
from itertools import islice

import numpy as np
import pytest

from tests.api.seed import Seed
from vane.demo.catalogue import demo_items_by_id
from vane.embedding import BUNDLED_MODEL, load_encoder
from vane.filters import ANY, Filter
from vane.preference import Floats
from vane.settings import Settings
from vane.store.connection import Connection
from vane.store.moments import NEAR_ITEMS, About, Wanted, about
from vane.store.serving import open_store

ITEMS = 300
TAKEN = 6
USERS = 20
RECALL_MIN = 0.95


@pytest.fixture(scope="module")
def vectors() -> dict[str, Floats]:
    """Titles of demo items, embedded, as they are stored."""
    items = dict(islice(demo_items_by_id().items(), ITEMS))
    rows = load_encoder(BUNDLED_MODEL, 32)([str(item.title) for item in items.values()])
    return dict(zip(items, rows.astype(np.float16).astype(np.float32), strict=True))


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(Filter(kinds=("video",)))])
def test_recall_of_what_is_nearest_to_users(
    vectors: dict[str, Floats], wanted: Wanted, settings: Settings, connection: Connection
) -> None:
    seed, ids = Seed(connection), [*vectors]
    kinds = {item: demo_items_by_id()[item].kind for item in ids}
    for item, vector in vectors.items():
        seed.item(item, vector, kind=kinds[item])
    rng = np.random.default_rng(1)
    for user in range(USERS):
        seed.user(f"u{user}", rng.choice(ids, TAKEN, replace=False).tolist())
    connection.execute("analyze item")

    async def read() -> tuple[Floats, list[About]]:
        async with open_store(settings, "tests") as store, store.connection() as session:
            for option in ("enable_seqscan", "enable_sort"):  # of few items it would be exact
                await session.execute(f"alter database {session.info.dbname} set {option} = off")
        async with open_store(settings, "tests") as store:
            mean = await store.item_mean()
            return mean, [await about(store, f"u{user}", wanted) for user in range(USERS)]

    mean, users = asyncio.run(read())
    shares = []
    for known in users:
        offered = [i for i in ids if i not in known.seen]
        if wanted.filter != ANY:
            offered = [item for item in offered if kinds[item] in wanted.filter.kinds]
        for query, near in zip(
            known.queries(mean), (known.near_long, known.near_short), strict=True
        ):
            assert query is not None
            scores = np.array([vectors[item] @ query for item in offered])
            best = {offered[row] for row in np.argsort(-scores)[:NEAR_ITEMS]}
            assert len(near) == len(best)
            shares.append(len(best & set(near)) / len(best))
    assert np.mean(shares) >= RECALL_MIN

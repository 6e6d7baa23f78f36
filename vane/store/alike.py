"""What is read of other users: a sample of their tastes, and what some of them went for."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vane.store.serving import ServingStore, vectors
from vane.store.sql import load_queries

SAMPLE_PAGES = 2_000
"""Of the users' table, two users each: 16 MB to read."""
PEOPLE_MAX = 4_000
EVENTS_MIN = 3
"""Users with fewer events have no clear taste yet."""
NEWEST_EVENTS = 30

_SQL = load_queries("alike")


class People(NamedTuple):
    """Some users and what they like, unit vectors (n, 384) seen from the mean item."""

    ids: list[str]
    tastes: NDArray[np.float32]


async def sample_people(store: ServingStore) -> People:
    """A random sample of the users, at most PEOPLE_MAX."""
    fields = {
        "pages": SAMPLE_PAGES,
        "people_max": PEOPLE_MAX,
        "events_min": EVENTS_MIN,
        "mean": await store.item_mean_parameter(),
    }
    (rows,) = await store.read((_SQL["people"], fields))
    return People([row[0] for row in rows], vectors([row[1] for row in rows]))


async def went_for(store: ServingStore, user_ids: Sequence[str]) -> list[tuple[int, str]]:
    """Places of these users, from 0, each with an item that is among the user's newest liked."""
    fields = {"user_ids": list(user_ids), "events_max": NEWEST_EVENTS}
    (rows,) = await store.read((_SQL["went_for"], fields))
    return [(place - 1, item_id) for place, item_id in rows]

"""What is nearest to vectors that the caller has: of a basket, of a text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vane.store.moments import FILTER, Wanted
from vane.store.serving import ServingStore, literal
from vane.store.sql import load_queries

_SQL = load_queries("near")
_NEAR, _NEAR_FILTERED = (_SQL["near_to"].format(filter=conditions) for conditions in ("", FILTER))


async def near_to(
    store: ServingStore, queries: Sequence[NDArray[np.float32]], wanted: Wanted, limit: int
) -> list[list[tuple[str, float]]]:
    """For each unit vector (384,) the nearest items with their inner products, nearest first.

    Args:
        store: where they are.
        queries: the vectors.
        wanted: which items; `exclude_seen` has no meaning here.
        limit: items for each vector.
    """
    fields = wanted.fields() | {"limit": limit}
    query = _NEAR if wanted.anything else _NEAR_FILTERED
    found = await store.read(*((query, fields | {"query": literal(to)}) for to in queries))
    if wanted.only is None:
        for rows in found:
            store.scans.count(len(rows), limit)
    return [sorted(map(tuple, rows), key=lambda row: -row[1]) for rows in found]

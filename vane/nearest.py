"""What items' texts say, in memory: nearest items of a query, as the store's index finds them.

Pure numpy. Like an approximate index it looks at short sketches of all vectors, and then at the
whole vectors of the best.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vane.retrieval import BUDGETS, CLOSEST_CONTENT, Contents, Taste, closest, common

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

NEAREST_MAX = 60
"""Items of a list of nearest items."""

SKETCH_DIMENSIONS = 64
SKETCHED_FOR_ONE = 3
"""How many candidates by sketch are looked at for each that is wanted."""


class NearestItems:
    """Content vectors of all items, by number.

    Attributes:
        mean: (d,) what all items have in common.
    """

    def __init__(self, vectors: Floats) -> None:
        """Args: vectors (n, d) by number, zero without text; not all are."""
        self._vectors = vectors
        worded = np.asarray(vectors.any(axis=1))
        mean = vectors[worded].mean(axis=0, dtype=np.float64)
        self.mean = common(mean, int(worded.sum()))
        moved = np.where(worded[:, None], vectors - self.mean, 0)
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        self._units = np.divide(moved, norms, out=np.zeros_like(moved), where=norms > 0)
        self._basis = _principal(self._units[worded])
        self._sketches = self._units @ self._basis
        self._found: dict[int, tuple[Ints, Floats]] = {}

    def reach(self, items: int) -> None:
        """Have rows, without text, for items that joined the table."""
        if len(self._vectors) < items:
            missing = ((0, items + items // 4 - len(self._vectors)), (0, 0))
            self._vectors = np.pad(self._vectors, missing)
            self._units = np.pad(self._units, missing)
            self._sketches = np.pad(self._sketches, missing)

    def vector(self, item: int) -> Floats | None:
        """The item's vector, None without text."""
        vector: Floats = self._vectors[item]
        return vector if vector.any() else None

    def units(self, numbers: Ints) -> Floats:
        """Centred unit vectors (n, d), zero without text."""
        return np.asarray(self._units[numbers])

    def contents(self, taste: Taste) -> Contents:
        """What the texts say to a user."""
        lists: dict[str, Ints] = {}
        for name, query in (("content_long", taste.long), ("content_short", taste.short)):
            if query is not None:
                lists[name] = self._nearest_to(query, taste.excluded, BUDGETS[name])
        recent = taste.recent[:CLOSEST_CONTENT].tolist()
        nearest = [self._nearest_of(item) for item in recent if self._units[item].any()]
        if nearest:
            lists["content_last"] = nearest[0][0]
            lists["content_closest"] = closest(nearest)
        return Contents(lists, self.units)

    def _nearest_of(self, item: int) -> tuple[Ints, Floats]:
        """The nearest of an item and their cosines, best first."""
        found = self._found.get(item)
        if found is None:
            query = self._units[item]
            numbers = self._nearest_to(query, np.array([item]), NEAREST_MAX)
            cosines = self._units[numbers] @ query
            order = np.argsort(-cosines, kind="stable")
            found = self._found[item] = numbers[order], cosines[order]
        return found

    def _nearest_to(self, query: Floats, excluded: Ints, count: int) -> Ints:
        """Items with the largest inner product of their content, not centred, with the query."""
        rough = self._sketches @ (query @ self._basis)
        rough[excluded] = -np.inf
        near = _best(rough, SKETCHED_FOR_ONE * count)
        near = near[self._vectors[near].any(axis=1) & (rough[near] > -np.inf)]
        return np.asarray(near[_best(self._vectors[near] @ query, count)])


def _principal(units: Floats) -> Floats:
    """The strongest directions of unit vectors (n, d), (d, at most SKETCH_DIMENSIONS)."""
    _, directions = np.linalg.eigh(units.T.astype(np.float64) @ units)
    return np.ascontiguousarray(directions[:, -SKETCH_DIMENSIONS:], np.float32)


def _best(score: NDArray[Any], count: int) -> Ints:
    """Rows of the `count` highest, best first."""
    if len(score) <= count:
        return np.argsort(-score, kind="stable")
    kept = np.argpartition(-score, count)[:count]
    return np.asarray(kept[np.argsort(-score[kept], kind="stable")])

"""Diversity: the head of a list chosen for relevance and against sameness. Pure numpy.

Maximal marginal relevance (Carbonell, Goldstein, SIGIR 1998) takes, place by place, the candidate
with the highest

    (1 - strength) · relevance - strength · (similarity to the most similar one taken)

where the relevance is the score scaled to [0, 1] over the pool. Two candidates are similar by what
they are (their contents) or by whom they go with (the user's items that each is visited with),
whichever is stronger. Besides, an author and a category may fill only their share of a list; where
nothing else is left they fill the rest, so a list never gets shorter.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vane.retrieval import Neighbours
from vane.tuning import Diversity

POOL_ITEMS = 50
POOL_FACTOR = 3
"""The pool is so many candidates, or so many times the list where that is more."""

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Codes = NDArray[np.signedinteger[Any]]


def pool_size(limit: int) -> int:
    """How many of the best candidates a list of `limit` items is chosen from."""
    return max(POOL_ITEMS, POOL_FACTOR * limit)


def similarity(*profiles: NDArray[Any]) -> Doubles:
    """The strongest cosine of any two candidates over the profiles, (n, n), at least 0.

    Args:
        profiles: each (n, d); a candidate without one has a zero row and is like no other.
    """
    strongest = np.zeros((len(profiles[0]), len(profiles[0])))
    for rows in profiles:
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        units = np.divide(rows, lengths, out=np.zeros(rows.shape), where=lengths > 0)
        np.maximum(strongest, units @ units.T, out=strongest)
    return strongest


def visits(numbers: Ints, recent: Ints, neighbours: Mapping[int, Neighbours]) -> Floats:
    """How strongly n items are visited with each of the user's k recent ones, (n, k)."""
    order = np.argsort(numbers)
    found = np.zeros((len(numbers), len(recent)), np.float32)
    for place, item in enumerate(recent.tolist()):
        row = neighbours.get(item)
        if row is None or not len(numbers):
            continue
        at = order[np.searchsorted(numbers, row.items, sorter=order) % len(numbers)]
        known = numbers[at] == row.items
        found[at[known], place] = row.together[known, 0] / np.sqrt(max(row.mass[0], 1e-9))
    return found


def diversified(
    scores: Doubles,
    similar: Doubles,
    authors: Codes,
    categories: Codes,
    *,
    limit: int,
    rules: Diversity,
) -> Ints:
    """Rows of the list, at most `limit`, the first one the best.

    Args:
        scores: (n,) of the pool, best first.
        similar: (n, n) in [0, 1], see `similarity`.
        authors: (n,) codes; negative: unknown, so never too many.
        categories: (n,) codes, as the authors.
        limit: length of the list.
        rules: how strong sameness counts, and the shares of an author and of a category.
    """
    count = len(scores)
    spread = scores[0] - scores[-1] if count else 0.0
    relevance = (scores - scores[-1]) / spread if spread > 0 else np.zeros(count)
    free = np.ones(count, bool)
    closest = np.zeros(count)
    taken = list[int]()
    groups = ((authors, _most(rules.author_share, limit)),
              (categories, _most(rules.category_share, limit)))  # fmt: skip
    for _ in range(min(limit, count)):
        allowed = free.copy()
        for codes, most in groups:
            allowed &= ~_full(codes, taken, most)
        gain = (1 - rules.strength) * relevance - rules.strength * closest
        best = int(np.argmax(np.where(allowed if allowed.any() else free, gain, -np.inf)))
        taken.append(best)
        free[best] = False
        np.maximum(closest, similar[best], out=closest)
    return np.array(taken, np.int64)


def _most(share: float, limit: int) -> int:
    """Places that a group may take of a list."""
    return max(1, int(np.ceil(share * limit)))


def _full(codes: Codes, taken: list[int], most: int) -> NDArray[np.bool_]:
    """Which candidates belong to a group that has its share."""
    if len(taken) < most:
        return np.zeros(len(codes), bool)
    named, counts = np.unique(codes[taken], return_counts=True)
    return np.isin(codes, named[(counts >= most) & (named >= 0)])

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

from vane.following import Neighbours
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


def similarity(*profiles: NDArray[Any]) -> NDArray[np.float32]:
    """The strongest cosine of any two candidates over the profiles, (n, n), at least 0.

    Args:
        profiles: each (n, d); a candidate without one has a zero row and is like no other.
    """
    strongest = np.zeros((len(profiles[0]), len(profiles[0])), np.float32)
    for rows in profiles:
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
        units = rows / np.where(lengths > 0, lengths, 1)[:, None]
        np.maximum(strongest, units @ units.T, out=strongest)
    return strongest


def visits(numbers: Ints, recent: Ints, neighbours: Mapping[int, Neighbours]) -> Floats:
    """How strongly n items are visited with each of the user's k recent ones, (n, k)."""
    found = np.zeros((len(numbers), len(recent)), np.float32)
    places = [place for place, item in enumerate(recent.tolist()) if item in neighbours]
    if not places or not len(numbers):
        return found
    rows = [neighbours[int(recent[place])] for place in places]
    sizes = [len(row.items) for row in rows]
    items = np.concatenate([row.items for row in rows])
    hits = np.flatnonzero(np.isin(items, numbers, kind="table"))
    order = np.argsort(numbers)
    at = order[np.searchsorted(numbers, items[hits], sorter=order)]
    weight = np.concatenate([row.together[:, 0] for row in rows])[hits]
    mass = np.repeat([max(row.mass[0], 1e-9) for row in rows], sizes)[hits]
    found[at, np.repeat(places, sizes)[hits]] = weight / np.sqrt(mass)
    return found


def diversified(
    scores: Doubles,
    similar: NDArray[np.floating[Any]],
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
    worth, closest = (1 - rules.strength) * relevance, np.zeros(count)
    barred, gone = np.zeros(count), np.zeros(count)  # -inf: may not come, is in the list
    taken = list[int]()
    groups = [_Group(authors, rules.author_share, limit)]
    groups += [_Group(categories, rules.category_share, limit)]
    for _ in range(min(limit, count)):
        gain = worth - rules.strength * closest
        best = int(np.argmax(gain + barred))
        if barred[best] < 0:  # only full groups are left, and will be
            barred, groups = gone.copy(), []
            best = int(np.argmax(gain + barred))
        taken.append(best)
        barred[best] = gone[best] = -np.inf
        for group in groups:
            if group.take(best):
                barred[group.codes == group.codes[best]] = -np.inf
        np.maximum(closest, similar[best], out=closest)
    return np.array(taken, np.int64)


class _Group:
    """Places that the candidates of one author, or of one category, have taken."""

    def __init__(self, codes: Codes, share: float, limit: int) -> None:
        self.codes = codes
        self._left = dict.fromkeys(codes.tolist(), max(1, int(np.ceil(share * limit))))

    def take(self, row: int) -> bool:
        """A candidate is taken; whether its group is full now."""
        code = int(self.codes[row])
        self._left[code] -= 1
        return code >= 0 and self._left[code] == 0

"""One order from several: what was found by words, and what by meaning. Pure."""

from collections.abc import Iterable, Sequence

FUSION = 60.0
"""The constant of reciprocal rank fusion, as its authors chose it."""
COSINE_MIN = 0.25
"""What is less like the text means something else: of all-MiniLM-L6-v2, on the demo catalogue."""
ALL_WORDS = (1.0, 0.02)
"""Weights of words and of meaning where items have every word; beginnings of words mean little."""
CORRECTED_WORDS = (1.0, 0.1)
"""The same where words were corrected: the text may have been right after all."""
SOME_WORDS = (0.1, 1.0)
"""The same where no item has every word. All three: chosen by `benchmarks/search_meaning.py`."""
TASTE = 0.1
"""Times the similarity to the user's taste, from -1 to 1, on top of the cosine."""


def fused(lists: Iterable[tuple[Sequence[str], float]]) -> dict[str, float]:
    """Scores by reciprocal rank fusion: the first of a list gets its weight, later ones less.

    Cormack, Clarke, Büttcher: Reciprocal rank fusion outperforms Condorcet and individual rank
    learning methods (SIGIR 2009).

    Args:
        lists: each best first, with its weight.

    Example:
        >>> fused([(["a", "b"], 1.0), (["b"], 1.0)])["b"] > 1.0
        True
    """
    scores: dict[str, float] = {}
    for items, weight in lists:
        for rank, item in enumerate(items):
            scores[item] = scores.get(item, 0.0) + weight * (FUSION + 1) / (FUSION + 1 + rank)
    return scores

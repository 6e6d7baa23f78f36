"""One order from several: what was found by words, and what by meaning. Pure."""

from collections.abc import Iterable, Sequence

FUSION = 60.0
"""The constant of reciprocal rank fusion, as its authors chose it."""
COSINE_MIN = 0.3
"""What is less like the text means something else. On the demo catalogue under all-MiniLM-L6-v2 no
text without sense came above 0.27."""
MEANING = 0.4
"""The weight of the meaning beside 1 for items that have every word, and the other way round for
items with only some: beginnings of words mean little, whole sentences do."""
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

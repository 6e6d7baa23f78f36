"""Ranking: the learned model that orders candidates, and what each part adds. Pure numpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vane.linear import LinearRanker
from vane.trees import TreeRanker

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

LINEAR_SHARE = 0.5
"""Of the linear ranker's standardised score beside that of the trees."""


@dataclass(frozen=True, slots=True)
class Model:
    """What ranks candidates: the linear ranker, and the trees once there are any.

    With trees the score is z(trees) + 0.5 · z(linear), each standardised over the list; the linear
    ranker alone otherwise. Immutable in use, so any number of threads may ask it.

    Attributes:
        linear: the linear ranker.
        trees: None before enough lists exist.
        linear_version, trees_version: as they are stored; 0: nothing is.
    """

    linear: LinearRanker
    trees: TreeRanker | None = None
    linear_version: int = 0
    trees_version: int = 0

    @property
    def version(self) -> str:
        """Changes whenever the same candidates could be ranked differently."""
        return f"{self.linear_version}.{self.trees_version}"

    def scores(self, features: Floats) -> Doubles:
        """Scores (n,) of n candidates, higher is better; milliseconds with trees: in a thread."""
        linear = self.linear.scores(features)
        if self.trees is None or not len(features):
            return linear
        return blend(self.trees.scores(features), linear)

    def contributions(self, features: Floats, rows: NDArray[np.int64]) -> dict[str, Doubles]:
        """What each source, item or user feature adds to the scores of some candidates.

        Args:
            features: of the whole list, (n, F).
            rows: the m candidates to explain.

        Returns:
            (m,) for each name that `part_of` gives, and "rest", which all of a list share; they
            add up to the scores.
        """
        names = self.linear.features
        added, rest = self.linear.contributions(features)[rows], np.zeros(len(rows))
        if self.trees is not None:
            trees, linear = self.trees.scores(features), self.linear.scores(features)
            explained = self.trees.contributions(features[rows])
            added *= LINEAR_SHARE / _deviation(linear)
            rest -= LINEAR_SHARE * linear.mean() / _deviation(linear)
            added += explained[:, :-1] / _deviation(trees)
            rest += (explained[:, -1] - trees.mean()) / _deviation(trees)
        parts = {part: np.zeros(len(rows)) for part in map(part_of, names)} | {"rest": rest}
        for name, column in zip(names, added.T, strict=True):
            parts[part_of(name)] += column
        return parts


def blend(trees: Doubles, linear: Doubles) -> Doubles:
    """Scores of one list under both rankers, joined."""
    return np.asarray(
        (trees - trees.mean()) / _deviation(trees)
        + LINEAR_SHARE * (linear - linear.mean()) / _deviation(linear)
    )


def part_of(feature: str) -> str:
    """What a feature is about: its source's name, or itself where it belongs to none."""
    prefix, _, source = feature.partition("_")
    return source if prefix in {"rank", "share"} else feature


def _deviation(scores: Doubles) -> float:
    return float(scores.std()) or 1.0

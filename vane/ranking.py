"""Ranking: the learned model that orders candidates, and what each part adds. Pure numpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vane.linear import Features, LinearRanker
from vane.network import NetworkRanker

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Model:
    """What ranks candidates: the network once there is one, the linear ranker until then.

    Not changed in use, so any number of threads may ask it. A list of 300 takes 0.6 ms, and 0.3
    where only the best 50 are wanted.

    Attributes:
        linear: the linear ranker.
        network: None before enough lists exist.
        linear_version, network_version: as they are stored; 0: nothing is.
    """

    linear: LinearRanker
    network: NetworkRanker | None = None
    linear_version: int = 0
    network_version: int = 0

    @property
    def version(self) -> str:
        """Changes whenever the same candidates could be ranked differently."""
        return f"{self.linear_version}.{self.network_version}"

    def scores(self, features: Features, best: int | None = None) -> Doubles:
        """Scores (n,) of n candidates, higher is better; `best` as in `NetworkRanker.scores`."""
        if self.network is None:
            return self.linear.scores(features)
        return self.network.scores(features, best)

    def contributions(self, features: Features, rows: NDArray[np.int64]) -> dict[str, Doubles]:
        """What each source, item or user feature adds to the scores of some candidates.

        Args:
            features: of the whole list, (n, F).
            rows: the m candidates to explain.

        Returns:
            (m,) for each name that `part_of` gives, and "rest", which is of no feature; they add up
            to the scores.
        """
        if self.network is None:
            added = self.linear.contributions(features, rows)
            rest = np.zeros(len(rows))
        else:
            found = self.network.contributions(features[rows])
            added, rest = found[:, :-1], found[:, -1]
        names = self.linear.features
        parts = {part: np.zeros(len(rows)) for part in map(part_of, names)} | {"rest": rest}
        for name, column in zip(names, added.T, strict=True):
            parts[part_of(name)] += column
        return parts


def part_of(feature: str) -> str:
    """What a feature is about: its source's name, or itself where it belongs to none."""
    prefix, _, source = feature.partition("_")
    return source if prefix in {"rank", "share"} else feature

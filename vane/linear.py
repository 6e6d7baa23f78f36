"""The linear ranker: a softmax over each list, learned online, one step an observed list.

The score of a candidate is Σ weight · z(f(feature)). f makes a rank r into 10 / (10 + r) and a
share s into log(1 + 50 · s); z centres on the list and divides by the feature's usual deviation
within a list. The weight of a share is a common one plus one for users of this activity. A step
follows the gradient of -log softmax of the chosen candidate, scaled by AdaGrad (Duchi, Hazan,
Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 2011).

Features tell by their names what they are: `rank_…`, `share_…`, `user_…` (the same for every
candidate, so it cannot order them), anything else is taken as it is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from vane.model_file import pack, unpack

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Features = NDArray[np.float16] | NDArray[np.float32]

KIND = "linear"

RATE = 0.03
DECAY = 1e-4
"""Pull of every weight towards zero, a step."""

FIRST_WEIGHT = 0.1
"""Of every rank and every share before anything was learned: all sources count alike."""

ACTIVITY_LIMITS = (5, 20, 80)
"""Events from which on a user belongs to the next class of activity."""

DEVIATION_LISTS_MAX = 2_000
"""The usual deviations follow about this many of the newest lists."""

_CLASSES = len(ACTIVITY_LIMITS) + 1
_FIRST_DEVIATION = {"rank": 0.2, "share": 1.0}
_FIRST_LISTS = 2
_Z_MAX = 6.0


class LabelledList(NamedTuple):
    """Candidates as they were retrieved, and the one that was chosen then."""

    features: Features  # (n, F)
    positive: int  # its row


class _Content(Struct, frozen=True):
    lists: int
    weights: list[float]
    activity_weights: list[list[float]]
    squares: list[float]
    activity_squares: list[list[float]]
    variances: list[float]


class LinearRanker:
    """Scores candidates by weighted features; learns from every list it is shown.

    Attributes:
        features: names of the columns that it is given.
        lists: how many lists it has learned from.
        weights: (len(used),) weight of each used feature, for all users.
        activity_weights: (classes, shares) what is added to the shares' weights by activity.
        step_length: how far the last step has moved all weights; 0 before the first.

    Example:
        >>> ranker = LinearRanker(("rank_popular", "share_popular"))
        >>> ranker.scores(np.array([[0, 1.0], [1, 0.2]], np.float32)).round(2).tolist()
        [0.12, -0.12]
    """

    def __init__(self, features: Sequence[str]) -> None:
        self.features = tuple(features)
        self.lists = 0
        self.step_length = 0.0
        self._used = np.array([not name.startswith("user_") for name in features])
        kinds = [name.partition("_")[0] for name in features if not name.startswith("user_")]
        self._ranks, self._shares = ranks_and_shares(kinds)
        sources = self._ranks | self._shares
        self.weights = np.where(sources, FIRST_WEIGHT, 0.0)
        self.activity_weights = np.zeros((_CLASSES, int(self._shares.sum())))
        self._squares = np.ones(len(kinds))
        self._activity_squares = np.ones_like(self.activity_weights)
        self._variances = np.array([_FIRST_DEVIATION.get(kind, 1.0) for kind in kinds]) ** 2

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the features that can order candidates, as `weights` has them."""
        return tuple(np.array(self.features, object)[self._used].tolist())

    @property
    def flat(self) -> Floats:
        """All weights in one row."""
        parts = (self.weights, self.activity_weights.ravel())
        return np.concatenate(parts).astype(np.float32)

    def scores(self, features: Features) -> Doubles:
        """Scores (n,) of n candidates, features (n, len(self.features)); higher is better."""
        z = self._standardised(self._transformed(features))
        return np.asarray(z @ self._weights_of(self._activity(features)), np.float64)

    def contributions(self, features: Features, rows: NDArray[np.int64]) -> Doubles:
        """What each feature adds to the scores of m of n candidates, (m, len(self.features))."""
        z = self._standardised(self._transformed(features), rows)
        parts = np.zeros((len(rows), features.shape[1]))
        parts[:, self._used] = z * self._weights_of(self._activity(features))
        return parts

    def learn(self, lists: Sequence[LabelledList]) -> None:
        """One step from the lists of one moment, as a basket makes several at once."""
        weights, squares = np.zeros_like(self.weights), self._activity_squares
        by_activity = np.zeros_like(self.activity_weights)
        for features, positive in lists:
            raw = self._transformed(features)
            self._follow(raw)
            z, activity = self._standardised(raw), self._activity(features)
            scores = z @ self._weights_of(activity)
            chances = np.exp(scores - scores.max())
            chances /= chances.sum()
            chances[positive] -= 1.0
            gradient = chances @ z / len(lists)
            weights += gradient
            by_activity[activity] += gradient[self._shares]
        seen = by_activity.any(axis=1)
        moved = _step(self.weights, self._squares, weights)
        for activity in np.flatnonzero(seen).tolist():
            moved += _step(
                self.activity_weights[activity], squares[activity], by_activity[activity]
            )
        self.step_length = float(np.sqrt(moved))
        self.lists += len(lists)

    def to_bytes(self) -> bytes:
        """All that was learned; `from_bytes` goes on exactly there."""
        content = _Content(
            lists=self.lists,
            weights=self.weights.tolist(),
            activity_weights=self.activity_weights.tolist(),
            squares=self._squares.tolist(),
            activity_squares=self._activity_squares.tolist(),
            variances=self._variances.tolist(),
        )
        return pack(KIND, self.features, content)

    @classmethod
    def from_bytes(cls, data: bytes, features: Sequence[str]) -> "LinearRanker":
        """The ranker that `to_bytes` was called on.

        Raises:
            UnusableModel: the bytes are damaged, or read other features than these.
        """
        content = unpack(data, KIND, features, _Content)
        ranker = cls(features)
        ranker.lists = content.lists
        ranker.weights = np.array(content.weights)
        ranker.activity_weights = np.array(content.activity_weights)
        ranker._squares = np.array(content.squares)
        ranker._activity_squares = np.array(content.activity_squares)
        ranker._variances = np.array(content.variances)
        return ranker

    def _transformed(self, features: Features) -> Floats:
        return transformed(features[:, self._used], self._ranks, self._shares)

    def _standardised(self, raw: Floats, rows: NDArray[np.int64] | slice = slice(None)) -> Floats:
        """These rows, each feature by its mean over all rows and its usual deviation."""
        if not len(raw):
            return raw
        z = (raw[rows] - raw.mean(axis=0)) / np.sqrt(self._variances).astype(np.float32)
        return np.asarray(np.clip(z, -_Z_MAX, _Z_MAX, out=z))

    def _follow(self, raw: Floats) -> None:
        """Take the list's deviations into the usual ones."""
        pace = 1.0 / (_FIRST_LISTS + 1 + min(self.lists, DEVIATION_LISTS_MAX))
        self._variances += pace * (raw.var(axis=0) - self._variances)
        np.maximum(self._variances, 1e-6, out=self._variances)

    def _activity(self, features: Features) -> int:
        if "user_events" not in self.features or not len(features):
            return 0
        logarithm = features[0, self.features.index("user_events")]
        return int(np.searchsorted(np.log1p(ACTIVITY_LIMITS), logarithm, side="right"))

    def _weights_of(self, activity: int) -> Doubles:
        weights = self.weights.copy()
        weights[self._shares] += self.activity_weights[activity]
        return weights


def ranks_and_shares(names: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which features are ranks, and which are shares, (F,) each, by their names."""
    kinds = [name.partition("_")[0] for name in names]
    ranks = np.array([kind == "rank" for kind in kinds], bool)
    return ranks, np.array([kind == "share" for kind in kinds], bool)


def transformed(features: Features, ranks: NDArray[np.bool_], shares: NDArray[np.bool_]) -> Floats:
    """Features (n, F) as rankers weigh them, see the module; a copy."""
    raw = np.array(features, np.float32)
    raw[:, ranks] = 10.0 / (10.0 + raw[:, ranks])
    raw[:, shares] = np.log1p(50.0 * np.maximum(raw[:, shares], 0.0))
    return raw


def _step(weights: Doubles, squares: Doubles, gradient: Doubles) -> float:
    """One AdaGrad step, in place; returns the square of its length."""
    slope = gradient + DECAY * weights
    squares += slope**2
    step = RATE * slope / np.sqrt(squares)
    weights -= step
    return float(step @ step)

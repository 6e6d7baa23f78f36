"""The network ranker: two layers of rectified units beside a linear path. Pure numpy.

It is fitted as the softmax over each list of what was chosen, by Adam (Kingma, Ba, "Adam: a method
for stochastic optimization", ICLR 2015) over a few rounds of shuffled lists. It sees ranks and
shares as the linear ranker does, and also what all candidates of a list share, so it can weigh the
sources by who the user is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from vane.linear import Doubles, Floats, LabelledList
from vane.model_file import pack, unpack

Ints = NDArray[np.int64]

KIND = "network"

UNITS = 64
"""In each of the two layers."""

ROUNDS = 3
"""How often a fit goes over all lists."""

BATCH_LISTS = 8
"""Lists of one step."""

RATE = 2e-3
DECAY = 1e-5
"""Pull of every weight towards zero."""

_FADE, _FADE_SQUARES = 0.9, 0.999
_LIMIT = 5.0
_STANDARD_LISTS = 500


class _Content(Struct, frozen=True):
    lists: int
    shapes: list[list[int]]
    weights: bytes


@dataclass(slots=True)
class _Layers:
    """All weights, which are learned together."""

    first: Floats  # (F, UNITS)
    first_bias: Floats
    second: Floats  # (UNITS, UNITS)
    second_bias: Floats
    last: Floats  # (UNITS,)
    straight: Floats  # (F,)

    @classmethod
    def drawn(cls, features: int, rng: np.random.Generator) -> "_Layers":
        """Small random weights."""
        return cls(
            rng.normal(0.0, features**-0.5, (features, UNITS)).astype(np.float32),
            np.zeros(UNITS, np.float32),
            rng.normal(0.0, 0.5 * UNITS**-0.5, (UNITS, UNITS)).astype(np.float32),
            np.zeros(UNITS, np.float32),
            np.zeros(UNITS, np.float32),
            np.zeros(features, np.float32),
        )

    def columns(self) -> list[Floats]:
        return [getattr(self, name) for name in self.__slots__]


class NetworkRanker:
    """Scores candidates by a small network. Immutable, so any number of threads may ask it.

    Attributes:
        features: names of the columns that it is given.
        lists: how many lists it was fitted on.
    """

    def __init__(
        self, features: Sequence[str], lists: int, centre: Floats, scale: Floats, layers: _Layers
    ) -> None:
        self.features, self.lists = tuple(features), lists
        self._centre, self._scale, self._layers = centre, scale, layers

    @classmethod
    def fit(
        cls,
        features: Sequence[str],
        lists: Sequence[LabelledList],
        *,
        seed: int,
        grown: Callable[[int], None] = lambda _rounds: None,
    ) -> "NetworkRanker":
        """Fit on these lists; the same lists and seed give the same network.

        Args:
            features: names of the columns.
            lists: at least one; more candidates in each teach more.
            seed: of the first weights and the order of the lists.
            grown: is told after each of the `ROUNDS` rounds how many there were.
        """
        rng = np.random.default_rng(seed)
        some = rng.permutation(len(lists))[:_STANDARD_LISTS]
        raw = _transformed(features, np.concatenate([lists[row].features for row in some]))
        scale = 1.0 / (raw.std(axis=0) + np.float32(1e-6))
        ranker = cls(
            features, len(lists), raw.mean(axis=0), scale, _Layers.drawn(len(features), rng)
        )
        descent = _Descent(ranker._layers.columns())
        for done in range(ROUNDS):
            rate = RATE * 0.5 * (1.0 + np.cos(np.pi * done / ROUNDS))
            order = rng.permutation(len(lists))
            for start in range(0, len(order), BATCH_LISTS):
                batch = [lists[row] for row in order[start : start + BATCH_LISTS]]
                descent.step(ranker._gradients(batch), rate)
            grown(done + 1)
        return ranker

    def scores(self, features: Floats) -> Doubles:
        """Scores (n,) of n candidates, features (n, len(self.features)); higher is better."""
        return np.asarray(self._forward(self._standardised(features))[2], np.float64)

    def contributions(self, features: Floats) -> Doubles:
        """What each feature adds to each score, and last the rest, (n, F + 1).

        Rectified units are linear around each candidate: weight there times feature.
        """
        inputs, layers = self._standardised(features), self._layers
        first, second, scores = self._forward(inputs)
        slopes = ((second > 0) * layers.last) @ layers.second.T * (first > 0)
        parts = (slopes @ layers.first.T + layers.straight) * inputs
        return np.column_stack([parts, scores - parts.sum(axis=1)]).astype(np.float64)

    def to_bytes(self) -> bytes:
        """The whole model."""
        columns = [self._centre, self._scale, *self._layers.columns()]
        weights = b"".join(column.astype("<f4").tobytes() for column in columns)
        shapes = [list(column.shape) for column in columns]
        return pack(KIND, self.features, _Content(self.lists, shapes, weights))

    @classmethod
    def from_bytes(cls, data: bytes, features: Sequence[str]) -> "NetworkRanker":
        """The ranker that `to_bytes` was called on.

        Raises:
            UnusableModel: the bytes are damaged, or read other features than these.
        """
        content = unpack(data, KIND, features, _Content)
        numbers = np.frombuffer(content.weights, "<f4").astype(np.float32)
        ends = np.cumsum([int(np.prod(shape)) for shape in content.shapes])
        columns = [
            part.reshape(shape)
            for part, shape in zip(np.split(numbers, ends[:-1]), content.shapes, strict=True)
        ]
        return cls(features, content.lists, columns[0], columns[1], _Layers(*columns[2:]))

    def _standardised(self, features: Floats) -> Floats:
        moved = (_transformed(self.features, features) - self._centre) * self._scale
        return np.asarray(np.clip(moved, -_LIMIT, _LIMIT, out=moved))

    def _forward(self, inputs: Floats) -> tuple[Floats, Floats, Floats]:
        """Both layers' units (n, UNITS), and the scores (n,)."""
        layers = self._layers
        first = np.maximum(inputs @ layers.first + layers.first_bias, 0)
        second = np.maximum(first @ layers.second + layers.second_bias, 0)
        return first, second, second @ layers.last + inputs @ layers.straight

    def _gradients(self, lists: Sequence[LabelledList]) -> list[Floats]:
        """Of the mean of -log softmax of what was chosen, by `_Layers.columns`."""
        inputs = self._standardised(np.concatenate([each.features for each in lists]))
        first, second, scores = self._forward(inputs)
        starts = np.cumsum([0, *(len(each.features) for each in lists[:-1])])
        sizes = [len(each.features) for each in lists]
        chances = np.exp(scores - np.repeat(np.maximum.reduceat(scores, starts), sizes))
        chances /= np.repeat(np.add.reduceat(chances, starts), sizes)
        chances[starts + [each.positive for each in lists]] -= 1.0
        chances /= np.float32(len(lists))
        layers = self._layers
        at_second = np.outer(chances, layers.last) * (second > 0)
        at_first = (at_second @ layers.second.T) * (first > 0)
        return [
            inputs.T @ at_first,
            at_first.sum(axis=0),
            first.T @ at_second,
            at_second.sum(axis=0),
            second.T @ chances,
            inputs.T @ chances,
        ]


class _Descent:
    """Adam over some arrays, in place."""

    def __init__(self, weights: list[Floats]) -> None:
        self._weights = weights
        self._means = [np.zeros_like(each) for each in weights]
        self._squares = [np.zeros_like(each) for each in weights]
        self._steps = 0

    def step(self, gradients: list[Floats], rate: float) -> None:
        """One step against these gradients."""
        self._steps += 1
        unbiased = 1.0 - _FADE**self._steps
        unbiased_squares = 1.0 - _FADE_SQUARES**self._steps
        columns = zip(self._weights, self._means, self._squares, gradients, strict=True)
        for weights, means, squares, gradient in columns:
            slope = gradient + np.float32(DECAY) * weights
            means[...] += np.float32(1.0 - _FADE) * (slope - means)
            squares[...] += np.float32(1.0 - _FADE_SQUARES) * (slope**2 - squares)
            spread = np.sqrt(squares / np.float32(unbiased_squares)) + np.float32(1e-8)
            weights[...] -= np.float32(rate / unbiased) * means / spread


def _transformed(names: Sequence[str], features: Floats) -> Floats:
    """Ranks and shares as the linear ranker sees them."""
    kinds = [name.partition("_")[0] for name in names]
    ranks = np.array([kind == "rank" for kind in kinds], bool)
    shares = np.array([kind == "share" for kind in kinds], bool)
    raw = np.array(features, np.float32)
    raw[:, ranks] = 10.0 / (10.0 + raw[:, ranks])
    raw[:, shares] = np.log1p(50.0 * np.maximum(raw[:, shares], 0.0))
    return raw

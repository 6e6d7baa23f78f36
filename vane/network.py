"""The network ranker: a few small networks whose scores are averaged. Pure numpy.

Each has two layers of rectified units beside a linear path. It is fitted as the softmax over each
list of what was chosen, by Adam (Kingma, Ba, "Adam: a method for stochastic optimization", ICLR
2015) with dropout, over a few rounds of shuffled lists, and then learns online, a step for some
lists at once. It sees ranks and shares as the linear ranker does, and also what all candidates
of a list share, so it can weigh the sources by who the user is. The networks differ by their first
weights and by the units that they did without; their mean is better than any of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from vane.linear import (
    Doubles,
    Features,
    Floats,
    LabelledList,
    ranks_and_shares,
    transformed,
)
from vane.model_file import pack, unpack

Ints = NDArray[np.int64]

KIND = "network"

MEMBERS = 8
"""Networks that are averaged; with fewer a fit is more a matter of chance."""

UNITS = 64
"""In each of the two layers of a network."""

ROUNDS, ROUNDS_MAX = 4, 8
"""How often a fit goes over all lists: more often where they are few, but not too often."""

STEPS_MIN = 300
"""Of a fit, if ROUNDS_MAX allow it."""

BATCH_LISTS = 16
"""Lists of one step, of a fit and online."""

DROPPED = 0.2
"""Share of the second layer's units that a step does without, so that none is relied on."""

RATE = 2e-3
DECAY = 1e-5
"""Pull of every weight towards zero."""

RATE_ONLINE = 3e-4

SHORTLIST = 2
"""All networks score so many times the candidates that are wanted, those that the first one names:
what they agree on for the first ten or twenty is there, at half the price of scoring all."""

_FADE, _FADE_SQUARES = 0.9, 0.999
_LIMIT = 5.0
_STANDARD_LISTS = 500


class _Content(Struct, frozen=True):
    lists: int
    shapes: list[list[int]]
    weights: bytes


@dataclass(slots=True)
class _Layers:
    """All weights, which are learned together; the first axis is that of the MEMBERS networks."""

    first: Floats  # (M, F, UNITS)
    first_bias: Floats  # (M, 1, UNITS)
    second: Floats  # (M, UNITS, UNITS)
    second_bias: Floats  # (M, 1, UNITS)
    last: Floats  # (M, UNITS, 1)
    straight: Floats  # (M, F, 1)

    @classmethod
    def drawn(cls, features: int, rng: np.random.Generator) -> "_Layers":
        """Small random weights."""
        first = rng.normal(0.0, features**-0.5, (MEMBERS, features, UNITS))
        second = rng.normal(0.0, 0.5 * UNITS**-0.5, (MEMBERS, UNITS, UNITS))
        return cls(
            first.astype(np.float32),
            np.zeros((MEMBERS, 1, UNITS), np.float32),
            second.astype(np.float32),
            np.zeros((MEMBERS, 1, UNITS), np.float32),
            np.zeros((MEMBERS, UNITS, 1), np.float32),
            np.zeros((MEMBERS, features, 1), np.float32),
        )

    def columns(self) -> list[Floats]:
        return [getattr(self, name) for name in self.__slots__]


class NetworkRanker:
    """Scores candidates by small networks; goes on learning from lists it is shown.

    Attributes:
        features: names of the columns that it is given.
        lists: how many lists it has learned from.
    """

    def __init__(
        self, features: Sequence[str], lists: int, centre: Floats, scale: Floats, layers: _Layers
    ) -> None:
        self.features, self.lists = tuple(features), lists
        self._centre, self._scale, self._layers = centre, scale, layers
        self._ranks, self._shares = ranks_and_shares(features)
        self._online: _Descent | None = None

    @classmethod
    def fit(
        cls,
        features: Sequence[str],
        lists: Sequence[LabelledList],
        *,
        seed: int,
        grown: Callable[[float], None] = lambda _share: None,
    ) -> "NetworkRanker":
        """Fit on these lists, 41 candidates each: 8,000 take 8 s of one core.

        The same lists and seed give the same network.

        Args:
            features: names of the columns.
            lists: at least one; more candidates in each teach more.
            seed: of the first weights, the order of the lists, and what is dropped.
            grown: is told after each step what share of the fit is done.
        """
        rng = np.random.default_rng(seed)
        spread = _spread(features, lists, rng)
        ranker = cls(features, len(lists), *spread, _Layers.drawn(len(features), rng))
        descent = _Descent(ranker._layers.columns())
        a_round = -(-len(lists) // BATCH_LISTS)
        rounds = min(ROUNDS_MAX, max(ROUNDS, -(-STEPS_MIN // a_round)))
        for done in range(rounds):
            rate = RATE * 0.5 * (1.0 + np.cos(np.pi * done / rounds))
            order = rng.permutation(len(lists))
            for step in range(a_round):
                batch = [lists[row] for row in order[step * BATCH_LISTS :][:BATCH_LISTS]]
                kept = (rng.random((MEMBERS, 1, UNITS)) >= DROPPED) / (1.0 - DROPPED)
                descent.step(ranker._gradients(batch, kept.astype(np.float32)), rate)
                grown((done * a_round + step + 1) / (rounds * a_round))
        return ranker

    @property
    def flat(self) -> Floats:
        """All weights in one row."""
        return np.concatenate([column.ravel() for column in self._layers.columns()])

    def scores(self, features: Features, best: int | None = None) -> Doubles:
        """Scores (n,) of n candidates, features (n, len(self.features)); higher is better.

        With `best`, only the order of so many is wanted: the networks but one leave out what this
        one places behind SHORTLIST times as many, and that gets scores below all others.
        """
        inputs = self._standardised(features)
        scores = self._summed(inputs, 0, 1)
        chosen: Ints | slice = slice(None)
        if best is not None and SHORTLIST * best < len(scores):
            chosen = np.argpartition(-scores, SHORTLIST * best)[: SHORTLIST * best]
        members = len(self._layers.first)
        exact = (scores[chosen] + self._summed(inputs[chosen], 1, members)) / members
        scores += exact.min(initial=0) - scores.max(initial=0)
        scores[chosen] = exact
        return scores.astype(np.float64)

    def contributions(self, features: Features) -> Doubles:
        """What each feature adds to each score, and last the rest, (n, F + 1).

        Rectified units are linear around each candidate: weight there times feature.
        """
        inputs, layers = self._standardised(features), self._layers
        first, second, scores = self._forward(inputs)
        slopes = ((second > 0) * layers.last.swapaxes(1, 2)) @ layers.second.swapaxes(1, 2)
        weights = (slopes * (first > 0)) @ layers.first.swapaxes(1, 2)
        parts = (weights + layers.straight.swapaxes(1, 2)).mean(axis=0) * inputs
        return np.column_stack([parts, scores.mean(axis=0) - parts.sum(axis=1)]).astype(np.float64)

    def learn(self, lists: Sequence[LabelledList]) -> None:
        """One step from the newest lists, best BATCH_LISTS of them.

        What Adam remembers of earlier steps is not stored.
        """
        if self._online is None:
            self._online = _Descent(self._layers.columns())
        self._online.step(self._gradients(lists), RATE_ONLINE)
        self.lists += len(lists)

    def to_bytes(self) -> bytes:
        """The whole model."""
        columns = [self._centre, self._scale, *self._layers.columns()]
        weights = b"".join(column.astype("<f4").tobytes() for column in columns)
        shapes = [list(column.shape) for column in columns]
        return pack(KIND, self.features, _Content(self.lists, shapes, weights))

    @classmethod
    def from_bytes(cls, data: bytes, features: Sequence[str]) -> Self:
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

    def _standardised(self, features: Features) -> Floats:
        moved = transformed(features, self._ranks, self._shares)
        moved -= self._centre
        moved *= self._scale
        return np.asarray(np.clip(moved, -_LIMIT, _LIMIT, out=moved))

    def _summed(self, inputs: Floats, start: int, end: int) -> Floats:
        """The sum (n,) of the scores of the networks from `start` to `end`."""
        networks = [column[start:end] for column in self._layers.columns()]
        scores = inputs @ networks[-1].sum(axis=0)
        # one network after the other, as what one needs stays in the processor's cache
        for first, first_bias, second, second_bias, last, _ in zip(*networks, strict=True):
            units = _rectified(inputs @ first, first_bias)
            scores += _rectified(units @ second, second_bias) @ last
        return np.asarray(scores[:, 0])

    def _forward(self, inputs: Floats, kept: Floats | None = None) -> tuple[Floats, Floats, Floats]:
        """Both layers' units (M, n, UNITS), the second times `kept`; the scores (M, n)."""
        layers = self._layers
        first = _rectified(inputs @ layers.first, layers.first_bias)
        second = _rectified(first @ layers.second, layers.second_bias)
        if kept is not None:
            second *= kept
        return first, second, (second @ layers.last + inputs @ layers.straight)[..., 0]

    def _gradients(self, lists: Sequence[LabelledList], kept: Floats | None = None) -> list[Floats]:
        """Of the mean of -log softmax of what was chosen, by `_Layers.columns`."""
        inputs = self._standardised(np.concatenate([each.features for each in lists]))
        first, second, scores = self._forward(inputs, kept)
        starts = np.cumsum([0, *(len(each.features) for each in lists[:-1])])
        sizes = [len(each.features) for each in lists]
        highest = np.maximum.reduceat(scores, starts, axis=1)
        chances = np.exp(scores - np.repeat(highest, sizes, axis=1))
        chances /= np.repeat(np.add.reduceat(chances, starts, axis=1), sizes, axis=1)
        chances[:, starts + [each.positive for each in lists]] -= 1.0
        chances /= np.float32(len(lists))
        layers, chances = self._layers, chances[..., None]
        last = layers.last.swapaxes(1, 2)
        at_second = chances * (last if kept is None else last * kept) * (second > 0)
        at_first = (at_second @ layers.second.swapaxes(1, 2)) * (first > 0)
        return [
            inputs.T @ at_first,
            at_first.sum(axis=1, keepdims=True),
            first.swapaxes(1, 2) @ at_second,
            at_second.sum(axis=1, keepdims=True),
            second.swapaxes(1, 2) @ chances,
            inputs.T @ chances,
        ]


def _rectified(sums: Floats, bias: Floats) -> Floats:
    """Values of rectified units, in place of these sums."""
    sums += bias
    return np.asarray(np.maximum(sums, 0, out=sums))


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


def _spread(
    names: Sequence[str], lists: Sequence[LabelledList], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Mean and inverse deviation of each feature in some of the lists, (F,) each."""
    some = rng.permutation(len(lists))[:_STANDARD_LISTS]
    raw = np.concatenate([lists[row].features for row in some])
    raw = transformed(raw, *ranks_and_shares(names))
    return raw.mean(axis=0), 1.0 / (raw.std(axis=0) + np.float32(1e-6))

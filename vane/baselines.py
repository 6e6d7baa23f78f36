"""Other recommenders in the same contest: popularity, and batch models of the library `implicit`.

Batch models are fitted again at equal steps, and always score with what the user has done by then.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import CosineRecommender
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from vane.contest import Answer, Past
from vane.evaluation import LENGTH_LONG, rank
from vane.replica import Events

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Matrix = Any
"""(users, items) sparse, 1 where a user touched an item; float32."""

HOUR_S, DAY_S = 3_600.0, 86_400.0
BASE_HALF_LIFE_S = DAY_S
"""Of the popularity that all others are compared with."""

NEIGHBOURS = 200
FACTORS_ALS = 128
FACTORS_BPR = 64
EASE_PENALTY = 100.0
EASE_USERS_MIN = 2
EASE_ITEMS_MAX = 20_000
"""A fit holds a dense matrix of so many squared, 1.6 GB in float32: the most touched items."""


class _Scored(ABC):
    """A contender that scores every item; what the user has touched is left out."""

    def __init__(self, events: Events, past: Past, shown: NDArray[np.bool_]) -> None:
        """Args: the log, what users have touched, which items may be shown (items,)."""
        self._events, self._past, self._shown = events, past, shown

    @abstractmethod
    def scores(self, user: int, touched: Ints, ts_us: int) -> Doubles:
        """(items,), higher is better."""

    def answer(self, row: int) -> Answer:
        """The best list by the scores, and the target's rank among all; ties count half."""
        user, item = int(self._events.user[row]), int(self._events.item[row])
        touched = self._past.items_of(user)
        scores = self.scores(user, touched, int(self._events.ts_us[row])).astype(np.float64)
        free = self._shown.copy()
        free[touched] = False
        numbers = np.flatnonzero(free)
        mine = scores[numbers]
        place = int(np.searchsorted(numbers, item))
        return Answer(numbers[_best(mine, LENGTH_LONG)], rank(mine, place))


class Popularity(_Scored):
    """Events by item, halved after each half-life."""

    def __init__(
        self,
        events: Events,
        past: Past,
        shown: NDArray[np.bool_],
        half_life_s: float,
        name: str,
    ) -> None:
        """Args: as all, the half-life (infinite: events count alike for ever), a name."""
        super().__init__(events, past, shown)
        self.name = name
        self._half_life_us = half_life_s * 1e6
        self._heat = np.zeros(len(shown))
        self._as_of_us = int(events.ts_us[0]) if len(events) else 0

    def begin(self, count: int) -> None:
        """Count the first events."""
        self.learn(0, count)

    def learn(self, low: int, high: int) -> None:
        """Count events."""
        events = self._events.between(low, high)
        if not len(events):
            return
        newest = int(events.ts_us[-1])
        self._heat *= np.exp2((self._as_of_us - newest) / self._half_life_us)
        added = np.exp2((events.ts_us - newest) / self._half_life_us) * (events.weight > 0)
        np.add.at(self._heat, events.item, added)
        self._as_of_us = newest

    def scores(self, user: int, touched: Ints, ts_us: int) -> Doubles:  # noqa: ARG002
        """As of the newest event: the time that has passed since changes no order."""
        return self._heat


class BatchModel(Protocol):
    """A model of the library, as the contest needs it."""

    def fit(self, matrix: Matrix) -> None:
        """Learn from all that users touched so far."""

    def scores(self, user: int, touched: Ints) -> Doubles:
        """(items,) for a user who has touched these by now."""


class Refitted(_Scored):
    """A batch model that is fitted at the start, and again whenever the next of `refits` passed."""

    def __init__(
        self,
        events: Events,
        past: Past,
        shown: NDArray[np.bool_],
        model: BatchModel,
        refits: Sequence[int],
        name: str,
    ) -> None:
        """Args: as all, the model, rows after which it is fitted again, a name."""
        super().__init__(events, past, shown)
        self.name = name
        self._model, self._refits = model, list(refits)
        self._users = int(events.user.max(initial=0)) + 1

    def begin(self, count: int) -> None:
        """The first fit."""
        self._fit(count)

    def learn(self, low: int, high: int) -> None:  # noqa: ARG002
        """Fit again where it is time."""
        if self._refits and high >= self._refits[0]:
            self._refits = [row for row in self._refits if row > high]
            self._fit(high)

    def scores(self, user: int, touched: Ints, ts_us: int) -> Doubles:  # noqa: ARG002
        """By the model as it was fitted last."""
        return self._model.scores(user, touched)

    def _fit(self, count: int) -> None:
        events = self._events.between(0, count)
        liked = events.weight > 0
        ones = np.ones(int(liked.sum()), np.float32)
        shape = (self._users, len(self._shown))
        matrix = csr_matrix((ones, (events.user[liked], events.item[liked])), shape)
        matrix.data[:] = 1.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library warns of what it hands to itself
            self._model.fit(matrix)


class ItemNeighbours:
    """Item-kNN: cosine of two items' users; the sum over what the user has touched."""

    def __init__(self) -> None:
        self._model = CosineRecommender(K=NEIGHBOURS)

    def fit(self, matrix: Matrix) -> None:
        """Find the neighbours."""
        self._model.fit(matrix, show_progress=False)

    def scores(self, user: int, touched: Ints) -> Doubles:  # noqa: ARG002
        """Sums of similarities."""
        return np.asarray(self._model.similarity[touched].sum(axis=0), np.float64).ravel()


class ImplicitAls:
    """Matrix factors by alternating least squares; the user is folded in as of now."""

    def __init__(self, seed: int) -> None:
        """Args: of the first factors."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice on the threads of BLAS
            self._model = AlternatingLeastSquares(
                factors=FACTORS_ALS, regularization=20.0, alpha=3.0, random_state=seed
            )

    def fit(self, matrix: Matrix) -> None:
        """Find the factors."""
        self._model.fit(matrix, show_progress=False)

    def scores(self, user: int, touched: Ints) -> Doubles:  # noqa: ARG002
        """Inner products with the user's factors."""
        items = self._model.item_factors
        ones = np.ones(len(touched), np.float32)
        row = csr_matrix((ones, touched, [0, len(touched)]), (1, len(items)))
        return np.asarray(items @ self._model.recalculate_user(0, row))


class Ease:
    """A linear autoencoder without self-weights in closed form (Steck, WWW 2019): EASE^R."""

    def __init__(self, penalty: float = EASE_PENALTY) -> None:
        """Args: pull of the weights towards zero, in users."""
        self._penalty = penalty
        self._place = np.zeros(0, np.int64)  # of each item among the kept ones, else -1
        self._kept = np.zeros(0, np.int64)
        self._weights = np.zeros((0, 0), np.float32)

    def fit(self, matrix: Matrix) -> None:
        """Solve for the weights of each item by all others."""
        users = np.asarray(matrix.sum(axis=0)).ravel()
        kept = np.argsort(-users, kind="stable")[:EASE_ITEMS_MAX]
        self._kept = np.sort(kept[users[kept] >= EASE_USERS_MIN])
        self._place = np.full(len(users), -1)
        self._place[self._kept] = np.arange(len(self._kept))
        touched = matrix[:, self._kept]
        gram = (touched.T @ touched).toarray()
        gram[np.diag_indices_from(gram)] += self._penalty
        self._weights = np.linalg.inv(gram)
        self._weights /= -np.diag(self._weights)
        np.fill_diagonal(self._weights, 0.0)

    def scores(self, user: int, touched: Ints) -> Doubles:  # noqa: ARG002
        """Sums of weights; items that hardly anybody touched come last."""
        found = np.full(len(self._place), -np.inf)
        mine = self._place[touched]
        found[self._kept] = self._weights[mine[mine >= 0]].sum(axis=0)
        return found


class Bpr:
    """Matrix factors by Bayesian personalized ranking; a new user is the mean of the items."""

    def __init__(self, seed: int) -> None:
        """Args: of the first factors and of the samples."""
        self._model = BayesianPersonalizedRanking(
            factors=FACTORS_BPR, learning_rate=0.05, random_state=seed, num_threads=1
        )
        self._known = np.zeros(0, np.bool_)

    def fit(self, matrix: Matrix) -> None:
        """Find the factors."""
        self._known = np.diff(matrix.indptr) > 0
        self._model.fit(matrix, show_progress=False)

    def scores(self, user: int, touched: Ints) -> Doubles:
        """Inner products with the user's factors."""
        items = self._model.item_factors
        taste = self._model.user_factors[user] if self._known[user] else items[touched].mean(axis=0)
        return np.asarray(items @ taste)


def _best(scores: Doubles, count: int) -> Ints:
    """Rows of the highest scores, best first."""
    if len(scores) <= count:
        return np.argsort(-scores, kind="stable")
    kept = np.sort(np.argpartition(-scores, count)[:count])
    return np.asarray(kept[np.argsort(-scores[kept], kind="stable")])

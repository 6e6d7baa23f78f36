"""Vane itself as a contender, in this process: the replica, and the models that it learns."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vane.contest import Answer, listed
from vane.diversity import diversified, pool_size, similarity, visits
from vane.evaluation import LENGTH_LONG, targets
from vane.features import FEATURES
from vane.learning import Learner, Scores, challenge, fresh, served
from vane.linear import LinearRanker
from vane.ranking import Model
from vane.rehearsal import TARGETS_MAX, rehearse
from vane.replica import Events, Replica
from vane.tuning import Diversity

Ints = NDArray[np.int64]


class Trial:
    """Learns as `vane tune` does from the beginning of the log, then online as flow learning.

    Its network is held against a new one again and again, and only a better one takes its place.

    Attributes:
        name: of the contender.
    """

    name = "vane"

    def __init__(
        self,
        replica: Replica,
        events: Events,
        wanted: NDArray[np.bool_],
        *,
        rules: Diversity,
        refits: Sequence[int],
        seed: int,
        advance: Callable[[int], None] = lambda _events: None,
    ) -> None:
        """A contender that knows nothing yet.

        Args:
            replica: with the catalogue, and nothing applied.
            events: all of the log, in the order of time.
            wanted: (n,) which of them may be learned from.
            rules: of the lists' diversity.
            refits: rows after which a new network is fitted.
            seed: of what is learned from.
            advance: is told how many events were learned before the first question.
        """
        self._replica, self._events, self._wanted = replica, events, wanted
        self._rules, self._refits = rules, list(refits)
        self._seed, self._advance = seed, advance
        self._learner = Learner(replica, Model(LinearRanker(FEATURES)), seed)
        self._learned_from = np.zeros(0, np.int64)

    def begin(self, count: int) -> None:
        """Replay the first events as if live, then fit a network."""
        self._learner = rehearse(
            self._replica,
            self._events.between(0, count),
            self._wanted[:count],
            Model(LinearRanker(FEATURES)),
            seed=self._seed,
            learns=True,
            advance=self._advance,
        )
        self._learned_from = targets(
            self._events, self._wanted, count, len(self._events), TARGETS_MAX, self._seed
        )
        untaught = Model(LinearRanker(FEATURES))
        self._challenge(partial(fresh, untaught))

    def learn(self, low: int, high: int) -> None:
        """Predict and learn these events in their order; fit a new network where it is time."""
        first, last = np.searchsorted(self._learned_from, [low, high])
        self._learner.take(self._events.between(low, high), self._learned_from[first:last] - low)
        if self._refits and high >= self._refits[0]:
            self._refits = [row for row in self._refits if row > high]
            self._challenge(served)

    def answer(self, row: int) -> Answer:
        """The list that the API would give."""
        events = self._events
        shown = self._shown(int(events.user[row]), int(events.ts_us[row]))
        return listed(shown, int(events.item[row]))

    def _challenge(self, before: Scores) -> None:
        learner = self._learner
        verdict = challenge(learner.linear, learner.lists.split(), before, seed=self._seed)
        if verdict.better:
            learner.network = verdict.model.network

    def _shown(self, user: int, now_us: int) -> Ints:
        """Item numbers, best first: diversity says which, the scores in which order."""
        replica, table = self._replica, self._replica.table
        sources, found = replica.moment(user, now_us)
        wanted = pool_size(LENGTH_LONG)
        scores = self._learner.model.scores(found, wanted)
        pool = np.argsort(-scores, kind="stable")[:wanted]
        numbers = sources.numbers[pool]
        taste = replica.taste(user)
        met = visits(numbers, taste.recent, replica.neighbours(taste))
        chosen = diversified(
            scores[pool],
            similarity(replica.units(numbers), met),
            table.author[numbers],
            table.category[numbers],
            limit=LENGTH_LONG,
            rules=self._rules,
        )
        return np.asarray(numbers[np.sort(chosen)])

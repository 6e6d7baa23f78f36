"""Learning to rank from a log: predict each moment as it was, then learn what was chosen. Pure.

A list to learn from is a *target*, an event on an item that its user had not touched, with the
candidates as they would have been retrieved just before. Both rankers learn from the same lists:
the linear one a step at each, the network from many at once, and then a step for every few.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from vane.evaluation import NOT_LISTED, per_target, rank
from vane.linear import Doubles, Features, Floats, Ints, LabelledList, LinearRanker
from vane.network import BATCH_LISTS, NetworkRanker
from vane.ranking import Model
from vane.replica import Events, Replica

LISTS_FOR_NETWORK = 300
"""Below this many lists there is only the linear ranker."""

LISTS_FOR_LINEAR = 50
"""Below this many lists nothing can be compared."""

LISTS_KEPT = 8_000
"""A network is fitted on the newest lists, at most so many; more made none better."""

NEGATIVES = 40
"""Random candidates that stand for all others of a list, for the network; more made none better."""

HELD_OUT_SHARE = 0.2
HELD_OUT_MAX = 1_500
"""The newest targets, which a fit does not see, decide whether a network is better."""

STRONG_SHARE_MIN = 0.01
"""The weakest action is no target, unless all others together are rarer than this."""


class Observed(NamedTuple):
    """A target with the list that was predicted for it."""

    features: Features  # (n, F); empty where no source retrieved the target
    positive: int  # its row; -1 where there is none
    scores: Doubles  # (n,) of the model before it learned from this target


Scores = Callable[[Observed], Doubles]
"""A model's scores of a list."""


class Split(NamedTuple):
    """Lists to fit a network on, and later targets to compare models on."""

    fitting: list[LabelledList]
    held_out: list[Observed]
    newest: list[LabelledList]  # of the held-out targets, to learn from when all is judged

    def __len__(self) -> int:
        """Lists in all; a target that was not retrieved makes none."""
        return len(self.fitting) + len(self.newest)


class Quality(Struct, frozen=True):
    """How high a model ranks the held-out targets; one that was not retrieved counts as a miss."""

    targets: int
    ndcg_10: float
    hr_10: float
    hr_20: float
    mrr_20: float


class Verdict(NamedTuple):
    """A new model beside the one before it, on targets that it had not learned from."""

    model: Model
    before: Quality
    after: Quality

    @property
    def better(self) -> bool:
        """Whether the new model deserves to be activated."""
        return self.after.ndcg_10 > self.before.ndcg_10


def strong_actions(counts: Mapping[str, int], weights: Mapping[str, float]) -> frozenset[str]:
    """The actions that make an event a target: all positive ones but the weakest of several.

    Args:
        counts: first touches of items by users, by action: where a click always follows a view of
            the same item, a click tells nothing of what to show, and the view does.
        weights: of the actions.
    """
    positive = {name: weights.get(name, 0.0) for name, count in counts.items() if count > 0}
    positive = {name: weight for name, weight in positive.items() if weight > 0}
    lowest = min(positive.values(), default=0.0)
    strong = {name for name, weight in positive.items() if weight > lowest}
    enough = STRONG_SHARE_MIN * sum(counts[name] for name in positive)
    return frozenset(strong if sum(counts[name] for name in strong) > enough else positive)


def first_touches(users: Ints, items: Ints) -> NDArray[np.bool_]:
    """Which events are the first of their user on their item, (n,), in the order given."""
    pairs = (users.astype(np.int64) << 32) | items
    first = np.zeros(len(pairs), np.bool_)
    first[np.unique(pairs, return_index=True)[1]] = True
    return first


class Lists:
    """The newest lists: whole ones to compare models on, all of them thinned to fit on.

    Features are kept in half precision, so that thousands of lists fit into some 100 MB.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._newest: deque[tuple[Observed, LabelledList | None]] = deque()
        self._older: deque[LabelledList] = deque(maxlen=LISTS_KEPT)

    def add(self, observed: Observed) -> LabelledList | None:
        """Take the newest list; the oldest may go.

        Returns:
            The list with fewer negatives, None where the target was not retrieved.
        """
        observed = observed._replace(features=observed.features.astype(np.float16))
        thinned = self._thinned(observed) if observed.positive >= 0 else None
        self._newest.append((observed, thinned))
        if len(self._newest) > HELD_OUT_MAX:
            self._age()
        return thinned

    def split(self) -> Split:
        """Lists to fit on, and the newest targets to hold out from it."""
        held_out = min(
            len(self._newest), round(HELD_OUT_SHARE * (len(self._older) + len(self._newest)))
        )
        while len(self._newest) > held_out:
            self._age()
        return Split(
            fitting=list(self._older),
            held_out=[observed for observed, _ in self._newest],
            newest=[thinned for _, thinned in self._newest if thinned is not None],
        )

    def _age(self) -> None:
        _, thinned = self._newest.popleft()
        if thinned is not None:
            self._older.append(thinned)

    def _thinned(self, observed: Observed) -> LabelledList:
        """Fewer negatives, in random order."""
        features, positive = observed.features, observed.positive
        others = self._rng.permutation(np.delete(np.arange(len(features)), positive))[:NEGATIVES]
        rows = self._rng.permutation(np.append(others, positive))
        return LabelledList(features[rows], int(np.flatnonzero(rows == positive)[0]))


class Learner:
    """Follows a log with a replica: predicts, then learns.

    Attributes:
        replica: holds what came before.
        linear: learns a step from each target's list.
        network: learns a step from every BATCH_LISTS lists; None: there is none yet.
        lists: what was observed.
        on_observed: is told of every target with the list that was predicted for it.
    """

    def __init__(self, replica: Replica, model: Model, seed: int, *, learns: bool = True) -> None:
        """Args: state before the first event, the rankers, seed, whether the rankers learn."""
        self.replica, self.lists = replica, Lists(seed)
        self.linear, self.network = model.linear, model.network
        self._learns = learns
        self._rng = np.random.default_rng(seed)
        self._batch: list[LabelledList] = []
        self.on_observed: Callable[[Observed], None] = lambda _observed: None

    @property
    def model(self) -> Model:
        """The rankers as they are; they go on learning."""
        return Model(self.linear, self.network)

    def take(self, events: Events, targets: Ints) -> None:
        """Apply the events, and learn from some of them.

        Nothing that shares a target's time is visible to its prediction.

        Args:
            events: in the order of time, none older than those before.
            targets: rows to learn from, ascending; left out where the user is new, or the item is
                not new to the user.
        """
        done = 0
        for ts_us, group in groupby(targets.tolist(), lambda row: int(events.ts_us[row])):
            start = int(np.searchsorted(events.ts_us, ts_us))
            self.replica.apply(events.between(done, start))
            done = max(done, start)
            self._observe(events, list(group))
        self.replica.apply(events.between(done, len(events)))

    def _observe(self, events: Events, rows: list[int]) -> None:
        """Predict all targets of one moment, then learn from each user's basket at once."""
        baskets: dict[int, list[LabelledList]] = {}
        for row in rows:
            user, item = int(events.user[row]), int(events.item[row])
            if not self.replica.is_news(user, item):
                continue
            observed, features = self._predict(user, item, int(events.ts_us[row]))
            self.on_observed(observed)
            thinned = self.lists.add(observed)
            if thinned is not None:
                labelled = LabelledList(features, observed.positive)
                baskets.setdefault(user, []).append(labelled)
                self._batch.append(thinned)
        if self._learns:
            for basket in baskets.values():
                self.linear.learn(basket)
            self._learn_batches()

    def _learn_batches(self) -> None:
        while len(self._batch) >= BATCH_LISTS:
            batch, self._batch = self._batch[:BATCH_LISTS], self._batch[BATCH_LISTS:]
            if self.network is not None:
                self.network.learn(batch)

    def _predict(self, user: int, item: int, ts_us: int) -> tuple[Observed, Floats]:
        sources, features = self.replica.moment(user, ts_us, self._rng)
        found = np.flatnonzero(sources.numbers == item)
        if not len(found):
            return Observed(features[:0], -1, np.zeros(0)), features
        return Observed(features, int(found[0]), self.model.scores(features)), features


def challenge(
    linear: LinearRanker,
    split: Split,
    before: Scores,
    *,
    seed: int,
    grown: Callable[[float], None] = lambda _share: None,
) -> Verdict:
    """Fit a network where there are enough lists, and hold the new model against the active one.

    Once it is judged it learns from the held-out lists too, as it would have live.

    Args:
        linear: the new model's linear ranker.
        split: what was observed while it learned.
        before: the active model.
        seed: of the fit.
        grown: is told what share of the fit is done.
    """
    network, after = None, served
    if len(split) >= LISTS_FOR_NETWORK:
        network = NetworkRanker.fit(linear.features, split.fitting, seed=seed, grown=grown)
        after = partial(fresh, network)
    verdict = Verdict(
        Model(linear, network),
        before=quality(split.held_out, before),
        after=quality(split.held_out, after),
    )
    if network is not None:
        for start in range(0, len(split.newest) - BATCH_LISTS + 1, BATCH_LISTS):
            network.learn(split.newest[start : start + BATCH_LISTS])
    return verdict


def served(observed: Observed) -> Doubles:
    """The scores of the model that learned online, as they were before it had seen the target."""
    return observed.scores


def fresh(ranker: Model | NetworkRanker, observed: Observed) -> Doubles:
    """The scores of a model as it is now."""
    return ranker.scores(observed.features.astype(np.float32))


def quality(held_out: Sequence[Observed], scores: Scores) -> Quality:
    """How high the targets stand by these scores; all 0 where there are none."""
    if not held_out:
        return Quality(0, 0.0, 0.0, 0.0, 0.0)
    ranks = np.array(
        [
            NOT_LISTED if each.positive < 0 else rank(scores(each), each.positive)
            for each in held_out
        ]
    )
    means = {name: float(values.mean()) for name, values in per_target(ranks).items()}
    return Quality(len(ranks), **means)

"""The streaming protocol at work: every contender predicts each target, then learns it. Pure.

Contenders see the same events in the same order. What they are asked at a target's time was said
before that time: events that share it are told only afterwards.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from vane.evaluation import (
    LENGTH,
    LENGTH_LONG,
    NOT_LISTED,
    Estimate,
    coverage,
    estimate,
    per_target,
    ratio,
)
from vane.replica import Events

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Units = Callable[[Ints], Floats]
"""From item numbers (n,) to centred unit vectors (n, d), zero without text."""

SLICE_EVENTS = 1_000
"""Progress is told at least this often."""


class Answer(NamedTuple):
    """What a contender would have shown at a target's time.

    Attributes:
        shown: item numbers, best first, at most LENGTH_LONG.
        rank: of the target, from 1; NOT_LISTED where it is nowhere.
    """

    shown: Ints
    rank: float


class Contender(Protocol):
    """Whoever predicts."""

    name: str

    def begin(self, count: int) -> None:
        """Learn from the first `count` events, before the first question."""

    def learn(self, low: int, high: int) -> None:
        """The events of rows [low, high) have happened."""

    def answer(self, row: int) -> Answer:
        """Predict the item of this row, whose user and time alone may be looked at."""


class Past:
    """What users have touched so far."""

    def __init__(self, items: int) -> None:
        """Args: how many items there are."""
        self._touched: dict[int, dict[int, None]] = {}
        self.touched_by = np.zeros(items, np.int64)
        """Users by item, (items,)."""

    def add(self, events: Events) -> None:
        """These events have happened."""
        for user, item in zip(events.user.tolist(), events.item.tolist(), strict=True):
            mine = self._touched.setdefault(user, {})
            if item not in mine:
                mine[item] = None
                self.touched_by[item] += 1

    def items_of(self, user: int) -> Ints:
        """The items of a user, oldest first."""
        return np.fromiter(self._touched.get(user, ()), np.int64)

    def surprise(self, items: Ints) -> float:
        """Mean self-information of items in bits: -log2 of the share of users who touched one."""
        share = np.maximum(self.touched_by[items], 1) / max(len(self._touched), 1)
        return float(-np.log2(share).mean())


class Figures(Struct, frozen=True):
    """How well a contender did; the shape of `--json`.

    Attributes:
        ndcg_10, hr_10, hr_20, mrr_20: means over the targets.
        ratio: of its nDCG@10 to that of the base contender, on the same targets.
        coverage_10: distinct items in all lists of 10, of all items that may be shown.
        novelty_10: mean self-information of the items shown, in bits.
        diversity_10: 1 - mean cosine of the texts of two items of a list; None without texts.
    """

    name: str
    ndcg_10: Estimate
    hr_10: Estimate
    hr_20: Estimate
    mrr_20: Estimate
    ratio: Estimate
    coverage_10: float
    novelty_10: Estimate
    diversity_10: Estimate | None


class _Sheet:
    """The answers of one contender."""

    def __init__(self) -> None:
        self.ranks: list[float] = []
        self.shown: list[Ints] = []
        self.novelty: list[float] = []
        self.diversity: list[float] = []

    def add(self, answer: Answer, past: Past, units: Units | None) -> None:
        shown = answer.shown[:LENGTH]
        self.ranks.append(answer.rank)
        self.shown.append(shown)
        if len(shown):
            self.novelty.append(past.surprise(shown))
        if units is not None and (apart := _apart(units(shown))) is not None:
            self.diversity.append(apart)


class Contest:
    """Replays a log to contenders.

    Attributes:
        past: what users have touched before the moment that is asked about; contenders may read it.
    """

    def __init__(self, events: Events, items: int, units: Units | None) -> None:
        """Args: all events in the order of time, how many items there are, their contents."""
        self.past = Past(items)
        self._events, self._units = events, units
        self._sheets: dict[str, _Sheet] = {}

    def run(
        self,
        contenders: Sequence[Contender],
        low: int,
        targets: Ints,
        advance: Callable[[int], None] = lambda _events: None,
    ) -> None:
        """Tell the first `low` events, then ask for each target in turn.

        Args:
            contenders: with names of their own.
            low: the first row that may be a target.
            targets: rows from `low` on, ascending.
            advance: is told how many events have passed.
        """
        self._sheets = {contender.name: _Sheet() for contender in contenders}
        done = int(np.searchsorted(self._events.ts_us, self._events.ts_us[low]))
        self.past.add(self._events.between(0, done))
        for contender in contenders:
            contender.begin(done)
        for ts_us, rows in groupby(targets.tolist(), lambda row: int(self._events.ts_us[row])):
            start = int(np.searchsorted(self._events.ts_us, ts_us))
            self._tell(contenders, done, start)
            done = start
            for row in rows:
                for contender in contenders:
                    answer = contender.answer(row)
                    self._sheets[contender.name].add(answer, self.past, self._units)
            advance(done)

    def figures(self, catalogue: int, base: str, seed: int) -> list[Figures]:
        """The figures of all contenders, best first.

        Args:
            catalogue: items that may be shown.
            base: name of the contender that the others are compared with.
            seed: of the bootstrap.
        """
        based = per_target(np.array(self._sheets[base].ranks))["ndcg_10"]
        found = [
            _figures(name, sheet, based, catalogue, seed) for name, sheet in self._sheets.items()
        ]
        return sorted(found, key=lambda each: -each.ndcg_10.mean)

    def _tell(self, contenders: Sequence[Contender], low: int, high: int) -> None:
        if low < high:
            self.past.add(self._events.between(low, high))
            for contender in contenders:
                contender.learn(low, high)


def listed(shown: Ints, item: int) -> Answer:
    """The answer of a contender that only gives a list."""
    places = np.flatnonzero(shown[:LENGTH_LONG] == item)
    return Answer(shown[:LENGTH_LONG], float(places[0] + 1) if len(places) else NOT_LISTED)


def _figures(name: str, sheet: _Sheet, based: Doubles, catalogue: int, seed: int) -> Figures:
    values = per_target(np.array(sheet.ranks))
    means = {metric: estimate(each, seed) for metric, each in values.items()}
    return Figures(
        name=name,
        **means,
        ratio=ratio(values["ndcg_10"], based, seed),
        coverage_10=coverage(sheet.shown, catalogue),
        novelty_10=estimate(np.array(sheet.novelty), seed),
        diversity_10=estimate(np.array(sheet.diversity), seed) if sheet.diversity else None,
    )


def _apart(units: Floats) -> float | None:
    """1 - mean cosine of two items of a list that have text; None for fewer than two."""
    worded = units[units.any(axis=1)].astype(np.float64)
    pairs = len(worded) * (len(worded) - 1)
    if not pairs:
        return None
    total = worded.sum(axis=0)
    return float(1 - (total @ total - len(worded)) / pairs)

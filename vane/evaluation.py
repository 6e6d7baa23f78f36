"""The streaming protocol: which events are predicted, and how lists are judged. Pure numpy.

Each target is predicted from what was known before its own time and learned after it. Events that
share its timestamp are hidden, so that a basket cannot reveal itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vane.replica import Events

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

LENGTH = 10
"""Places of a list that count for hit rate, gain and coverage."""

LENGTH_LONG = 20
RESAMPLES = 1_000
"""Bootstrap samples of an interval."""

NOT_LISTED = np.inf
"""The rank of a target that no source named."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over targets with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def targets(
    events: Events, positive: NDArray[np.bool_], low: int, high: int, count: int, seed: int
) -> Ints:
    """At most `count` rows of [low, high) to predict, ascending, drawn with the seed.

    A target is positive, of a user with an event of an earlier time, on an item that is new to the
    user.

    Args:
        events: in time order.
        positive: (n,) which events are worth predicting.
        low: first row that may be a target.
        high: end of the rows.
        count: at most.
        seed: of the draw.
    """
    seen: set[tuple[int, int]] = set()
    since: dict[int, int] = {}
    eligible = []
    columns = (events.user[:high], events.item[:high], events.ts_us[:high], positive[:high])
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for row, (user, item, ts_us, wanted) in enumerate(rows):
        if row >= low and wanted and (user, item) not in seen and since.get(user, ts_us) < ts_us:
            eligible.append(row)
        seen.add((user, item))
        since.setdefault(user, ts_us)
    found = np.array(eligible, np.int64)
    if len(found) > count:
        found = np.sort(np.random.default_rng(seed).choice(found, count, replace=False))
    return found


def positive_actions(actions: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which events are worth predicting by their actions: all but views, where there are others."""
    others = actions != "view"
    return np.asarray(others if others.any() else ~others)


def rank(scores: Doubles, row: int | None) -> float:
    """The place of one row by its score from 1; ties count half; NOT_LISTED for None."""
    if row is None:
        return NOT_LISTED
    own = scores[row]
    return float(1 + (scores > own).sum() + ((scores == own).sum() - 1) / 2)


def gain(ranks: Doubles) -> Doubles:
    """Normalised discounted cumulative gain at LENGTH of each target, (n,)."""
    return np.where(ranks <= LENGTH, 1 / np.log2(1 + np.minimum(ranks, LENGTH)), 0.0)


def per_target(ranks: Doubles) -> dict[str, Doubles]:
    """What each target adds to each metric, (n,) by name."""
    return {
        "ndcg_10": gain(ranks),
        "hr_10": (ranks <= LENGTH).astype(np.float64),
        "hr_20": (ranks <= LENGTH_LONG).astype(np.float64),
        "mrr_20": np.where(ranks <= LENGTH_LONG, 1 / ranks, 0.0),
    }


def estimate(values: Doubles, seed: int = 0) -> Estimate:
    """Mean and bootstrap interval over targets."""
    if not len(values):
        return Estimate(0.0, 0.0, 0.0)
    means = _resampled(values, seed)
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


def ratio(values: Doubles, base: Doubles, seed: int = 0) -> Estimate:
    """How many times better than `base` on the same targets, with a paired interval."""
    means, bases = _resampled(values, seed), _resampled(base, seed)
    low, high = np.percentile(means / np.maximum(bases, 1e-12), [2.5, 97.5])
    return Estimate(float(values.mean() / max(base.mean(), 1e-12)), float(low), float(high))


def coverage(shown: list[Ints], items: int) -> float:
    """What part of the catalogue the lists showed."""
    return len(np.unique(np.concatenate(shown))) / items if shown and items else 0.0


def _resampled(values: Doubles, seed: int) -> Doubles:
    rng = np.random.default_rng(seed)
    return np.array(
        [values[rng.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)]
    )

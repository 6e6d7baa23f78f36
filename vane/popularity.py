"""Popularity as forward-decayed log scores: one number per item and half-life. Pure numpy.

The popularity of an item at time T, decayed with half-life h, is Σ w·2^(-(T - t)/h) over its
events. Decay looks forward (Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay", ICDE 2009,
section 4): what is kept is

    heat_h = log2(Σ w·2^(t/h))

so the popularity at any T is 2^(heat_h - T/h). A heat never has to be refreshed, the order of items
by heat holds at every T, and sums of heats are `logaddexp2`: commutative and associative, so late
events, batches and restarts do not matter. An item without any positive event has heat -Infinity.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

HALF_LIVES_S = {
    "heat_15m": 900.0,
    "heat_1h": 3_600.0,
    "heat_2h24m": 8_640.0,
    "heat_1d": 86_400.0,
    "heat_7d": 604_800.0,
    "heat_never": np.inf,
}
"""Columns of `item_trend` that decay by time, with their half-lives in seconds."""

HALF_LIVES_EVENTS = {"heat_1k": 1_000.0, "heat_10k": 10_000.0}
"""Columns that decay by the event clock, with their half-lives in events."""

HEATS = (*HALF_LIVES_S, *HALF_LIVES_EVENTS)
"""All heats, in the order of the columns of every heat array."""

SEGMENT_HEATS = ("heat_few", "heat_some", "heat_many")
"""Popularity among users with few, some, many earlier events; decays as `heat_1d`."""

SEGMENT_EVENTS_MAX = (4, 20)
"""Earlier events of a user in the first, in the second segment, at most."""

COLUMNS = (*HEATS, *SEGMENT_HEATS)
"""All columns of `Trends.heats`."""

COLD = -np.inf
"""The heat of an item without a positive event."""

_TIME_RATES = 1.0 / np.array(list(HALF_LIVES_S.values()))
_EVENT_RATES = 1.0 / np.array(list(HALF_LIVES_EVENTS.values()))


@dataclass(frozen=True, slots=True)
class Trends:
    """The trends of n items: a whole state, or what a batch of events adds to one."""

    items: list[str]
    events: Ints  # (n,): all events, also those without positive weight
    weight_sum: Doubles  # (n,)
    first_us: Ints  # (n,): event times
    last_us: Ints  # (n,)
    heats: Doubles  # (n, len(COLUMNS))


def aggregate(
    items: list[str], ts_us: Ints, clock: Doubles, counted: Doubles, earlier: Ints
) -> Trends:
    """What n events add, grouped by item; items in the order of their first event.

    Args:
        items: item id of each event.
        ts_us: (n,) microseconds since 1970.
        clock: (n,) the event clock, see `event_clock`.
        counted: (n,) capped weights (see `vane.histories`); what is not positive adds no heat.
        earlier: (n,) events of the acting user before this one.
    """
    rows: dict[str, int] = {}
    group = np.array([rows.setdefault(item, len(rows)) for item in items], np.int64)
    positive = counted > 0
    scores = event_heats(ts_us[positive], clock[positive], counted[positive])
    by_segment = np.full((len(scores), len(SEGMENT_HEATS)), COLD)
    own = np.searchsorted(SEGMENT_EVENTS_MAX, earlier[positive])
    by_segment[np.arange(len(scores)), own] = scores[:, HEATS.index("heat_1d")]
    times = np.iinfo(np.int64)
    first, last = np.full(len(rows), times.max), np.full(len(rows), times.min)
    np.minimum.at(first, group, ts_us)
    np.maximum.at(last, group, ts_us)
    return Trends(
        items=list(rows),
        events=np.bincount(group, minlength=len(rows)),
        weight_sum=np.asarray(np.bincount(group, np.maximum(counted, 0.0), len(rows)), np.float64),
        first_us=first,
        last_us=last,
        heats=_grouped_logaddexp2(group[positive], np.hstack([scores, by_segment]), len(rows)),
    )


def event_heats(ts_us: Ints, clock: Doubles, weight: Doubles) -> Doubles:
    """The heat of each event alone, (n, len(HEATS)): log2(w) + t/h; all weights positive."""
    by_time = (ts_us / 1e6)[:, None] * _TIME_RATES
    by_events = clock[:, None] * _EVENT_RATES
    heats: Doubles = np.log2(weight)[:, None] + np.hstack([by_time, by_events])
    return heats


def merge(one: Trends, other: Trends) -> Trends:
    """The trends of the union of two disjoint sets of events on the same items, row by row."""
    return Trends(
        items=one.items,
        events=one.events + other.events,
        weight_sum=one.weight_sum + other.weight_sum,
        first_us=np.minimum(one.first_us, other.first_us),
        last_us=np.maximum(one.last_us, other.last_us),
        heats=np.asarray(np.logaddexp2(one.heats, other.heats)),
    )


def _grouped_logaddexp2(group: Ints, scores: Doubles, groups: int) -> Doubles:
    """log2 Σ 2^score per group and column, (groups, columns).

    Each group's maximum is factored out, so that nothing overflows.
    """
    top = np.full((groups, scores.shape[1]), COLD)
    np.maximum.at(top, group, scores)
    top[top == COLD] = 0.0
    shares = np.exp2(scores - top[group])
    sums = np.column_stack([np.bincount(group, column, groups) for column in shares.T])
    with np.errstate(divide="ignore"):
        heats: Doubles = np.log2(sums) + top
    return heats


def event_clock(offsets: Ints, low: int, high: int, *, before: int, span: int) -> Doubles:
    """How many events the log held before each event: the time that `HALF_LIVES_EVENTS` count in.

    The clock counts offsets. A batch begins at the number of offsets that lie before it, over all
    partitions of all logs; within the batch every partition's interval is spread evenly over the
    batch's span. With one partition this is the offset itself (plus the older logs), so it depends
    on the log alone. Partitions of one log have no order among each other: with several, the clock
    follows the order of reading, which takes from each partition in proportion to what is left of
    it. A rebuild then differs from the first reading by about the imbalance of the partitions
    within a batch, little against 1,000 events. Dead letters, duplicates and control records count
    as events here.

    Args:
        offsets: (n,) of the events, in [low, high) of one partition.
        low: first offset that the batch takes of the partition.
        high: end of what it takes.
        before: offsets before the batch, in all partitions of all logs.
        span: offsets that the batch takes, in all partitions.
    """
    return np.asarray(before + (offsets - low) * (span / (high - low)), np.float64)


def split_budget(lags: list[int], budget: int) -> list[int]:
    """How many offsets to take of each partition: in proportion to its lag, `budget` in all.

    Rounded up, so that no partition with a lag waits for ever.
    """
    total = sum(lags)
    if total <= budget:
        return lags
    return [-(-lag * budget // total) for lag in lags]

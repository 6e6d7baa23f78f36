"""What the ranker sees of each candidate: ranks, shares, velocities, item, user. Pure numpy.

Ranks and shares are within the list, so nothing depends on a site's scale.
"""

import numpy as np
from numpy.typing import NDArray

from vane.item_table import ItemTable
from vane.popularity import COLUMNS, HALF_LIVES_S
from vane.preference import NEVER_US
from vane.retrieval import SOURCES, Sources, Taste

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

VELOCITIES = (
    ("popular_15m", "popular_1h"),
    ("popular_1h", "popular_2h24m"),
    ("popular_2h24m", "popular_1d"),
    ("popular_1d", "popular_7d"),
    ("popular_7d", "popular_never"),
    ("popular_1k", "popular_10k"),
    ("popular_alike", "popular_1d"),
)
"""Pairs of popularities whose log ratio tells whether an item rises."""

ITEM = ("item_age", "item_idle", "item_events", "item_weight")
USER = (
    "user_events",
    "user_idle",
    "user_session",
    "user_day",
    "user_recent",
    "user_popular",
    "user_age",
    "user_fresh",
    "user_weight",
)
MINUS = ("minus_events", "minus_age", "minus_fresh")
FEATURES = (
    *(f"rank_{name}" for name in SOURCES),
    *(f"share_{name}" for name in SOURCES),
    *(f"rises_{fast}" for fast, _ in VELOCITIES),
    *ITEM,
    *MINUS,
    *USER,
)
"""Names of the features, in the order of the columns of `features`."""

SESSION_GAP_US = 1_800_000_000
DAY_US = 86_400_000_000
_VELOCITY_FLOOR = 0.05
_FAST = [SOURCES.index(fast) for fast, _ in VELOCITIES]
_SLOW = [SOURCES.index(slow) for _, slow in VELOCITIES]
_DAY_COLUMN = COLUMNS.index("heat_1d")
_PROFILE_FADE = 0.9


def features(sources: Sources, table: ItemTable, taste: Taste, now_us: int) -> Floats:
    """The features of n candidates, (n, len(FEATURES)); finite everywhere."""
    values = np.where(np.isnan(sources.values), np.float32(0), sources.values)
    ranks, shares = _within_list(values)
    item = _item(table, sources.numbers, now_us)
    profile = _profile(table, taste, now_us)
    fresh = _log_day(table, sources.numbers, now_us)
    minus = np.column_stack([item[:, 2] - profile[0], item[:, 0] - profile[1], fresh - profile[2]])
    user = np.broadcast_to(_user(taste, now_us, profile), (len(values), len(USER)))
    return np.hstack(
        [ranks, shares, _level(values[:, _FAST]) - _level(values[:, _SLOW]), item, minus, user],
        dtype=np.float32,
    )


def _level(popularity: Floats) -> Floats:
    return np.asarray(np.log(popularity + np.float32(_VELOCITY_FLOOR)))


def _within_list(values: Floats) -> tuple[Floats, Floats]:
    """Each column's rank and share.

    Ranks count from 0, ties share the best one, absent or last is n. The share is of the range from
    min(lowest, 0) to the highest.
    """
    count = len(values)
    if not count:
        return values, values
    columns = np.ascontiguousarray(values.T)  # sorting along the columns' memory is much faster
    order = np.argsort(-columns, axis=1)
    ordered = np.take_along_axis(columns, order, 1)
    first = np.zeros(columns.shape, np.int32)
    first[:, 1:] = np.where(ordered[:, 1:] < ordered[:, :-1], np.arange(1, count), 0)
    np.maximum.accumulate(first, axis=1, out=first)
    ranks = np.empty(columns.shape, np.float32)
    np.put_along_axis(ranks, order, first, 1)
    lowest, highest = ordered[:, -1:], ordered[:, :1]
    ranks[(columns <= lowest) | (columns == 0)] = count
    floor = np.minimum(lowest, 0)
    shares = (columns - floor) / (highest - floor + np.float32(1e-12))
    return ranks.T, shares.T


def _item(table: ItemTable, numbers: Ints, now_us: int) -> Doubles:
    events = table.events[numbers]
    age = _log_minutes(now_us - table.first_us[numbers])
    idle = _log_minutes(now_us - table.last_us[numbers])
    never = table.first_us[numbers] == NEVER_US
    weight = np.where(never, -1.0, table.weight_sum[numbers] / np.maximum(events, 1))
    return np.column_stack(
        [np.where(never, -1.0, age), np.where(never, -1.0, idle), np.log1p(events), weight]
    )


def _log_minutes(us: Ints) -> Doubles:
    return np.asarray(np.log1p(np.maximum(us, 0) / 6e7))


def _log_day(table: ItemTable, numbers: Ints, now_us: int) -> Doubles:
    """log(1 + popularity with a half-life of a day)."""
    heat = table.heats[numbers, _DAY_COLUMN] - now_us / 1e6 / HALF_LIVES_S["heat_1d"]
    return np.asarray(np.log1p(np.exp2(np.minimum(heat, 60.0))))


def _profile(table: ItemTable, taste: Taste, now_us: int) -> Doubles:
    """What the user takes, (4,): means of log events, age when taken, freshness, weight.

    The newest count most.
    """
    recent = taste.recent
    if not len(recent):
        return np.zeros(4)
    fade = _PROFILE_FADE ** np.arange(len(recent))
    columns = np.column_stack(
        [
            np.log1p(table.events[recent]),
            _log_minutes(taste.recent_us - np.maximum(table.first_us[recent], 0)),
            _log_day(table, recent, now_us),
            taste.recent_weight,
        ]
    )
    return np.asarray(fade @ columns / fade.sum())


def _user(taste: Taste, now_us: int, profile: Doubles) -> Doubles:
    """The features that are the same for every candidate, (len(USER),)."""
    age = now_us - taste.recent_us
    idle = float(_log_minutes(age[:1])[0]) if len(age) else -1.0
    session = int((age < SESSION_GAP_US).sum())
    day = int((age < DAY_US).sum())
    return np.array([np.log1p(taste.events), idle, session, day, len(age), *profile])

"""The oracle accepts what the flows compute, however the events are cut, and nothing else."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from vane.oracle import ExpectedUser, UserState
from vane.popularity import COLUMNS, Trends, aggregate, merge
from vane.preference import NO_VECTOR, Events, States, apply_events
from vane.trend_oracle import UNCOUNTED, Counted, ExpectedTrend, TrendState

HALF_LIVES_S = 30 * 86_400.0, 6 * 3_600.0
NOW_US = 1_700_000_000_000_000
DIMENSION = 8
SLOT_OF_A = 15
ITEMS = np.random.default_rng(5).standard_normal((4, DIMENSION)).astype(np.float16)

Event = tuple[int, float, int]  # ts_us, weight, item
events = st.lists(
    st.tuples(
        st.integers(NOW_US - 10**13, NOW_US),
        st.sampled_from([1.0, 2.0, 8.0, -4.0, 1 / 3]).map(np.float32).map(float),
        st.integers(NO_VECTOR, len(ITEMS) - 1),
    ),
    min_size=1,
    max_size=60,
)
cuts = st.lists(st.integers(0, 60), max_size=5)


def expected(some: list[Event]) -> ExpectedUser:
    user = ExpectedUser(HALF_LIVES_S)
    for number, (ts_us, weight, item) in sorted(enumerate(some), key=lambda pair: -pair[1][0]):
        user.add(str(number), ts_us, weight, None if item == NO_VECTOR else ITEMS[item])
    return user


def produced(some: list[Event], cut_at: list[int]) -> UserState:
    """What vane.preference makes of the events in batches."""
    states = States.empty(1, DIMENSION)
    bounds = sorted({0, len(some), *(cut for cut in cut_at if cut < len(some))})
    for low, high in pairwise(bounds):
        ts_us, weight, item = zip(*some[low:high], strict=True)
        batch = Events(
            user=np.zeros(high - low, np.int64),
            ts_us=np.array(ts_us, np.int64),
            weight=np.array(weight, np.float32),
            item=np.array(item, np.int64),
            hash=np.array(
                [xxhash.xxh3_64_intdigest(str(i).encode()) for i in range(low, high)], np.uint64
            ),
        )
        apply_events(states, batch, ITEMS.astype(np.float32), HALF_LIVES_S)
        states.version += 1
    return UserState(
        vectors=states.vectors[0],
        masses=(float(states.masses[0, 0]), float(states.masses[0, 1])),
        as_of_us=int(states.as_of_us[0]),
        version=int(states.version[0]),
        events=int(states.events[0]),
        event_hash=int(states.event_hash.view(np.int64)[0]),
    )


@settings(deadline=None)
@given(events, cuts)
def test_states_of_the_flow_are_within_their_bound(some: list[Event], cut_at: list[int]) -> None:
    verdict = expected(some).compare(produced(some, cut_at))
    assert verdict.differences == []
    assert verdict.worst_share <= 1


@settings(deadline=None)
@given(events, cuts, st.integers(0, DIMENSION - 1))
def test_a_vector_moved_by_twice_the_bound_is_refused(
    some: list[Event], cut_at: list[int], dimension: int
) -> None:
    state = produced(some, cut_at)
    size = sum(abs(weight) * abs(ITEMS[item]) for _, weight, item in some if item != NO_VECTOR)
    roundings = 3 * min(state.version, 2 * len(some)) + len(some) + 4
    far = 4 * roundings * 2.0**-24 * np.max(size, initial=0) + 2.0**-90
    state.vectors[0, dimension] += np.float32(far)
    [difference] = expected(some).compare(state).differences
    assert difference.startswith("long is off by ")


def test_terms_beyond_one_block_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vane.oracle.BLOCK_TERMS", 7)
    some = [(NOW_US - 10**10 * i, 1.0, i % len(ITEMS)) for i in range(40)]
    assert expected(some).compare(produced(some, [13, 20])).differences == []
    assert_trend([(ts_us, weight) for ts_us, weight, _ in some], [13, 20])


@given(
    st.lists(
        st.tuples(
            st.integers(NOW_US - 10**14, NOW_US), st.sampled_from([1.0, 1 / 3, 8.0, 0.0, -4.0])
        ),
        min_size=1,
        max_size=60,
    ),
    cuts,
)
def test_trends_of_the_flow_are_within_their_bound(
    some: list[tuple[int, float]], cut_at: list[int]
) -> None:
    assert_trend(some, cut_at)


def assert_trend(some: list[tuple[int, float]], cut_at: list[int]) -> None:
    stored_trends: Trends | None = None
    bounds = sorted({0, len(some), *(cut for cut in cut_at if cut < len(some))})
    for low, high in pairwise(bounds):
        ts_us, weight = (np.array(column) for column in zip(*some[low:high], strict=True))
        nothing = np.zeros(high - low)
        added = aggregate(["a"] * (high - low), ts_us, nothing, weight, nothing.astype(np.int64))
        stored_trends = added if stored_trends is None else merge(stored_trends, added)
    assert stored_trends is not None
    trend = ExpectedTrend("a")
    for time_us, size in sorted(some, reverse=True):
        trend.add(time_us, Counted(size, size, 0) if size > 0 else UNCOUNTED)
    heats = dict(zip(COLUMNS, stored_trends.heats[0].tolist(), strict=True))
    state = TrendState(
        slot=SLOT_OF_A,
        events=len(some),
        weight_sum=float(stored_trends.weight_sum[0]),
        first_us=int(stored_trends.first_us[0]),
        last_us=int(stored_trends.last_us[0]),
        heats=heats,
    )
    verdict = trend.compare(state)
    assert verdict.differences == []
    assert verdict.worst_share <= 1
    warmer = replace(state, heats={name: heat + 1e-4 for name, heat in heats.items()})
    if heats["heat_never"] > -np.inf:
        assert len(trend.compare(warmer).differences) == 7

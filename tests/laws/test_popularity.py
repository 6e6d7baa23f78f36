"""Laws of forward-decayed popularity: order and batching do not matter, decay composes."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vane.popularity import (
    COLD,
    COLUMNS,
    HALF_LIVES_S,
    HEATS,
    Trends,
    aggregate,
    event_clock,
    event_heats,
    merge,
    split_budget,
)

NOW_US = 1_700_000_000_000_000
TOLERANCE = 1e-7

Event = tuple[str, int, float, float]
Counts = tuple[int, int, int]
events = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(NOW_US - 10**13, NOW_US),
        st.floats(0, 1e6),
        st.one_of(st.floats(2**-10, 100), st.just(0.0), st.floats(-100, -1)),
    ),
    min_size=1,
    max_size=40,
)


def aggregated(some: list[Event]) -> Trends:
    items, ts_us, clock, weight = zip(*some, strict=True)
    earlier = np.array(clock, np.int64) % 30
    return aggregate(list(items), np.array(ts_us), np.array(clock), np.array(weight), earlier)


def by_item(trends: Trends) -> dict[str, tuple[Counts, list[float]]]:
    counts = zip(trends.events.tolist(), trends.first_us, trends.last_us, strict=True)
    values = np.column_stack([trends.heats, trends.weight_sum]).tolist()
    return dict(zip(trends.items, zip(counts, values, strict=True), strict=True))


def one_by_one(some: list[Event]) -> dict[str, tuple[Counts, list[float]]]:
    state: dict[str, Trends] = {}
    for event in some:
        added = aggregated([event])
        [item] = added.items
        state[item] = merge(state[item], added) if item in state else added
    return {item: by_item(trends)[item] for item, trends in state.items()}


def assert_same(
    one: dict[str, tuple[Counts, list[float]]], other: dict[str, tuple[Counts, list[float]]]
) -> None:
    assert one.keys() == other.keys()
    for item, (count, heats) in one.items():
        assert other[item][0] == count
        assert other[item][1] == pytest.approx(heats, abs=TOLERANCE)


@given(events, st.randoms())
def test_order_does_not_matter(some: list[Event], random: Random) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)
    assert_same(by_item(aggregated(some)), by_item(aggregated(shuffled)))


@given(events)
def test_a_batch_is_its_events_one_by_one(some: list[Event]) -> None:
    assert_same(by_item(aggregated(some)), one_by_one(some))


@given(events, st.integers(0, 10**13), st.integers(0, 10**13))
def test_popularity_is_the_decayed_sum_and_decay_composes(
    some: list[Event], first_us: int, second_us: int
) -> None:
    for item, (_, heats) in by_item(aggregated(some)).items():
        for heat, half_life_s in zip(heats, HALF_LIVES_S.values(), strict=False):

            def at(time_us: int, heat: float = heat, half_life_s: float = half_life_s) -> float:
                return math.exp2(heat - time_us / 1e6 / half_life_s)

            direct = math.fsum(
                weight * math.exp2((ts_us - NOW_US) / 1e6 / half_life_s)
                for name, ts_us, _, weight in some
                if name == item and weight > 0
            )
            assert at(NOW_US) == pytest.approx(direct, rel=1e-6)
            later = at(NOW_US + first_us) * math.exp2(-second_us / 1e6 / half_life_s)
            assert at(NOW_US + first_us + second_us) == pytest.approx(later, rel=1e-6, abs=1e-300)


@given(events)
def test_the_order_by_heat_is_the_order_by_popularity_at_any_time(some: list[Event]) -> None:
    trends = aggregated(some)
    heat = trends.heats[:, HEATS.index("heat_1d")]
    later = np.exp2(heat - (NOW_US / 1e6 + 86_400) / 86_400)
    assert all(np.diff(later[np.argsort(heat, kind="stable")]) >= 0)


def test_an_event_without_positive_weight_counts_and_adds_no_heat() -> None:
    trends = aggregated([("a", NOW_US, 1.0, 0.0), ("a", NOW_US, 2.0, -4.0)])
    assert trends.events.tolist() == [2]
    assert trends.heats.tolist() == [[COLD] * len(COLUMNS)]
    assert merge(trends, trends).heats.tolist() == trends.heats.tolist()


def test_segments_divide_the_popularity_of_a_day() -> None:
    earlier = np.array([0, 4, 5, 20, 21])
    trends = aggregate(["a"] * 5, np.full(5, NOW_US), np.zeros(5), np.ones(5), earlier)
    day = trends.heats[0, COLUMNS.index("heat_1d")]
    shares = np.exp2(trends.heats[0, len(HEATS) :] - day)
    assert shares.tolist() == pytest.approx([0.4, 0.4, 0.2])


def test_an_event_of_weight_8_is_three_above_one_of_weight_1() -> None:
    ts_us, clock = np.array([NOW_US, NOW_US]), np.array([5.0, 5.0])
    heats = event_heats(ts_us, clock, np.array([8.0, 1.0]))
    assert heats[0] - heats[1] == pytest.approx(np.full(len(HEATS), 3.0))


def test_1000_events_later_weighs_twice_in_the_heat_of_1000_events() -> None:
    ts_us, clock = np.array([NOW_US, NOW_US]), np.array([0.0, 1_000.0])
    early, late = event_heats(ts_us, clock, np.ones(2))
    assert late[HEATS.index("heat_1k")] - early[HEATS.index("heat_1k")] == 1
    assert late[HEATS.index("heat_10k")] - early[HEATS.index("heat_10k")] == pytest.approx(0.1)


def test_the_event_clock_of_one_partition_is_its_offset_however_it_is_cut() -> None:
    whole = event_clock(np.arange(10), 0, 10, before=100, span=10)
    cut = [
        event_clock(np.arange(low, low + 5), low, low + 5, before=100 + low, span=5)
        for low in (0, 5)
    ]
    assert whole.tolist() == np.concatenate(cut).tolist() == list(range(100, 110))


def test_the_event_clock_spreads_every_partition_over_the_batch() -> None:
    busy = event_clock(np.array([0, 45, 89]), 0, 90, before=0, span=100)
    quiet = event_clock(np.array([0, 5, 9]), 0, 10, before=0, span=100)
    assert busy.tolist() == [0, 50, pytest.approx(98.9, abs=0.1)]
    assert quiet.tolist() == [0, 50, 90]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.integers(1, 10**5))
def test_a_split_budget_is_kept_and_leaves_no_lagging_partition_out(
    lags: list[int], budget: int
) -> None:
    takes = split_budget(lags, budget)
    assert all(take <= lag for take, lag in zip(takes, lags, strict=True))
    assert all(take > 0 for take, lag in zip(takes, lags, strict=True) if lag > 0)
    assert sum(takes) <= budget + len(lags)
    assert sum(takes) >= min(budget, sum(lags))

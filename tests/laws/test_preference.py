"""The laws of the preference algebra, over random users, items and event times."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vane.preference import (
    HORIZON_EVENTS,
    NO_VECTOR,
    Events,
    Floats,
    States,
    apply_events,
    decay,
    first_seen,
    merge,
)

DIMENSION, ITEMS = 8, 6
HALF_LIVES_S = (30 * 86_400.0, 6 * 3_600.0)
START_US = 1_700_000_000_000_000
VECTORS: Floats = np.random.default_rng(7).normal(size=(ITEMS, DIMENSION)).astype(np.float32)

Event = tuple[int, int, float, int]  # user, seconds, weight, item

events = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 90 * 86_400),
        st.sampled_from([-4.0, -1.0, 0.0, 1.0, 2.0, 8.0]),
        st.integers(NO_VECTOR, ITEMS - 1),
    ),
    max_size=40,
)


def arrange(rows: list[Event], first_hash: int = 1) -> Events:
    """The events sorted by user as the algebra wants them, hashes all different."""
    numbered = sorted(enumerate(rows, first_hash), key=lambda pair: pair[1][0])
    return Events(
        user=np.array([row[0] for _, row in numbered], np.int64),
        ts_us=np.array([START_US + row[1] * 1_000_000 for _, row in numbered], np.int64),
        weight=np.array([row[2] for _, row in numbered], np.float32),
        item=np.array([row[3] for _, row in numbered], np.int64),
        hash=np.array([number for number, _ in numbered], np.uint64),
    )


def batch(rows: list[Event], states: States | None = None, first_hash: int = 1) -> States:
    states = States.empty(4, DIMENSION) if states is None else states
    apply_events(states, arrange(rows, first_hash), VECTORS, HALF_LIVES_S)
    return states


def assert_same(one: States, other: States, terms: list[Event]) -> None:
    """Equal up to rounding: the scale is the sum of the terms' sizes, each at most 8 · 4."""
    scale = 1e-6 * (1 + len(terms)) * 32
    np.testing.assert_allclose(one.vectors, other.vectors, atol=scale, rtol=0)
    np.testing.assert_allclose(one.masses, other.masses, atol=1e-12 * (1 + len(terms)) * 32)
    for name in ("as_of_us", "events", "event_hash"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(events, st.randoms(use_true_random=False))
def test_order_does_not_matter(rows: list[Event], random: object) -> None:
    numbered = list(enumerate(rows, 1))
    random.shuffle(numbered)  # type: ignore[attr-defined]
    shuffled = States.empty(4, DIMENSION)
    for number, row in numbered:
        shuffled = batch([row], shuffled, first_hash=number)
    assert_same(batch(rows), shuffled, rows)


@given(events, st.integers(0, 40))
def test_a_batch_is_one_by_one(rows: list[Event], cut: int) -> None:
    halves = batch(rows[cut:], batch(rows[:cut]), first_hash=1 + len(rows[:cut]))
    assert_same(batch(rows), halves, rows)


@given(events, events)
def test_merge_is_the_sum(some: list[Event], others: list[Event]) -> None:
    one, other = batch(some), batch(others, first_hash=1 + len(some))
    together = batch(some + others)
    assert_same(merge(one, other, HALF_LIVES_S), together, some + others)
    assert_same(merge(other, one, HALF_LIVES_S), together, some + others)


@given(events)
def test_replay_adds_nothing(rows: list[Event]) -> None:
    states = batch(rows)
    assert not first_seen(states, arrange(rows)).any()
    assert first_seen(states, arrange(rows, first_hash=1_000)).all()


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_decay_composes(one_us: int, other_us: int) -> None:
    ages = np.array([one_us, other_us, one_us + other_us], np.int64)
    one, other, both = decay(ages, HALF_LIVES_S)
    np.testing.assert_allclose(one * other, both, rtol=1e-9, atol=1e-300)


@given(events)
def test_incremental_equals_the_float64_sum(rows: list[Event]) -> None:
    states = States.empty(4, DIMENSION)
    for number, row in enumerate(rows, 1):
        states = batch([row], states, first_hash=number)
    for user in range(4):
        mine = [row for row in rows if row[0] == user]
        newest = max((row[1] for row in mine), default=0)
        for kind, half_life_s in enumerate(HALF_LIVES_S):
            shares = [
                (weight * 2.0 ** (-(newest - seconds) / half_life_s), VECTORS[item].tolist())
                for _, seconds, weight, item in mine
                if item != NO_VECTOR
            ]
            exact = [math.fsum(s * v[axis] for s, v in shares) for axis in range(DIMENSION)]
            size = 1e-6 * (1 + math.fsum(abs(share) for share, _ in shares)) * (1 + len(mine)) * 4
            np.testing.assert_allclose(states.vectors[user, kind], exact, atol=size, rtol=0)
            assert states.masses[user, kind] == pytest.approx(math.fsum(s for s, _ in shares))


def test_half_after_a_half_life() -> None:
    hours = 6 * 3_600
    states = batch([(0, 0, 1.0, 2), (0, hours, 0.0, 2)])
    np.testing.assert_allclose(states.vectors[0, 1], VECTORS[2] / 2, rtol=1e-6)
    assert states.masses[0].tolist() == pytest.approx([2 ** -(0.25 / 30), 0.5])


@pytest.mark.parametrize("count", [HORIZON_EVENTS - 1, HORIZON_EVENTS, 3 * HORIZON_EVENTS + 5])
def test_the_horizon_holds_the_newest_ids_and_no_more(count: int) -> None:
    rows = [(0, second, 1.0, 0) for second in range(count)]
    states = batch(rows[: count // 2])
    states = batch(rows[count // 2 :], states, first_hash=1 + count // 2)
    fresh = first_seen(states, arrange(rows))
    assert fresh.tolist() == [number < count - HORIZON_EVENTS for number in range(count)]


def test_the_horizon_of_merged_users_holds_the_newest_of_both() -> None:
    one = batch([(0, second, 1.0, 0) for second in range(10)])
    other = batch([(0, second, 1.0, 0) for second in range(100)], first_hash=1_000)
    merged = merge(one, other, HALF_LIVES_S)
    assert not first_seen(merged, arrange([(0, 0, 1.0, 0)] * 10)).any()
    of_other = first_seen(merged, arrange([(0, 0, 1.0, 0)] * 100, first_hash=1_000))
    assert of_other.tolist() == [number < 100 - (HORIZON_EVENTS - 10) for number in range(100)]


def test_the_same_id_twice_in_a_batch_counts_once() -> None:
    twice = arrange([(0, 0, 1.0, 0), (0, 1, 1.0, 0), (1, 0, 1.0, 0)])
    twice.hash[:] = 5
    assert first_seen(States.empty(4, DIMENSION), twice).tolist() == [True, False, True]

"""Laws of co-visitation: equal to a dense batch computation, within the stated error beyond."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import vane.covisitation
from vane.covisitation import HELD_MAX, NEIGHBOURS_MAX, Covisitation
from vane.histories import ACT, Acts, Histories, LookBack
from vane.pairs import HALF_LIVES_US, KINDS, NEXT, Rows, increments

NOW_US = 1_700_000_000_000_000
DAY_US = 86_400_000_000
PLENTY = 1 << 30

Doubles = NDArray[np.float64]

logs = st.tuples(
    st.integers(0, 10**6),  # seed
    st.integers(2, 40),  # items
    st.integers(1, 20),  # users
    st.integers(1, 300),  # events
    st.sampled_from([1, 30, 3_000]),  # days
    st.booleans(),  # in the order of time
)


def some_log(log: tuple[int, int, int, int, int, bool]) -> tuple[list[int], Acts]:
    seed, items, users, count, days, ordered = log
    rng = np.random.default_rng(seed)
    acts = np.zeros(count, ACT)
    acts["item"] = rng.integers(0, items, count)
    acts["weight"] = rng.choice([1.0, 2.0, 8.0], count)
    times = NOW_US + rng.integers(0, days * DAY_US, count)
    acts["ts_us"] = np.sort(times) if ordered else times
    return rng.integers(0, users, count).tolist(), acts


def dense(users: list[int], acts: Acts, items: int) -> tuple[Doubles, Doubles, Doubles]:
    """As of, (KINDS, items, items) pair weights, (KINDS, items) masses: formulas one by one."""
    look = Histories[int](PLENTY).look_back(users, acts)
    item, ts_us = acts["item"].tolist(), acts["ts_us"].astype(float)
    as_of = np.full(items, -np.inf)
    np.maximum.at(as_of, item, ts_us)
    np.maximum.at(as_of, look.other, ts_us[look.event])
    pairs, mass = np.zeros((KINDS, items, items)), np.zeros((KINDS, items))
    for event, counted in enumerate(look.counted):
        i = item[event]
        mass[:NEXT, i] += counted * 2 ** (-(as_of[i] - ts_us[event]) / HALF_LIVES_US[:NEXT])
    for event, j, place in zip(look.event, look.other, look.place, strict=True):
        i, counted = item[event], look.counted[event]
        for row, neighbour in ((i, j), (j, i)):
            left = 2 ** (-(as_of[row] - ts_us[event]) / HALF_LIVES_US)
            pairs[:NEXT, row, neighbour] += counted * 2 ** (-place / 10) * left[:NEXT]
            if row == j and place < 3:
                pairs[NEXT, row, neighbour] += counted * 2.0**-place * left[NEXT]
                mass[NEXT, row] += counted * 2.0**-place * left[NEXT]
    return as_of, pairs, mass


def feed(state: Covisitation, look: LookBack, acts: Acts) -> None:
    items, ts_us = acts["item"].astype(np.int64), acts["ts_us"]
    state.add_mass(items, ts_us, look.counted)
    state.add(increments(items, ts_us, look))


def as_dense(rows: Rows, items: int) -> Doubles:
    found = np.zeros((KINDS, items, items))
    owner = np.repeat(rows.items, rows.counts)
    found[:, owner, rows.neighbours] = rows.weights.T
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(logs, st.lists(st.integers(0, 300), max_size=4), st.booleans(), st.sampled_from([1, 50]))
def test_rows_are_the_dense_sums_whatever_the_batches_buffers_and_restarts(
    monkeypatch: pytest.MonkeyPatch,
    log: tuple[int, int, int, int, int, bool],
    cuts: list[int],
    restarts: bool,  # noqa: FBT001 - drawn
    buffer: int,
) -> None:
    monkeypatch.setattr(vane.covisitation, "BUFFER_PAIRS", buffer)
    users, acts = some_log(log)
    items = log[1]
    state, histories = Covisitation(), Histories[int](PLENTY)
    bounds = [0, *sorted(cut % len(users) for cut in cuts), len(users)]
    for low, high in pairwise(bounds):
        feed(state, histories.look_back(users[low:high], acts[low:high]), acts[low:high])
        if restarts:
            stored = state.rows(state.dirty)
            state = Covisitation()
            state.load(stored)
    rows = state.rows(state.dirty)
    as_of, pairs, mass = dense(users, acts, items)
    assert rows.as_of_us.tolist() == as_of[rows.items].tolist()
    assert not rows.lost.any()
    np.testing.assert_allclose(rows.mass, mass.T[rows.items], rtol=1e-9, atol=1e-30)
    np.testing.assert_allclose(as_dense(rows, items), pairs, rtol=1e-4, atol=1e-30)


def test_a_row_loaded_later_is_added_to_what_came_meanwhile() -> None:
    users, acts = some_log((3, 20, 5, 300, 30, True))
    look = Histories[int](PLENTY).look_back(users, acts)
    whole = Covisitation()
    feed(whole, look, acts)
    histories, first, second = Histories[int](PLENTY), Covisitation(), Covisitation()
    feed(first, histories.look_back(users[:150], acts[:150]), acts[:150])
    feed(second, histories.look_back(users[150:], acts[150:]), acts[150:])
    assert second.unloaded().tolist() == second.dirty.tolist()
    second.load(first.rows(first.dirty))
    assert not len(second.unloaded())
    one, other = whole.rows(whole.dirty), second.rows(second.dirty)
    np.testing.assert_allclose(as_dense(one, 20), as_dense(other, 20), rtol=1e-5)
    np.testing.assert_allclose(one.mass, other.mass, rtol=1e-12)


@pytest.mark.parametrize("restarts", [False, True])
def test_an_overflowing_row_is_within_the_error_it_states(
    monkeypatch: pytest.MonkeyPatch,
    restarts: bool,  # noqa: FBT001 - a case
) -> None:
    monkeypatch.setattr(vane.covisitation, "BUFFER_PAIRS", 500)
    items, count = 1_500, 12_000
    rng = np.random.default_rng(5)
    acts = np.zeros(count, ACT)
    acts["item"] = np.where(rng.random(count) < 0.2, 0, (items * rng.random(count) ** 3))
    acts["weight"] = 1
    acts["ts_us"] = NOW_US + np.sort(rng.integers(0, 20 * DAY_US, count))
    users = rng.integers(0, 2_000, count).tolist()
    state, histories = Covisitation(), Histories[int](PLENTY)
    for low in range(0, count, 2_000):
        part = slice(low, low + 2_000)
        feed(state, histories.look_back(users[part], acts[part]), acts[part])
        if restarts:
            kept = state.rows(state.dirty)
            state = Covisitation()
            state.load(kept)
    rows = state.rows(state.dirty)
    _, pairs, _ = dense(users, acts, items)
    assert (pairs[0, 0] > 0).sum() > HELD_MAX
    assert rows.counts.max() == NEIGHBOURS_MAX
    assert rows.lost[0].all()
    found, lost = as_dense(rows, items), np.zeros((KINDS, items))
    lost[:, rows.items] = rows.lost.T
    assert (found <= pairs * (1 + 1e-4)).all()
    assert (pairs <= (found + lost[:, :, None]) * (1 + 1e-4) + 1e-30).all()
    strongest = np.argsort(-pairs[0, 0])[:20]
    assert (found[0, 0, strongest] > 0.8 * pairs[0, 0, strongest]).all()


def test_memory_is_bounded_and_rows_that_changed_longest_ago_go_first() -> None:
    users, acts = some_log((1, 40, 20, 300, 30, True))
    state = Covisitation()
    feed(state, Histories[int](PLENTY).look_back(users, acts), acts)
    before = state.rows(state.dirty)
    state.mark_stored()
    state.evict(pairs_max=300)
    assert 0 < state.pairs <= 300
    feed(state, Histories[int](PLENTY).look_back(users, acts), acts)
    gone = state.unloaded()
    oldest = np.sort(before.as_of_us)[: len(gone) // 2]
    assert set(before.items[before.as_of_us <= oldest[-1]].tolist()) <= set(gone.tolist())


def test_making_room_first_takes_what_rows_hold_beyond_the_stored_neighbours() -> None:
    users, acts = some_log((2, 2_000, 20, 12_000, 30, True))
    acts["item"][::8] = np.arange(1_500) % 20
    acts["weight"] = np.random.default_rng(2).uniform(1, 8, len(acts))
    state, histories = Covisitation(), Histories[int](PLENTY)
    feed(state, histories.look_back(users, acts), acts)
    before = state.rows(state.dirty)
    held = state.pairs
    state.evict(pairs_max=int(before.counts.sum()))
    assert state.pairs <= before.counts.sum() < held
    after = state.rows(before.items)
    assert after.counts.tolist() == before.counts.tolist()
    np.testing.assert_array_equal(as_dense(after, 2_000), as_dense(before, 2_000))
    np.testing.assert_allclose(after.lost, before.lost, rtol=1e-12)

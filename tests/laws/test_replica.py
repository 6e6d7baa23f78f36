from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import logs
from vane.covisitation import HELD_MAX, NEIGHBOURS_MAX, Covisitation
from vane.features import FEATURES, features
from vane.histories import ACT, Histories
from vane.learning import Learner
from vane.linear import Features, LinearRanker
from vane.pair_rows import PairRows
from vane.pairs import NEXT, increments
from vane.ranking import Model
from vane.replica import Events, Replica
from vane.retrieval import CONTENT, SOURCES, WANTED, Taste, retrieve

KINDS = {"shop": logs.shop, "news": logs.news}
ITEMS = 100


def replica(*, texts: bool = False) -> Replica:
    return Replica(logs.catalogue(ITEMS), logs.texts(ITEMS) if texts else None)


def lists(log: Events, targets: NDArray[np.int64], *, texts: bool) -> list[Features]:
    learner = Learner(replica(texts=texts), Model(LinearRanker(FEATURES)), 1)
    learner.take(log, targets)
    return [observed.features for observed, _ in learner.lists._newest]


@pytest.mark.parametrize("texts", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_changes_no_list_before(kind: str, *, texts: bool) -> None:
    log = KINDS[kind](1)
    now_us = log.ts_us[len(log) // 2]
    now = int(np.searchsorted(log.ts_us, now_us))
    targets = np.arange(now // 3, np.searchsorted(log.ts_us, now_us, "right"), 4)
    order = np.arange(len(log))
    order[now:] = np.random.default_rng(2).permutation(order[now:])
    order[targets[targets >= now]] = targets[targets >= now]  # they are asked for by name
    scrambled = replace(log, user=log.user[order], item=log.item[order], weight=log.weight[order])

    before = lists(log, targets, texts=texts)
    assert len(before) > 10
    for one, other in zip(before, lists(scrambled, targets, texts=texts), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_site_without_text_has_whole_lists_of_finite_features(kind: str) -> None:
    log = KINDS[kind](3)
    one = replica()
    one.apply(log)
    for user in range(20):
        sources, found = one.moment(user, int(log.ts_us[-1]), np.random.default_rng(0))
        assert found.shape == (len(sources.numbers), len(FEATURES))
        assert len(sources.numbers) == ITEMS - len(one.taste(user).excluded)
        assert np.isfinite(found).all()
        for name in CONTENT:
            assert np.isnan(sources.values[:, SOURCES.index(name)]).all()
            assert not found[:, FEATURES.index(f"share_{name}")].any()


def test_a_basket_tells_what_else_is_bought_with_it() -> None:
    log = logs.shop(4)
    one = replica()
    one.apply(log)
    sources, _ = one.moment(7, int(log.ts_us[-1]))
    together = sources.values[:, SOURCES.index("together")]
    assert set(sources.numbers[together > 0] % 4) == {7 % 4}  # the shelf this user buys from


def test_who_views_one_item_then_buys_another_is_found_after_three() -> None:
    rng = np.random.default_rng(6)
    noise = [(int(rng.integers(50)), int(rng.integers(ITEMS)), k * 10**8, 1.0) for k in range(400)]
    pairs = [
        event
        for k, user in enumerate((90, 91, 92))
        for event in (
            (user, 10, (130 + k) * 3 * 10**8, 1.0),
            (user, 77, (131 + k) * 3 * 10**8, 8.0),
        )
    ]
    one = replica()
    one.apply(logs.events(sorted([*noise, *pairs, (99, 10, 5 * 10**10, 1.0)], key=lambda e: e[2])))
    sources, _ = one.moment(99, logs.START_US + 6 * 10**10)
    assert sources.numbers[sources.values[:, SOURCES.index("next")].argmax()] == 77
    assert 77 in sources.numbers[:10]


def test_lists_are_the_same_for_the_same_seed() -> None:
    log = logs.news(5)
    targets = np.arange(100, 700, 3)
    for one, other in zip(
        lists(log, targets, texts=True), lists(log, targets, texts=True), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_catalogue_of_three_and_all_of_it_seen() -> None:
    small = Replica(logs.catalogue(3), logs.texts(3))
    small.apply(logs.events([(1, 0, 0, 1.0)]))
    sources, found = small.moment(1, logs.START_US + 10, np.random.default_rng(0))
    assert set(sources.numbers.tolist()) == {1, 2}
    assert np.isfinite(found).all()
    small.apply(logs.events([(1, 1, 20, 1.0), (1, 2, 30, 8.0)]))
    sources, found = small.moment(1, logs.START_US + 40, np.random.default_rng(0))
    assert found.shape == (0, len(FEATURES))


def test_nobody_known_and_nothing_happened() -> None:
    sources, found = replica().moment(5, logs.START_US, np.random.default_rng(0))
    assert len(sources.numbers) == ITEMS
    assert np.isfinite(found).all()


def test_a_user_of_a_hundred_thousand_events() -> None:
    one = Replica(logs.catalogue(5_000), logs.texts(5_000))
    one.apply(logs.news(1))
    seen = np.arange(2_000)
    taste = Taste(
        seen[:50], np.full(50, logs.START_US), np.ones(50, np.float32), 100_000, excluded=seen
    )
    now_us = logs.START_US + logs.DAY_US
    one.table.refresh()
    padding = np.random.default_rng(0)
    sources = retrieve(one.table, taste, one.neighbours(taste), None, now_us, padding=padding)
    assert len(sources.numbers) == WANTED
    assert sources.numbers.min() >= 2_000
    assert np.isfinite(features(sources, one.table, taste, now_us)).all()


def test_rows_are_those_that_the_flow_keeps() -> None:
    rng = np.random.default_rng(8)
    count, items = 3_000, HELD_MAX // 3
    item, user = rng.integers(items, size=count), rng.integers(40, size=count)
    ts_us = logs.START_US + np.sort(rng.integers(60 * logs.DAY_US, size=count))
    acts = np.empty(count, ACT)
    acts["item"], acts["ts_us"], acts["weight"] = item, ts_us, rng.choice([1, 2, 8], count)
    look = Histories[int](1 << 20).look_back(user.tolist(), acts)
    mine, theirs = PairRows(), Covisitation()
    mine.add(item, ts_us, look)
    theirs.add_mass(item, ts_us, look.counted)
    theirs.add(increments(item, ts_us, look))

    rows = theirs.rows(np.arange(items))
    for place, end in enumerate(np.cumsum(rows.counts).tolist()):
        row = mine.neighbours(place)
        assert row is not None
        assert row.as_of_us == rows.as_of_us[place]
        np.testing.assert_allclose([*row.mass, row.next_mass], rows.mass[place], rtol=1e-4)
        start = end - rows.counts[place]
        order, wanted = np.argsort(row.items), np.argsort(rows.neighbours[start:end])
        np.testing.assert_array_equal(row.items[order], rows.neighbours[start:end][wanted])
        weights = rows.weights[start:end][wanted]
        np.testing.assert_allclose(row.together[order], weights[:, :NEXT], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(row.next[order], weights[:, NEXT], rtol=1e-4, atol=1e-6)


def test_a_row_stays_bounded_and_keeps_the_strongest() -> None:
    rows = PairRows()
    histories = Histories[int](1 << 20)
    others = np.arange(1, 2 * HELD_MAX)
    for user, other in enumerate([1, 1, 1, 1, *others.tolist()]):
        acts = np.array([(other, 1.0, user), (0, 1.0, user)], ACT)
        item, ts_us = np.array([other, 0]), np.array([user, user])
        rows.add(item, ts_us, histories.look_back([user, user], acts))
    row = rows.neighbours(0)
    assert row is not None
    assert len(row.items) == NEIGHBOURS_MAX
    assert row.items[row.together[:, 0].argmax()] == 1


def test_events_without_weight_alone_are_taken() -> None:
    """Such as dislikes, or the canary's: nothing of them is popular or goes together."""
    followed = replica()
    one = np.ones(1, np.int64)
    for weight in (0.0, -4.0):
        followed.apply(Events(one, one, 10**15 * one, np.array([weight]), np.zeros(1, np.bool_)))
    assert followed.has_touched(1, 1)
    assert followed.table.weight_sum[1] == 0

import numpy as np
import pytest

from tests import logs
from vane.evaluation import (
    NOT_LISTED,
    coverage,
    estimate,
    per_target,
    positive_actions,
    rank,
    ratio,
    targets,
)


def test_targets_are_positive_first_touches_of_users_known_before() -> None:
    rows = [
        (1, 5, 0, 1.0),
        (1, 6, 0, 1.0),  # the user's first basket: nothing was known before it
        (1, 5, 9, 1.0),  # touched before
        (1, 7, 9, 1.0),  # a target
        (2, 7, 9, 1.0),  # a new user
        (2, 8, 12, 1.0),  # not positive
        (2, 9, 13, 1.0),  # a target
    ]
    log = logs.events(rows)
    positive = np.array([row != 5 for row in range(len(rows))])
    assert targets(log, positive, 0, len(rows), 10, 1).tolist() == [3, 6]
    assert targets(log, positive, 4, len(rows), 10, 1).tolist() == [6]
    assert len(targets(log, positive, 0, len(rows), 1, 1)) == 1


def test_views_are_no_targets_where_there_is_anything_else() -> None:
    assert positive_actions(np.array(["view", "purchase"])).tolist() == [False, True]
    assert positive_actions(np.array(["view", "view"])).tolist() == [True, True]


def test_ties_count_half_and_what_is_not_listed_is_a_miss() -> None:
    scores = np.array([3.0, 1.0, 1.0, 1.0, 0.0])
    assert rank(scores, 0) == 1
    assert rank(scores, 2) == 3
    assert rank(scores, None) == NOT_LISTED
    found = per_target(np.array([1.0, 3.0, 20.0, NOT_LISTED]))
    assert found["ndcg_10"].tolist() == [1.0, 0.5, 0.0, 0.0]
    assert found["hr_10"].tolist() == [1, 1, 0, 0]
    assert found["hr_20"].tolist() == [1, 1, 1, 0]
    assert found["mrr_20"].tolist() == pytest.approx([1, 1 / 3, 1 / 20, 0])


def test_intervals_hold_the_mean_and_shrink_with_targets() -> None:
    values = np.random.default_rng(1).random(400)
    few, many = estimate(values[:50]), estimate(values)
    assert few.low < few.mean < few.high
    assert many.high - many.low < few.high - few.low
    double = ratio(2 * values, values)
    assert (double.mean, double.low, double.high) == pytest.approx((2, 2, 2))


def test_coverage_counts_items_once() -> None:
    assert coverage([np.array([1, 2]), np.array([2, 3])], 6) == 0.5
    assert coverage([], 6) == 0.0

"""Which events a site is learned from."""

from collections import Counter

import numpy as np

from vane.learning import first_touches, strong_actions
from vane.tuning import default_weights

WEIGHTS = default_weights()


def strong(*acts: tuple[int, int, str]) -> frozenset[str]:
    """Of a log of (user, item, action)."""
    users, items, names = zip(*acts, strict=True)
    first = first_touches(np.array(users), np.array(items))
    counts = Counter(name for name, new in zip(names, first, strict=True) if new)
    return strong_actions(counts, WEIGHTS)


def test_what_is_strong_is_a_target_and_the_weakest_is_not() -> None:
    acts = [(1, item, "view" if item % 2 else "purchase") for item in range(100)]
    assert strong(*acts) == {"purchase"}


def test_where_every_click_follows_a_view_the_views_are_targets() -> None:
    """The view is what a list could have led to: of the click, the item is not new any more."""
    acts = [(1, item, action) for item in range(100) for action in ("view", "click", "purchase")]
    assert strong(*acts) == {"view"}


def test_only_the_first_touch_counts_whoever_came_between() -> None:
    users, items = np.array([1, 2, 1, 1, 2]), np.array([7, 7, 7, 8, 7])
    assert first_touches(users, items).tolist() == [True, True, False, True, False]
    assert first_touches(users[:0], items[:0]).tolist() == []

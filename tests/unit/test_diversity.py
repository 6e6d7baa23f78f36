import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vane.diversity import diversified, pool_size, similarity
from vane.tuning import Diversity

OFF = Diversity(strength=0.0, author_share=1.0, category_share=1.0)


def chosen(
    scores: list[float], rules: Diversity, limit: int = 4, **columns: list[int] | np.ndarray
) -> list[int]:
    count = len(scores)
    found = diversified(
        np.array(scores),
        np.asarray(columns.get("similar", np.zeros((count, count)))),
        np.asarray(columns.get("authors", np.full(count, -1))),
        np.asarray(columns.get("categories", np.full(count, -1))),
        limit=limit,
        rules=rules,
    )
    return [int(row) for row in found]


def test_switched_off_the_order_stays() -> None:
    same = np.ones((6, 6))
    one = [0] * 6
    assert chosen([6, 5, 4, 3, 2, 1], OFF, similar=same, authors=one) == [0, 1, 2, 3]


def test_what_is_like_an_item_taken_waits() -> None:
    similar = np.eye(4)
    similar[0, 1] = similar[1, 0] = 1.0
    rules = Diversity(strength=0.5, author_share=1.0)
    assert chosen([4.0, 3.9, 3.0, 0.0], rules, similar=similar) == [0, 2, 3, 1]
    mild = Diversity(strength=0.05, author_share=1.0)
    assert chosen([4.0, 3.9, 3.0, 0.0], mild, similar=similar) == [0, 1, 2, 3]


def test_an_author_and_a_category_take_their_share() -> None:
    half = Diversity(strength=0.0, author_share=0.5, category_share=1.0)
    assert chosen([6, 5, 4, 3, 2, 1], half, authors=[7, 7, 7, 7, 8, 9]) == [0, 1, 4, 5]
    half = Diversity(strength=0.0, author_share=1.0, category_share=0.5)
    assert chosen([6, 5, 4, 3, 2, 1], half, categories=[7, 7, 7, 7, 8, 9]) == [0, 1, 4, 5]


def test_a_share_never_shortens_a_list_and_the_unknown_is_no_group() -> None:
    half = Diversity(strength=0.0, author_share=0.5, category_share=0.5)
    assert chosen([6, 5, 4, 3, 2, 1], half, authors=[7] * 6) == [0, 1, 2, 3]
    assert chosen([6, 5, 4, 3, 2, 1], half) == [0, 1, 2, 3]
    assert chosen([6, 5, 4], half, limit=10, authors=[7] * 3, categories=[1] * 3) == [0, 1, 2]
    assert chosen([], half) == []


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.integers(1, 40), st.floats(0, 1))
def test_a_list_has_no_item_twice_and_begins_with_the_best(
    scores: list[float], limit: int, strength: float
) -> None:
    scores.sort(reverse=True)
    rng = np.random.default_rng(len(scores))
    similar = similarity(rng.normal(size=(len(scores), 4)))
    groups = rng.integers(-1, 3, len(scores))
    rules = Diversity(strength=strength, author_share=0.3, category_share=0.6)
    found = chosen(scores, rules, limit, similar=similar, authors=groups, categories=groups)
    assert len(found) == len(set(found)) == min(limit, len(scores))
    assert scores[found[0]] == scores[0] or strength == 1.0


def test_the_stronger_of_two_similarities_counts() -> None:
    contents = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    visits = np.array([[0.0], [0.0], [3.0], [5.0]])
    found = similarity(contents, visits)
    assert found[0, 1] == pytest.approx(1.0)
    assert found[2, 3] == pytest.approx(1.0)
    assert found[0, 2] == found[0, 3] == 0.0


def test_the_pool_is_larger_than_the_list() -> None:
    assert pool_size(10) == 50
    assert pool_size(100) == 300

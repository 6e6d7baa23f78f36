import numpy as np
import pytest

from vane import ranking
from vane.ranking import FEATURES, Candidates


def candidates(count: int, **columns: list[float]) -> Candidates:
    """Candidates with the columns given; the others are unknown."""
    names = ("long", "short", "heat_1d", "heat_7d", "arrival")
    return Candidates(*(np.array(columns.get(name, [np.nan] * count), float) for name in names))


def order(found: Candidates) -> list[int]:
    scores = ranking.contributions(found).sum(axis=1)
    return [int(row) for row in ranking.top(scores, len(scores))]


@pytest.mark.parametrize("column", ["long", "short", "heat_1d", "heat_7d"])
def test_more_of_a_feature_ranks_higher(column: str) -> None:
    assert order(candidates(3, **{column: [0.1, 0.3, 0.2]})) == [1, 2, 0]


def test_earlier_arrivals_rank_higher_and_others_last() -> None:
    assert order(candidates(3, arrival=[5, np.nan, 0])) == [2, 0, 1]


def test_nothing_known_keeps_the_given_order_and_gives_finite_scores() -> None:
    found = candidates(4)
    assert np.all(ranking.contributions(found) == 0)
    assert order(found) == [0, 1, 2, 3]
    assert ranking.contributions(candidates(0)).shape == (0, len(FEATURES))


def test_an_unknown_similarity_is_neutral_and_no_events_are_the_least_popular() -> None:
    found = candidates(3, long=[1.0, -1.0, np.nan], heat_1d=[10.0, 9.0, np.nan])
    parts = ranking.contributions(found)
    assert parts[2, 0] == 0
    assert parts[2, 2] == parts[:, 2].min() < parts[1, 2]


def test_only_differences_of_heat_count() -> None:
    early = candidates(3, heat_1d=[0.0, 2.0, -3.0])
    late = candidates(3, heat_1d=[50_000.0, 50_002.0, 49_997.0])
    assert ranking.contributions(early) == pytest.approx(ranking.contributions(late))


def test_rounding_alone_decides_nothing() -> None:
    assert np.all(ranking.contributions(candidates(2, long=[0.3, 0.1 + 0.2])) == 0)


def test_top_cuts_and_keeps_ties_in_order() -> None:
    assert ranking.top(np.array([1.0, 3.0, 3.0, 2.0]), 3).tolist() == [1, 2, 3]


def test_centred_vectors_have_length_one_or_zero() -> None:
    mean = np.array([1.0, 0.0])
    found = ranking.centred(np.array([[3.0, 0.0], [1.0, 0.0]]), mean)
    assert found.tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_the_closest_cause() -> None:
    items = np.array([[1.0, 0.0], [0.0, 1.0]])
    best, cosine = ranking.closest(items, np.array([[0.0, 1.0], [0.6, 0.8]]))
    assert best.tolist() == [1, 0]
    assert cosine.tolist() == [0.6, 1.0]


def test_reasons_say_what_is_true_and_strongest() -> None:
    found = candidates(
        5,
        heat_1d=[1.0, 1.0, np.nan, np.nan, np.nan],
        arrival=[np.nan, np.nan, np.nan, 3.0, np.nan],
    )
    parts = np.zeros((5, 5))
    parts[:, 0] = [1.0, 0.1, 0.1, 2.0, 2.0]
    parts[:, 2] = [0.5, 0.5, 9.0, 0.0, 0.0]
    cosine = np.array([0.9, 0.9, 0.9, 0.0, np.nan])
    codes = ranking.reason_codes(parts, found, cosine)
    assert codes == ["because", "popular", "because", "new", "explore"]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("view", "Because you viewed {x}"),
        ("cart", "Because you put {x} in your cart"),
        ("dance", "Because of {x}"),
    ],
)
def test_the_text_names_what_was_done(action: str, text: str) -> None:
    assert ranking.reason_text("because", action, "{x}") == text
    assert ranking.reason_text("popular") == "Popular now"

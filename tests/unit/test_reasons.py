import numpy as np
import pytest

from vane import reasons
from vane.retrieval import SOURCES


def matrix(count: int, **columns: list[float]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(count, len(SOURCES)) with the columns given, and zeros."""
    found = np.zeros((count, len(SOURCES)))
    for name, values in columns.items():
        found[:, SOURCES.index(name)] = values
    return found


def test_reasons_say_what_is_true_and_strongest() -> None:
    values = matrix(
        6, popular_never=[9.0, 9.0, 0.0, 0.0, 0.0, 9.0], arrivals=[0.9, 0.9, 0.9, 0.9, 0.01, 0.9]
    )
    parts = matrix(
        6,
        content_last=[2.0, 0.1, 0.1, 2.0, 2.0, 0.1],
        popular_1d=[1.0, 1.0, 9.0, 0.0, 0.0, 1.0],
        together_3d=[1.5, 9.0, 0.0, 9.0, 9.0, 2.0],
    )
    cosine = np.array([0.9, 0.9, 0.9, 0.0, np.nan, 0.9])
    visited = np.array([0.1, 0.0, 0.0, 0.0, 0.0, 0.3], np.float32)
    codes = reasons.codes(parts, values.astype(np.float32), cosine, visited)
    assert codes == ["because", "popular", "because", "new", "explore", "together"]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("view", "Because you viewed {x}"),
        ("cart", "Because you put {x} in your basket"),
        ("dance", "Because of {x}"),
    ],
)
def test_the_text_names_what_was_done(action: str, text: str) -> None:
    assert reasons.text("because", action, "{x}") == text
    assert reasons.text("popular") == "Popular now"


def test_others_are_told_by_the_item_that_they_share() -> None:
    assert reasons.text("together", "purchase", "A") == "Others who bought A also went for this"
    assert reasons.text("together", "dance", "A") == "Goes with A"

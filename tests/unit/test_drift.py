"""How far things have moved, by moments that are remembered."""

import numpy as np
import pytest

from vane.drift import STEP_S, History, moved, turned
from vane.linear import LabelledList, LinearRanker

HOUR, DAY = 3_600.0, 86_400.0


def one(value: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array([value, 0.0], np.float32)


def test_it_tells_what_was_a_window_ago_or_at_first() -> None:
    history = History()
    for step in range(200):
        history.put(step * STEP_S, one(step))
    now_s = 199 * STEP_S
    assert history.before(now_s, HOUR)[0] == 199 - HOUR / STEP_S
    assert history.before(now_s, DAY)[0] == 199 - DAY / STEP_S
    assert history.before(now_s, 0.0)[0] == 199
    assert len(history._moments) == DAY / STEP_S + 1, "older moments are forgotten"


def test_before_a_window_has_passed_the_oldest_moment_stands_in() -> None:
    history = History()
    for now_s in (0.0, 1.0, 700.0):
        history.put(now_s, one(now_s))
    assert history.before(700.0, HOUR)[0] == 0.0
    assert history.before(700.0, 0.0)[0] == 700.0
    assert len(history._moments) == 2, "a second is too soon to be remembered"


def test_another_shape_begins_anew() -> None:
    history = History()
    history.put(0.0, one(1))
    history.put(1.0, np.ones(3, np.float32))
    assert history.before(1.0, HOUR).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("now", "before", "angle", "distance"),
    [
        ([1, 0], [1, 0], 0, 0),
        ([2, 0], [1, 0], 0, 1),
        ([0, 1], [1, 0], 1, 2**0.5),
        ([-1, 0], [2, 0], 2, 1.5),
        ([1, 0], [0, 0], 0, 0),
    ],
)
def test_distances(now: list[float], before: list[float], angle: float, distance: float) -> None:
    arrays = np.array(now, np.float32), np.array(before, np.float32)
    assert turned(*arrays) == pytest.approx(angle, abs=1e-6)
    assert moved(*arrays) == pytest.approx(distance, abs=1e-6)


def test_a_step_of_the_linear_ranker_is_as_long_as_its_weights_moved() -> None:
    ranker = LinearRanker(("rank_a", "share_a", "item_age", "user_events"))
    assert ranker.step_length == 0
    features = np.random.default_rng(1).random((20, 4)).astype(np.float32)
    before = ranker.flat
    ranker.learn([LabelledList(features, 3)])
    assert ranker.step_length == pytest.approx(np.linalg.norm(ranker.flat - before), rel=1e-4)
    assert ranker.step_length > 0

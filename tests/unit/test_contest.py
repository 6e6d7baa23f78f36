"""The streaming protocol in process: what a contender is told, and what it makes of it."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from tests import logs
from vane.baselines import DAY_S, Bpr, Ease, ImplicitAls, ItemNeighbours, Popularity, Refitted
from vane.contest import Answer, Contest, Past, listed
from vane.evaluation import NOT_LISTED, targets
from vane.replica import Events, Replica
from vane.trial import Trial
from vane.tuning import Diversity

ITEMS = 90


class Recorder:
    """A contender that keeps what it was told and asked."""

    def __init__(self, name: str, events: Events) -> None:
        self.name, self._events = name, events
        self.told = 0
        self.asked: list[tuple[int, int]] = []

    def begin(self, count: int) -> None:
        self.told = count

    def learn(self, low: int, high: int) -> None:
        assert low == self.told
        self.told = high

    def answer(self, row: int) -> Answer:
        self.asked.append((row, self.told))
        return listed(np.arange(30), int(self._events.item[row]))


def chosen(events: Events, low: int, count: int = 60) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return targets(events, events.weight > 0, low, len(events), count, seed=2)


def trial(events: Events, low: int, *, texts: bool = True) -> tuple[Trial, Replica]:
    replica = Replica(logs.catalogue(ITEMS), logs.texts(ITEMS) if texts else None)
    wanted = events.weight > 0
    refits = [low + (len(events) - low) // 2]
    return Trial(replica, events, wanted, rules=Diversity(), refits=refits, seed=1), replica


def shown(events: Events, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[list[int]]:
    """What Vane shows for the first part of the targets."""
    low = round(0.8 * len(events))
    vane, _ = trial(events, low)
    found: list[list[int]] = []

    class Watched(Recorder):
        def begin(self, count: int) -> None:
            vane.begin(count)

        def learn(self, low: int, high: int) -> None:
            vane.learn(low, high)

        def answer(self, row: int) -> Answer:
            answer = vane.answer(row)
            found.append(answer.shown.tolist())
            return answer

    Contest(events, ITEMS, None).run([Watched("vane", events)], low, rows)
    return found


def test_a_contender_is_asked_before_it_is_told_and_baskets_stay_hidden() -> None:
    events = logs.shop(3)
    low = round(0.8 * len(events))
    rows = chosen(events, low)
    recorder = Recorder("r", events)
    Contest(events, ITEMS, None).run([recorder], low, rows)
    assert [row for row, _ in recorder.asked] == rows.tolist()
    for row, told in recorder.asked:
        assert events.ts_us[told - 1] < events.ts_us[row]
        assert told == len(events) or events.ts_us[told] == events.ts_us[row]


def test_a_scrambled_future_changes_no_earlier_list() -> None:
    events = logs.news(4)
    low = round(0.8 * len(events))
    rows = chosen(events, low)
    cut = int(rows[len(rows) // 2])
    scrambled = events.between(0, len(events))
    order = np.random.default_rng(0).permutation(np.arange(cut, len(events)))
    scrambled.item, scrambled.user = events.item.copy(), events.user.copy()
    scrambled.item[cut:], scrambled.user[cut:] = events.item[order], events.user[order]
    first = rows[rows < cut]
    assert len(first) > 20
    assert shown(events, rows)[: len(first)] == shown(scrambled, first)


def test_vane_is_ahead_where_users_stay_on_their_shelf() -> None:
    events = logs.shop(5, baskets=240)
    low = round(0.8 * len(events))
    vane, replica = trial(events, low)
    contest = Contest(events, ITEMS, replica.units)
    shown_items = np.ones(ITEMS, np.bool_)
    popular = Popularity(events, contest.past, shown_items, DAY_S, "popular")
    batch = [
        Refitted(events, contest.past, shown_items, model, [low + 50], name)
        for model, name in (
            (ItemNeighbours(), "kNN"),
            (Ease(), "EASE"),
            (ImplicitAls(1), "ALS"),
            (Bpr(1), "BPR"),
        )
    ]
    contest.run([vane, popular, *batch], low, chosen(events, low))
    figures = {each.name: each for each in contest.figures(ITEMS, "popular", seed=1)}
    assert set(figures) == {"vane", "popular", "kNN", "EASE", "ALS", "BPR"}
    assert figures["vane"].ratio.low > 1.5
    assert figures["kNN"].ratio.low > 1
    assert figures["EASE"].ratio.low > 1
    assert figures["ALS"].ratio.low > 1
    assert figures["popular"].ratio.mean == pytest.approx(1.0)
    for each in figures.values():
        assert each.ndcg_10.low <= each.ndcg_10.mean <= each.ndcg_10.high
        assert 0 < each.coverage_10 <= 1
        assert each.novelty_10.mean > 0
        assert each.diversity_10 is not None


def test_ease_solves_each_item_by_the_others() -> None:
    """As the ridge regression of each column on the rest, without itself."""
    touches = (np.random.default_rng(1).random((30, 5)) < 0.4).astype(np.float32)
    touches[:, 4] = [1.0, *[0.0] * 29]  # one user is too few
    model = Ease(penalty=3.0)
    model.fit(csr_matrix(touches))
    scores = model.scores(0, np.array([0, 2]))
    for item in range(4):
        others = [other for other in range(4) if other != item]
        x, y = touches[:, others], touches[:, item]
        weights = np.linalg.solve(x.T @ x + 3.0 * np.eye(3), x.T @ y)
        wanted = sum(weights[others.index(other)] for other in (0, 2) if other != item)
        assert scores[item] == pytest.approx(wanted, abs=1e-4)
    assert scores[4] == -np.inf


def test_popularity_halves_by_its_half_life() -> None:
    events = logs.events([(1, 0, 0, 1.0), (2, 0, 0, 1.0), (3, 1, 2 * logs.DAY_US, 1.0)])
    for half_life_s, first in ((DAY_S, 1), (10 * DAY_S, 0)):
        popular = Popularity(events, Past(3), np.ones(3, np.bool_), half_life_s, "p")
        popular.begin(3)
        assert popular.answer(0).shown[0] == first


def test_what_the_user_has_touched_and_what_is_gone_is_not_ranked() -> None:
    events = logs.events([(1, 0, 0, 1.0), (2, 1, 1, 1.0), (1, 2, 2, 1.0), (3, 3, 3, 1.0)])
    past = Past(4)
    past.add(events.between(0, 2))
    popular = Popularity(events, past, np.array([True, True, True, False]), DAY_S, "p")
    popular.begin(2)
    answer = popular.answer(2)
    assert answer.shown.tolist() == [1, 2]
    assert answer.rank == 2


def test_a_target_that_is_not_shown_is_a_miss() -> None:
    assert listed(np.arange(5), 9).rank == NOT_LISTED
    assert listed(np.arange(50), 25).rank == NOT_LISTED
    assert listed(np.array([4, 2]), 2).rank == 2


def test_novelty_is_the_bits_of_the_share_of_users() -> None:
    past = Past(3)
    past.add(logs.events([(u, 0, u, 1.0) for u in range(4)] + [(0, 0, 9, 1.0), (0, 1, 9, 1.0)]))
    assert past.surprise(np.array([0])) == pytest.approx(0.0)
    assert past.surprise(np.array([1])) == pytest.approx(2.0)
    assert past.items_of(0).tolist() == [0, 1]
    assert past.items_of(7).tolist() == []

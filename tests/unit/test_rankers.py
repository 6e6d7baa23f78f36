"""The rankers on made-up lists whose truth is known."""

from collections.abc import Callable

import numpy as np
import pytest

from vane.errors import UnusableModel
from vane.linear import ACTIVITY_LIMITS, Features, LabelledList, LinearRanker
from vane.network import NetworkRanker
from vane.ranking import Doubles, Floats, Model

FEATURES = ("rank_a", "rank_b", "share_a", "share_b", "item_age", "user_events")
SHARE_A = FEATURES.index("share_a")
AGE = FEATURES.index("item_age")
Truth = Callable[[Floats], Doubles]


def by_share(features: Features) -> Doubles:
    return np.asarray(8.0 * features[:, SHARE_A], np.float64)


def by_bend(features: Features) -> Doubles:
    """Items of middle age, and a little of a share: no line through the age finds them."""
    return np.asarray(by_share(features) / 4 - 60.0 * (features[:, AGE] - 0.5) ** 2, np.float64)


def some_lists(count: int, truth: Truth, seed: int = 0, candidates: int = 60) -> list[LabelledList]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        features = rng.random((candidates, len(FEATURES)), np.float32)
        features[:, :2] = rng.permuted(np.tile(np.arange(candidates)[:, None], 2), axis=0)
        features[:, -1] = np.log1p(rng.integers(0, 100))
        chosen = int(np.argmax(truth(features) + rng.gumbel(size=candidates)))
        found.append(LabelledList(features, chosen))
    return found


def reciprocal_rank(scores: Callable[[Features], Doubles], lists: list[LabelledList]) -> float:
    return float(
        np.mean([1 / (1 + (s > s[p]).sum()) for s, p in ((scores(f), p) for f, p in lists)])
    )


def taught(lists: list[LabelledList]) -> LinearRanker:
    ranker = LinearRanker(FEATURES)
    for each in lists:
        ranker.learn([each])
    return ranker


@pytest.fixture(scope="module")
def bent() -> tuple[LinearRanker, NetworkRanker]:
    lists = some_lists(1_200, by_bend)
    return taught(lists), NetworkRanker.fit(FEATURES, lists, seed=1)


def test_before_any_list_all_sources_count_alike() -> None:
    ranker = LinearRanker(FEATURES)
    assert dict(zip(ranker.used, ranker.weights.tolist(), strict=True)) == {
        **dict.fromkeys(FEATURES[:4], 0.1),
        "item_age": 0.0,
    }
    features = np.array([[0, 1, 0.2, 1.0, 0.5, 0], [1, 0, 0.1, 0.5, 0.5, 0]], np.float32)
    better, worse = ranker.scores(features)
    assert better > worse


def test_learning_finds_the_feature_that_tells() -> None:
    ranker = taught(some_lists(600, by_share))
    weights = dict(zip(ranker.used, ranker.weights, strict=True))
    assert weights["share_a"] > 0.5
    assert all(abs(weight) < 0.2 for name, weight in weights.items() if name != "share_a")
    fresh = some_lists(300, by_share, seed=9)
    best = reciprocal_rank(by_share, fresh)
    assert reciprocal_rank(LinearRanker(FEATURES).scores, fresh) < 0.8 * best
    assert reciprocal_rank(ranker.scores, fresh) > 0.95 * best


def test_users_of_each_activity_have_weights_of_their_own() -> None:
    def truth(features: Features) -> Doubles:
        busy = features[0, -1] >= np.log1p(ACTIVITY_LIMITS[1])
        return by_share(features) if busy else np.asarray(-by_share(features))

    weights = taught(some_lists(1_500, truth)).activity_weights[:, 0]
    assert weights[0] < -0.2 < 0.2 < weights[2]


def test_a_basket_counts_as_one_step() -> None:
    (lone,) = some_lists(1, by_share)
    once, together = LinearRanker(FEATURES), LinearRanker(FEATURES)
    once.learn([lone])
    together.learn([lone, lone, lone])
    assert together.weights == pytest.approx(once.weights, abs=3e-3)
    assert (once.lists, together.lists) == (1, 3)


def test_the_network_finds_what_no_line_does(
    bent: tuple[LinearRanker, NetworkRanker],
) -> None:
    fresh = some_lists(1_000, by_bend, seed=9)
    found = reciprocal_rank(Model(*bent).scores, fresh)
    assert found > reciprocal_rank(Model(bent[0]).scores, fresh) + 0.02


def test_learning_is_deterministic_for_a_seed(
    bent: tuple[LinearRanker, NetworkRanker],
) -> None:
    lists = some_lists(1_200, by_bend)
    assert taught(lists).to_bytes() == bent[0].to_bytes()
    assert NetworkRanker.fit(FEATURES, lists, seed=1).to_bytes() == bent[1].to_bytes()
    assert NetworkRanker.fit(FEATURES, lists, seed=2).to_bytes() != bent[1].to_bytes()


@pytest.mark.parametrize("network", [False, True], ids=["linear", "network"])
def test_contributions_add_up_to_the_scores(
    bent: tuple[LinearRanker, NetworkRanker], *, network: bool
) -> None:
    model = Model(bent[0], bent[1] if network else None)
    features = some_lists(1, by_bend)[0].features
    rows = np.array([3, 0, 41])
    parts = model.contributions(features, rows)
    assert list(parts) == ["a", "b", "item_age", "user_events", "rest"]
    assert sum(parts.values()) == pytest.approx(model.scores(features)[rows])
    if network:
        assert max(abs(parts["item_age"])) > max(abs(parts["b"]))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_lists_may_be_short(bent: tuple[LinearRanker, NetworkRanker], count: int) -> None:
    features = some_lists(1, by_bend)[0].features[:count]
    scores = Model(*bent).scores(features)
    assert scores.shape == (count,)
    assert np.isfinite(scores).all()


def test_what_is_stored_goes_on_where_it_was(bent: tuple[LinearRanker, NetworkRanker]) -> None:
    linear, network = bent
    again = LinearRanker.from_bytes(linear.to_bytes(), FEATURES)
    for each in some_lists(5, by_bend, seed=3):
        again.learn([each])
    assert (
        again.to_bytes()
        == taught(some_lists(1_200, by_bend) + some_lists(5, by_bend, 3)).to_bytes()
    )
    features = some_lists(1, by_bend)[0].features
    restored = NetworkRanker.from_bytes(network.to_bytes(), FEATURES)
    assert restored.scores(features).tolist() == network.scores(features).tolist()


@pytest.mark.parametrize("place", [0, 20, 60, -1])
def test_a_damaged_model_is_refused(bent: tuple[LinearRanker, NetworkRanker], place: int) -> None:
    for ranker in bent:
        data = bytearray(ranker.to_bytes())
        data[place] ^= 1
        with pytest.raises(UnusableModel, match="its bytes are damaged"):
            ranker.from_bytes(bytes(data), FEATURES)


def test_a_foreign_model_is_refused(bent: tuple[LinearRanker, NetworkRanker]) -> None:
    linear, network = bent
    with pytest.raises(UnusableModel, match=r"learned from other features \(item_age\)"):
        LinearRanker.from_bytes(linear.to_bytes(), FEATURES[:4] + FEATURES[5:])
    with pytest.raises(UnusableModel, match="their order"):
        NetworkRanker.from_bytes(network.to_bytes(), FEATURES[::-1])
    with pytest.raises(UnusableModel, match="this is a linear model"):
        NetworkRanker.from_bytes(linear.to_bytes(), FEATURES)

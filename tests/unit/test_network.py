import numpy as np
import pytest

from vane.errors import UnusableModel
from vane.linear import LabelledList
from vane.network import NetworkRanker

FEATURES = ("rank_popular", "share_popular", "share_next", "user_events", "item_age")


def lists(count: int, seed: int) -> list[LabelledList]:
    """Few events: the popular one is chosen; many: what is next. No linear score does both."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        features = rng.random((30, len(FEATURES))).astype(np.float32)
        features[:, 0] = np.argsort(np.argsort(-features[:, 1]))
        features[:, 3] = 5.0 * (number % 2)
        made.append(LabelledList(features, int(features[:, 1 + number % 2].argmax())))
    return made


def hits(ranker: NetworkRanker, judged: list[LabelledList]) -> float:
    return float(np.mean([ranker.scores(f).argmax() == positive for f, positive in judged]))


@pytest.fixture(scope="module")
def fitted() -> NetworkRanker:
    return NetworkRanker.fit(FEATURES, lists(1_500, 1), seed=3)


def test_it_weighs_sources_by_the_user(fitted: NetworkRanker) -> None:
    assert hits(fitted, lists(300, 2)) > 0.8


def test_the_same_lists_and_seed_give_the_same_network(fitted: NetworkRanker) -> None:
    again = NetworkRanker.fit(FEATURES, lists(1_500, 1), seed=3)
    assert again.to_bytes() == fitted.to_bytes()
    assert NetworkRanker.fit(FEATURES, lists(1_500, 1), seed=4).to_bytes() != fitted.to_bytes()


def test_bytes_bring_it_back(fitted: NetworkRanker) -> None:
    (features, _), *_ = lists(1, 5)
    back = NetworkRanker.from_bytes(fitted.to_bytes(), FEATURES)
    assert back.lists == 1_500
    np.testing.assert_array_equal(back.scores(features), fitted.scores(features))
    with pytest.raises(UnusableModel, match="other features"):
        NetworkRanker.from_bytes(fitted.to_bytes(), FEATURES[:-1])


def test_contributions_add_up_to_the_scores(fitted: NetworkRanker) -> None:
    (features, _), *_ = lists(1, 6)
    parts = fitted.contributions(features)
    assert parts.shape == (30, len(FEATURES) + 1)
    np.testing.assert_allclose(parts.sum(axis=1), fitted.scores(features), rtol=1e-4, atol=1e-4)


def test_the_gradient_is_that_of_the_loss() -> None:
    batch = lists(3, 7)
    ranker = NetworkRanker.fit(FEATURES, lists(20, 8), seed=1)
    gradients = ranker._gradients(batch)

    def loss() -> float:
        scores = [ranker.scores(features) for features, _ in batch]
        logs = [np.log(np.exp(s).sum()) - s[k] for s, (_, k) in zip(scores, batch, strict=True)]
        return float(np.mean(logs))

    for weights, gradient in zip(ranker._layers.columns(), gradients, strict=True):
        place = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        before, step = weights[place], np.float32(2e-3)
        weights[place] = before + step
        above = loss()
        weights[place] = before - step
        below = loss()
        weights[place] = before
        assert (above - below) / (2 * step) == pytest.approx(gradient[place], rel=0.05, abs=1e-4)


def test_no_candidates_no_scores(fitted: NetworkRanker) -> None:
    assert fitted.scores(np.zeros((0, len(FEATURES)), np.float32)).shape == (0,)

import numpy as np
import pytest

from vane.errors import UnusableModel
from vane.linear import LabelledList
from vane.network import MEMBERS, SHORTLIST, UNITS, NetworkRanker

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


def surprise(ranker: NetworkRanker, judged: list[LabelledList]) -> float:
    """Mean of -log softmax of what was chosen."""
    scores = [(ranker.scores(f), positive) for f, positive in judged]
    return float(np.mean([np.log(np.exp(s - s[positive]).sum()) for s, positive in scores]))


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


def test_a_network_stored_with_other_members_serves_and_learns(
    fitted: NetworkRanker, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged, stored = lists(300, 2), fitted.to_bytes()
    monkeypatch.setattr("vane.network.MEMBERS", MEMBERS // 2)
    back = NetworkRanker.from_bytes(stored, FEATURES)
    before = surprise(back, judged)
    for start in range(0, 480, 16):
        back.learn(lists(16, 100 + start))
    assert surprise(back, judged) < before
    assert back.contributions(judged[0].features).shape == (30, len(FEATURES) + 1)


def test_contributions_add_up_to_the_scores(fitted: NetworkRanker) -> None:
    (features, _), *_ = lists(1, 6)
    parts = fitted.contributions(features)
    assert parts.shape == (30, len(FEATURES) + 1)
    np.testing.assert_allclose(parts.sum(axis=1), fitted.scores(features), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("best", [1, 4, 14])
def test_the_best_have_their_own_scores_and_the_others_come_behind(
    fitted: NetworkRanker, best: int
) -> None:
    (features, _), *_ = lists(1, 6)
    exact, found = fitted.scores(features), fitted.scores(features, best)
    order, shortlist = np.argsort(-exact), SHORTLIST * best
    np.testing.assert_allclose(found[order[:best]], exact[order[:best]], rtol=1e-5)
    behind = np.argsort(-found)[shortlist:]
    assert not np.allclose(found[behind], exact[behind], atol=1e-3)
    assert found[behind].max() <= np.sort(found)[-shortlist:].min()


def test_where_most_are_wanted_all_networks_score_all(fitted: NetworkRanker) -> None:
    (features, _), *_ = lists(1, 6)
    np.testing.assert_array_equal(fitted.scores(features, 15), fitted.scores(features))


def test_the_gradient_is_that_of_the_loss() -> None:
    batch = lists(3, 7)
    ranker = NetworkRanker.fit(FEATURES, lists(20, 8), seed=1)
    all_kept = np.ones((MEMBERS, 1, UNITS), np.float32)
    gradients = ranker._gradients(batch, all_kept)

    def loss() -> float:
        """Summed over the members, each of which has its own."""
        found = 0.0
        for features, positive in batch:
            scores = ranker._forward(ranker._standardised(features), all_kept)[2]
            found += float((np.log(np.exp(scores).sum(axis=1)) - scores[:, positive]).sum())
        return found / len(batch)

    for weights, gradient in zip(ranker._layers.columns(), gradients, strict=True):
        place = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        before, step = weights[place], np.float32(2e-3)
        weights[place] = before + step
        above = loss()
        weights[place] = before - step
        below = loss()
        weights[place] = before
        assert (above - below) / (2 * step) == pytest.approx(gradient[place], rel=0.05, abs=1e-4)


def test_it_goes_on_learning() -> None:
    """What is next never counted before; now it is chosen by everyone."""
    rare = [LabelledList(f, int(f[:, 1].argmax())) for f, _ in lists(400, 1)]
    now = [LabelledList(f, int(f[:, 2].argmax())) for f, _ in lists(1_600, 2)]
    ranker = NetworkRanker.fit(FEATURES, rare, seed=1)
    before = surprise(ranker, now[:300])
    for start in range(0, len(now), 16):
        ranker.learn(now[start : start + 16])
    assert ranker.lists == 2_000
    assert surprise(ranker, now[:300]) < 0.8 * before


def test_no_candidates_no_scores(fitted: NetworkRanker) -> None:
    assert fitted.scores(np.zeros((0, len(FEATURES)), np.float32)).shape == (0,)

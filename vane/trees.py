"""The tree ranker: LambdaRank over boosted trees, fitted on many lists at once.

Burges, "From RankNet to LambdaRank to LambdaMART", 2010, as LightGBM has it. The parameters were
chosen on the validation parts of logs from three fields, see the project's evaluation.
"""

from collections.abc import Callable, Sequence
from typing import Any

import lightgbm
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from vane.errors import UnusableModel
from vane.linear import Doubles, Floats, LabelledList
from vane.model_file import pack, unpack

Ints = NDArray[np.int64]

KIND = "trees"

TREES = 200
_PARAMETERS: dict[str, Any] = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 20,
    "learning_rate": 0.06,
    "num_leaves": 15,
    "min_data_in_leaf": 200,
    "max_bin": 127,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


class _Content(Struct, frozen=True):
    lists: int
    text: str


class TreeRanker:
    """Scores candidates by boosted trees. Immutable, so any number of threads may ask it.

    A prediction of 300 candidates takes one core for some milliseconds and lets go of Python's
    lock: what serves an event loop calls it in a thread.

    Attributes:
        features: names of the columns that it is given.
        lists: how many lists it was fitted on.
    """

    def __init__(self, features: Sequence[str], lists: int, text: str) -> None:
        """Args: names, number of lists, and LightGBM's own text form.

        Raises:
            UnusableModel: LightGBM cannot read the text.
        """
        self.features, self.lists, self._text = tuple(features), lists, text
        try:
            self._booster = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise UnusableModel(f"{KIND} model: {error}") from error

    @classmethod
    def fit(
        cls,
        features: Sequence[str],
        lists: Sequence[LabelledList],
        *,
        seed: int,
        grown: Callable[[int], None] = lambda _trees: None,
    ) -> "TreeRanker":
        """Fit on these lists, on one core: about 9 s for 5,700 lists of 41 candidates.

        The same lists and seed give the same trees.

        Args:
            features: names of the columns.
            lists: at least one.
            seed: of the choice of rows and columns for each tree.
            grown: is told after each of the `TREES` trees how many there are.
        """
        rows = np.concatenate([each.features for each in lists])
        sizes = [len(each.features) for each in lists]
        starts = np.cumsum([0, *sizes[:-1]])
        chosen = np.zeros(len(rows), np.int8)
        chosen[starts + [each.positive for each in lists]] = 1
        data = lightgbm.Dataset(rows, chosen, group=sizes, feature_name=list(features))
        booster = lightgbm.train(
            {**_PARAMETERS, "seed": seed},
            data,
            num_boost_round=TREES,
            callbacks=[lambda state: grown(state.iteration + 1)],
        )
        return cls(features, len(lists), booster.model_to_string())

    def scores(self, features: Floats) -> Doubles:
        """Scores (n,) of n candidates, features (n, len(self.features)); higher is better."""
        if not len(features):
            return np.zeros(0)
        return np.asarray(self._booster.predict(features, raw_score=True, num_threads=1))

    def contributions(self, features: Floats) -> Doubles:
        """What each feature adds to each score, and last the trees' mean, (n, F + 1).

        Shapley values, half a millisecond a candidate: for few of them.
        """
        found = self._booster.predict(features, pred_contrib=True, num_threads=1)
        return np.asarray(found, np.float64)

    def importances(self) -> dict[str, float]:
        """Each feature's share of the total gain, the largest first."""
        gains = self._booster.feature_importance("gain")
        shares = gains / max(gains.sum(), 1e-12)
        order = np.argsort(-shares, kind="stable")
        return {self.features[place]: float(shares[place]) for place in order}

    def to_bytes(self) -> bytes:
        """The whole model."""
        return pack(KIND, self.features, _Content(self.lists, self._text))

    @classmethod
    def from_bytes(cls, data: bytes, features: Sequence[str]) -> "TreeRanker":
        """The ranker that `to_bytes` was called on.

        Raises:
            UnusableModel: the bytes are damaged, or read other features than these.
        """
        content = unpack(data, KIND, features, _Content)
        return cls(features, content.lists, content.text)

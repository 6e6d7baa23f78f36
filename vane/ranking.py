"""Ranking: candidates' features, their mix into a score, and the reason shown. Pure numpy.

The mix is fixed. Its features follow the project's evaluation: the inner products with the centred
long and short preference vectors, the share of the strongest item's popularity as log(1 + 100 · x),
and the place among the newest arrivals as 10 / (10 + place); each standardised over the candidates.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vane.linear import LinearRanker
from vane.trees import TreeRanker

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

LINEAR_SHARE = 0.5
"""Of the linear ranker's standardised score beside that of the trees."""

MODEL_VERSION = "fixed-1"
"""Changes whenever the same candidates could be ranked differently."""

FEATURES = ("long", "short", "popular_1d", "popular_7d", "new")
WEIGHTS = np.array([1.0, 1.0, 0.6, 0.4, 0.2])

CAUSE_COSINE_MIN = 0.05
"""An item this much like one of the user's past, both seen from the mean item, may name it."""

ReasonCode = Literal["because", "popular", "new", "explore"]
_BECAUSE = {
    "view": "Because you viewed {}",
    "click": "Because you viewed {}",
    "like": "Because you liked {}",
    "share": "Because you shared {}",
    "comment": "Because you commented on {}",
    "cart": "Because you put {} in your cart",
    "purchase": "Because you bought {}",
    "rating": "Because you rated {}",
}


@dataclass(frozen=True, slots=True)
class Model:
    """What ranks candidates: the linear ranker, and the trees once there are any.

    With trees the score is z(trees) + 0.5 · z(linear), each standardised over the list; the linear
    ranker alone otherwise. Immutable in use, so any number of threads may ask it.

    Attributes:
        linear: the linear ranker.
        trees: None before enough lists exist.
        linear_version, trees_version: as they are stored; 0: nothing is.
    """

    linear: LinearRanker
    trees: TreeRanker | None = None
    linear_version: int = 0
    trees_version: int = 0

    @property
    def version(self) -> str:
        """Changes whenever the same candidates could be ranked differently."""
        return f"{self.linear_version}.{self.trees_version}"

    def scores(self, features: Floats) -> Doubles:
        """Scores (n,) of n candidates, higher is better; milliseconds with trees: in a thread."""
        linear = self.linear.scores(features)
        if self.trees is None or not len(features):
            return linear
        return blend(self.trees.scores(features), linear)

    def contributions(self, features: Floats, rows: NDArray[np.int64]) -> dict[str, Doubles]:
        """What each source, item or user feature adds to the scores of some candidates.

        Args:
            features: of the whole list, (n, F).
            rows: the m candidates to explain.

        Returns:
            (m,) for each name that `part_of` gives, and "rest", which all of a list share; they
            add up to the scores.
        """
        names = self.linear.features
        added, rest = self.linear.contributions(features)[rows], np.zeros(len(rows))
        if self.trees is not None:
            trees, linear = self.trees.scores(features), self.linear.scores(features)
            explained = self.trees.contributions(features[rows])
            added *= LINEAR_SHARE / _deviation(linear)
            rest -= LINEAR_SHARE * linear.mean() / _deviation(linear)
            added += explained[:, :-1] / _deviation(trees)
            rest += (explained[:, -1] - trees.mean()) / _deviation(trees)
        parts = {part: np.zeros(len(rows)) for part in map(part_of, names)} | {"rest": rest}
        for name, column in zip(names, added.T, strict=True):
            parts[part_of(name)] += column
        return parts


def blend(trees: Doubles, linear: Doubles) -> Doubles:
    """Scores of one list under both rankers, joined."""
    return np.asarray(
        (trees - trees.mean()) / _deviation(trees)
        + LINEAR_SHARE * (linear - linear.mean()) / _deviation(linear)
    )


def part_of(feature: str) -> str:
    """What a feature is about: its source's name, or itself where it belongs to none."""
    prefix, _, source = feature.partition("_")
    return source if prefix in {"rank", "share"} else feature


def _deviation(scores: Doubles) -> float:
    return float(scores.std()) or 1.0


@dataclass(frozen=True, slots=True)
class Candidates:
    """n candidates as columns of shape (n,); nan: the item has no such value."""

    long: Doubles  # inner product with the long query
    short: Doubles
    heat_1d: Doubles  # forward-decayed log2 popularity; order and differences hold at any time
    heat_7d: Doubles
    arrival: Doubles  # place among the newest arrivals, from 0

    def take(self, rows: NDArray[np.int64]) -> "Candidates":
        """These candidates."""
        return Candidates(*(getattr(self, name)[rows] for name in self.__slots__))


def centred(vectors: NDArray[Any], mean: NDArray[Any]) -> Doubles:
    """Unit vectors (n, d) of `vectors - mean`; a zero vector stays zero."""
    moved = np.asarray(vectors, np.float64) - mean
    norms = np.linalg.norm(moved, axis=-1, keepdims=True)
    unit: Doubles = np.divide(moved, norms, out=np.zeros_like(moved), where=norms > 0)
    return unit


def contributions(candidates: Candidates) -> Doubles:
    """What each of FEATURES adds to the score, (n, 5)."""
    raw = np.column_stack(
        [
            candidates.long,
            candidates.short,
            _share(candidates.heat_1d),
            _share(candidates.heat_7d),
            np.nan_to_num(10.0 / (10.0 + candidates.arrival)),
        ]
    )
    parts: Doubles = _standardised(raw) * WEIGHTS
    return parts


def top(scores: Doubles, limit: int) -> NDArray[np.int64]:
    """Rows of the `limit` highest scores, best first; ties in the order given."""
    return np.argsort(-scores, kind="stable")[:limit]


def closest(items: Doubles, causes: Doubles) -> tuple[NDArray[np.int64], Doubles]:
    """For each of `items` (n, d) the row of the most similar of `causes` (k, d), and its cosine.

    All are unit vectors, as `centred` gives them; k is at least 1.
    """
    cosines = items @ causes.T
    best = np.argmax(cosines, axis=1)
    return best, np.take_along_axis(cosines, best[:, None], axis=1)[:, 0]


def reason_codes(parts: Doubles, candidates: Candidates, cause_cosine: Doubles) -> list[ReasonCode]:
    """The strongest true statement about each candidate.

    Args:
        parts: their contributions, (n, 5).
        candidates: the same n.
        cause_cosine: similarity to the closest item of the user's past; nan where there is none.
    """
    personal = np.where(cause_cosine >= CAUSE_COSINE_MIN, parts[:, 0] + parts[:, 1], -np.inf)
    popular = np.where(np.isfinite(candidates.heat_1d), parts[:, 2] + parts[:, 3], -np.inf)
    codes: list[ReasonCode] = []
    for mine, everyones, arrival in zip(personal, popular, candidates.arrival, strict=True):
        if np.isfinite(mine) and mine >= everyones:
            codes.append("because")
        elif np.isfinite(everyones):
            codes.append("popular")
        else:
            codes.append("new" if np.isfinite(arrival) else "explore")
    return codes


def reason_text(code: ReasonCode, action: str = "", title: str = "") -> str:
    """The sentence for a reason; "because" names the causing item's title and action."""
    if code == "because":
        return _BECAUSE.get(action, "Because of {}").format(title)
    return {"popular": "Popular now", "new": "New", "explore": "Something different"}[code]


def _share(heat: Doubles) -> Doubles:
    """log(1 + 100 · share of the strongest), 0 for items without events."""
    known = np.isfinite(heat)
    if not known.any():
        return np.zeros_like(heat)
    share = np.exp2(np.where(known, heat - heat[known].max(), -np.inf))
    return np.log1p(100.0 * share)


def _standardised(columns: Doubles) -> Doubles:
    """Each column with mean 0 and deviation 1 over its known values; unknown ones are neutral."""
    known = np.isfinite(columns)
    counts = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, columns, 0.0)
    centre = values.sum(axis=0) / counts
    moved = np.where(known, columns - centre, 0.0)
    deviation = np.sqrt((moved**2).sum(axis=0) / counts)
    usable = deviation > 1e-9  # noqa: PLR2004 - rounding alone must not decide an order
    scaled: Doubles = np.divide(moved, deviation, out=np.zeros_like(moved), where=usable)
    return scaled

"""Ranking: candidates' features, their mix into a score, and the reason shown. Pure numpy.

The mix is fixed. Its features follow the project's evaluation: the inner products with the centred
long and short preference vectors, the share of the strongest item's popularity as log(1 + 100 · x),
and the place among the newest arrivals as 10 / (10 + place); each standardised over the candidates.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

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

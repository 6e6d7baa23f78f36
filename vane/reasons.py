"""Why an item is in a list: the strongest true statement about it. Pure numpy."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vane.following import FOLLOWED
from vane.retrieval import ARRIVALS, CATEGORY, CONTENT, POPULAR, SEGMENT, SOURCES

CAUSE_COSINE_MIN = 0.05
"""An item this much like one of the user's past, both seen from the mean item, may name it."""
NEW_DAYS = 30.0

Code = Literal["because", "together", "popular", "new", "explore"]
Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

_LIKE = [SOURCES.index(name) for name in CONTENT]
_VISITED = [SOURCES.index(name) for name in FOLLOWED]
_POPULAR = [SOURCES.index(name) for name in (*POPULAR, SEGMENT, CATEGORY)]
_EVER = SOURCES.index("popular_never")
_ARRIVED = SOURCES.index(ARRIVALS)
_NEW_MIN = 1.0 / (1.0 + NEW_DAYS)
_BECAUSE = {
    "view": "Because you viewed {}",
    "click": "Because you viewed {}",
    "like": "Because you liked {}",
    "share": "Because you shared {}",
    "comment": "Because you commented on {}",
    "cart": "Because you put {} in your basket",
    "purchase": "Because you bought {}",
    "rating": "Because you rated {}",
}
_TOGETHER = {
    "view": "Others who viewed {} also went for this",
    "click": "Others who viewed {} also went for this",
    "like": "Others who liked {} also went for this",
    "share": "Others who shared {} also went for this",
    "comment": "Others who commented on {} also went for this",
    "cart": "Others who put {} in their basket also went for this",
    "purchase": "Others who bought {} also went for this",
    "rating": "Others who rated {} also went for this",
}


def codes(parts: Doubles, values: Floats, cosine: Doubles, visited: Floats) -> list[Code]:
    """The strongest true statement about each of m candidates.

    Args:
        parts: (m, len(SOURCES)) what each source adds to the score.
        values: (m, len(SOURCES)) what each source says.
        cosine: (m,) to the most similar item of the user's past; nan where there is none.
        visited: (m,) how strongly it is visited with an item of the user's past; 0: never.
    """
    none = -np.inf
    because = np.where(cosine >= CAUSE_COSINE_MIN, parts[:, _LIKE].max(axis=1), none)
    together = np.where(visited > 0, parts[:, _VISITED].max(axis=1), none)
    popular = np.where(values[:, _EVER] > 0, parts[:, _POPULAR].max(axis=1), none)
    strength = np.column_stack([because, together, popular])
    named: tuple[Code, ...] = ("because", "together", "popular")
    return [
        named[best] if known else ("new" if value >= _NEW_MIN else "explore")
        for best, known, value in zip(
            strength.argmax(axis=1).tolist(),
            np.isfinite(strength.max(axis=1)).tolist(),
            values[:, _ARRIVED].tolist(),
            strict=True,
        )
    ]


def text(code: Code, action: str = "", title: str = "") -> str:
    """The sentence for a reason; the first two name the causing item's title and action."""
    if code == "because":
        return _BECAUSE.get(action, "Because of {}").format(title)
    if code == "together":
        return _TOGETHER.get(action, "Goes with {}").format(title)
    return {"popular": "Popular now", "new": "New", "explore": "Something different"}[code]

"""How far something has moved since a while ago: mean vectors, weights of a model. Pure numpy."""

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

WINDOWS_S: Mapping[str, float] = {"hour": 3_600.0, "day": 86_400.0}
"""Since when movement is told."""
STEP_S = 600.0
"""Between two moments that are remembered."""


class History:
    """What an array was at moments of the last day, ten minutes apart.

    Example:
        >>> history = History()
        >>> history.put(0.0, np.array([1.0], np.float32))
        >>> history.put(4_000.0, np.array([2.0], np.float32))
        >>> float(history.before(5_000.0, 3_600.0)[0])
        1.0
    """

    def __init__(self) -> None:
        self._moments: deque[tuple[float, Floats]] = deque()

    def put(self, now_s: float, value: Floats) -> None:
        """Remember what it is now; what has another shape than before begins anew."""
        if self._moments and self._moments[-1][1].shape != value.shape:
            self._moments.clear()
        if self._moments and now_s - self._moments[-1][0] < STEP_S:
            return
        self._moments.append((now_s, value))
        while len(self._moments) > 1 and self._moments[1][0] <= now_s - max(WINDOWS_S.values()):
            self._moments.popleft()

    def before(self, now_s: float, window_s: float) -> Floats:
        """What it was a window ago; where that is not known, at the oldest moment that is.

        Raises:
            IndexError: nothing was put.
        """
        older = [value for then_s, value in self._moments if then_s <= now_s - window_s]
        return older[-1] if older else self._moments[0][1]


def turned(now: Floats, before: Floats) -> float:
    """1 - cosine of two vectors, 0 where one has no direction: 0 the same one, 2 the opposite."""
    lengths = float(np.linalg.norm(now)) * float(np.linalg.norm(before))
    return max(0.0, 1.0 - float(now @ before) / lengths) if lengths else 0.0


def moved(now: Floats, before: Floats) -> float:
    """The distance of two arrays as a share of the length of the second; 0 where that has none."""
    length = float(np.linalg.norm(before))
    return float(np.linalg.norm(now - before)) / length if length else 0.0

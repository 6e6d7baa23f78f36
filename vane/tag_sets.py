"""Sets of tags as numbers, so that a column of a table may hold them. Pure."""

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

NO_TAGS = -1


class TagSets:
    """A code for every set of tags that was met; items with the same tags share one.

    What a code stands for never changes, so the lists of the sets that hold a tag only grow.

    Attributes:
        tags: number of each tag.
    """

    def __init__(self) -> None:
        self.tags: dict[str, int] = {}
        self._codes: dict[bytes, int] = {}
        self._holding: list[array[int]] = []

    def __len__(self) -> int:
        return len(self._codes)

    def code(self, tags: Iterable[str]) -> int:
        """The code of these tags; NO_TAGS for none."""
        numbers = sorted({self.tags.setdefault(tag, len(self.tags)) for tag in tags})
        if not numbers:
            return NO_TAGS
        key = array("i", numbers).tobytes()
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = len(self._codes)
            self._hold(code, numbers)
        return code

    def holding(self, tags: Iterable[str]) -> NDArray[np.int64]:
        """The codes of the sets that hold any of these tags, ascending."""
        lists = [self._holding[self.tags[tag]] for tag in tags if tag in self.tags]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *map(np.asarray, lists)]))

    def counts(self, of_sets: NDArray[np.int64]) -> NDArray[np.int64]:
        """What each tag counts, by its number, where each set counts so much."""
        if not self._holding:
            return np.zeros(0, np.int64)
        first = np.cumsum([0, *map(len, self._holding)])[:-1]
        return np.add.reduceat(of_sets[np.concatenate(self._holding)], first)

    def _hold(self, code: int, numbers: list[int]) -> None:
        for number in numbers:
            if number == len(self._holding):
                self._holding.append(array("i"))
            self._holding[number].append(code)

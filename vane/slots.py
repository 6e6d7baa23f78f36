"""Slots for keys in arrays of a fixed size: the oldest key leaves when a new one needs room."""

from collections.abc import Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

MISSING = -1


class Slots:
    """Maps string keys to rows 0 … capacity - 1, first in, first out.

    A cache's memory is thus bounded by its arrays. Keys that are in use are named at each
    assignment (`pinned`) and stay.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._slot: dict[str, int] = {}
        self._key: list[str | None] = [None] * capacity
        self._next = 0

    def __len__(self) -> int:
        return len(self._slot)

    def find(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """The slot of each key, MISSING where it has none."""
        return np.fromiter(map(self._slot.get, keys, repeat(MISSING)), np.int64, len(keys))

    def assign(self, keys: Sequence[str], pinned: NDArray[np.int64]) -> NDArray[np.int64]:
        """Slots for keys that have none; there must be room for all of them beside the pinned."""
        reach = len(keys) + len(pinned)
        assert reach <= self._capacity
        window = (self._next + np.arange(reach)) % self._capacity
        slots: NDArray[np.int64] = window[~np.isin(window, pinned)][: len(keys)]
        for key, slot in zip(keys, slots.tolist(), strict=True):
            if (old := self._key[slot]) is not None:
                del self._slot[old]
            self._key[slot], self._slot[key] = key, slot
        if len(slots):
            self._next = (int(slots[-1]) + 1) % self._capacity
        return slots

    def drop(self, keys: Sequence[str]) -> None:
        """Forget these keys; those that have no slot are ignored."""
        for key in keys:
            slot = self._slot.pop(key, None)
            if slot is not None:
                self._key[slot] = None

    def clear(self) -> None:
        """Forget every key."""
        self._slot.clear()
        self._key = [None] * self._capacity

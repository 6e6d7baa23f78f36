"""A bounded map: the least recently used entry leaves first, and none outlives its time."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Lru(Generic[Key, Value]):
    """Maps keys to values that may be found again for a while.

    Args:
        entries_max: at least 1.
        ttl_s: an entry is found this long.
        clock: seconds, monotonic.

    Example:
        >>> cache = Lru[str, int](2)
        >>> cache.put({"a": 1, "b": 2, "c": 3})
        >>> cache.find(["a", "c"])
        {'c': 3}
    """

    def __init__(
        self,
        entries_max: int,
        ttl_s: float = float("inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entries_max, self._ttl_s, self._clock = entries_max, ttl_s, clock
        self._entries: OrderedDict[Key, tuple[Value, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, keys: Iterable[Key]) -> dict[Key, Value]:
        """What is known of these keys, in their order."""
        found, oldest = dict[Key, Value](), self._clock() - self._ttl_s
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None and entry[1] >= oldest:
                self._entries.move_to_end(key)
                found[key] = entry[0]
        return found

    def put(self, values: dict[Key, Value]) -> None:
        """Keep these."""
        now = self._clock()
        for key, value in values.items():
            self._entries[key] = (value, now)
            self._entries.move_to_end(key)
        while len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)

    def drop(self, keys: Iterable[Key]) -> None:
        """Forget these keys, where they are known."""
        for key in keys:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

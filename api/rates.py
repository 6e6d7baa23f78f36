"""How often one caller may call: a token bucket each, bounded in number."""

import math
import time
from collections.abc import Callable

BURST_S = 2.0
"""A caller that was quiet may make the calls of so long a time at once."""
CALLERS_MAX = 50_000


class Rates:
    """The buckets of one process.

    Args:
        per_s: calls of one caller a second; 0: no limit.
        clock: seconds, monotonic.

    Example:
        >>> rates = Rates(1, clock=lambda: 0.0)
        >>> [rates.wait_s("ada") for _ in range(3)]
        [0, 0, 1]
    """

    def __init__(self, per_s: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._clock = per_s, clock
        self._full: dict[str, float] = {}

    def wait_s(self, name: str) -> int:
        """0: this call is taken. Otherwise the whole seconds after which to try again."""
        if not self._per_s:
            return 0
        now = self._clock()
        # the moment at which the bucket is full again says all: each call puts it off by its share
        full = max(self._full.get(name, now), now) + 1 / self._per_s
        excess_s = full - now - BURST_S
        if excess_s > 0:
            return math.ceil(excess_s)
        if len(self._full) >= CALLERS_MAX and name not in self._full:
            self._full = {known: at for known, at in self._full.items() if at > now}
            if len(self._full) >= CALLERS_MAX:
                self._full.clear()
        self._full[name] = full
        return 0

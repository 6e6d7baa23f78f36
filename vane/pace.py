"""Sends at a constant rate, however slow the receiver is (an open loop)."""

import time
from collections.abc import Callable

TICK_S = 0.1
"""Longest sleep at once, so that the caller can look after other things."""
NAP_S = 0.005
"""Shortest sleep: fast rates are sent in small batches."""


class Pace:
    """Event `n` is due `n / rate` seconds after the start, whatever happened to those before it.

    So a stalled receiver is not forgiven (no coordinated omission): what could not be sent in
    time stays due, and `behind_s` tells how late it is.

    Args:
        rate: events a second.
        clock: seconds, monotonic.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._start = clock()

    def elapsed_s(self) -> float:
        """Since the start."""
        return self._clock() - self._start

    def due_s(self, number: int) -> float:
        """When an event is due, since the start."""
        return number / self._rate

    def behind_s(self, sent: int) -> float:
        """How late the first event is that was not sent."""
        return max(0.0, self.elapsed_s() - self.due_s(sent))

    def wait(self, sent: int, most: int) -> int:
        """Sleep until more events are due, or for a tick; how many are, `most` at most."""
        wait_s = self.due_s(sent) - self.elapsed_s()
        if wait_s > -NAP_S:
            self._sleep(min(max(wait_s, NAP_S), TICK_S))
        return max(0, min(most, int(self.elapsed_s() * self._rate) + 1 - sent))

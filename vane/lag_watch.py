"""How far a reader is behind the end of a log, in messages and in time, seen from outside."""

from bisect import bisect_right
from operator import itemgetter

MARKS_MAX = 10_000
"""Ends of the log that are remembered with their time; beyond it every second one is forgotten."""


class LagWatch:
    """One partition, looked at now and then; times are seconds of one clock.

    The lag in seconds is the age of the oldest end that was seen and is not reached yet, so it is
    right to the pace of the looks, without asking the broker for timestamps.

    Attributes:
        events: messages that are not read.
        seconds: since the first of them was there.
        stalled_s: since the reader last moved, 0 where nothing waits.
    """

    def __init__(self) -> None:
        self.events = 0
        self.seconds = self.stalled_s = 0.0
        self._marks: list[tuple[float, int]] = []
        self._next: int | None = None
        self._moved_s = 0.0

    def seconds_at(self, now_s: float) -> float:
        """`seconds` at a later time, had nothing moved since."""
        return now_s - self._marks[0][0] if self._marks else 0.0

    def look(self, now_s: float, next_offset: int, end_offset: int) -> None:
        """Take in where reader and log are now."""
        end = max(end_offset, next_offset)
        if not self._marks or end > self._marks[-1][1]:
            self._marks.append((now_s, end))
        del self._marks[: bisect_right(self._marks, next_offset, key=itemgetter(1))]
        if len(self._marks) > MARKS_MAX:
            del self._marks[1::2]
        if next_offset != self._next or end == next_offset:
            self._next, self._moved_s = next_offset, now_s
        self.events = end - next_offset
        self.seconds = self.seconds_at(now_s)
        self.stalled_s = now_s - self._moved_s

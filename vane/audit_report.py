"""What `vane verify` has compared, and what differs."""

from collections.abc import Callable, Iterable

import msgspec

from vane.store.verification import Differences

LISTED_MAX = 20
"""Mismatches named in a report; all are counted."""

LOOKUP_ROWS = 500
"""Users or items looked up at once."""


class Mismatch(msgspec.Struct, frozen=True):
    """One thing that is not as the log says."""

    subject: str
    difference: str


class Report(msgspec.Struct):
    """What was compared, how near to its bound the worst error came, and what differs."""

    users: int = 0
    events: int = 0
    trend_items: int = 0
    neighbour_items: int = 0
    partitions: int = 0
    worst_user_error: float = 0.0
    worst_trend_error: float = 0.0
    worst_neighbour_error: float = 0.0
    mismatches: int = 0
    listed: list[Mismatch] = []

    def add(self, subject: str, differences: Iterable[str]) -> None:
        """Note what differs."""
        for difference in differences:
            self.mismatches += 1
            if len(self.listed) < LISTED_MAX:
                self.listed.append(Mismatch(subject, difference))

    def add_rows(self, differences: Differences) -> None:
        """Note differences that the database has found, of which it lists only the first."""
        for subject, difference in differences.listed:
            self.add(subject, [difference])
        self.mismatches += differences.total - len(differences.listed)


Advance = Callable[[int], None]
"""Called with the number of log rows that were compared since."""

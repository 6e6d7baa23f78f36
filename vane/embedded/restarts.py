"""When a child that ended starts again: pure decisions, the supervisor acts."""

from dataclasses import dataclass

from vane.errors import Fenced, OperatorNeeded

DELAY_FIRST_S = 0.2
DELAY_MAX_S = 5.0
HEALTHY_AFTER_S = 60.0
FENCED_DELAY_S = 1.0
OPERATOR_DELAY_S = 30.0


@dataclass(slots=True)
class Backoff:
    """The delays of one child: doubling while it keeps ending, from the start after good health."""

    _next_s: float = DELAY_FIRST_S

    def delay_s(self, status: int, lived_s: float) -> float:
        """How long to wait before it starts again.

        Args:
            status: how it ended: its exit status, or minus the number of the signal.
            lived_s: how long it had run.
        """
        if status == OperatorNeeded.exit_code:
            return OPERATOR_DELAY_S
        if lived_s >= HEALTHY_AFTER_S:
            self._next_s = DELAY_FIRST_S
        delay_s, self._next_s = self._next_s, min(self._next_s * 2, DELAY_MAX_S)
        return max(delay_s, FENCED_DELAY_S) if status == Fenced.exit_code else delay_s

"""The tuning as it is now: read at the start, and again when its version has changed."""

from vane.store.connection import Connection
from vane.store.tuning import read_tuning
from vane.tuning import Tuning


class LiveTuning:
    """Shared by the steps of one worker.

    Attributes:
        current: the tuning that was read last.
    """

    def __init__(self, connection: Connection) -> None:
        self.current, self._version = read_tuning(connection)

    def refresh(self, connection: Connection) -> Tuning | None:
        """Read again; returns the former tuning where another one holds now."""
        before = self.current
        self.current, version = read_tuning(connection)
        changed, self._version = version != self._version, version
        return before if changed else None

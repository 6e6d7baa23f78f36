"""The tuning as it is now: read at the start, and again when its version has changed."""

import logging

from vane.errors import UnusableTuning
from vane.store.connection import Connection
from vane.store.tuning import read_tuning
from vane.tuning import Tuning

log = logging.getLogger(__name__)


class LiveTuning:
    """Shared by the steps of one worker.

    Attributes:
        current: the tuning that was read last.
    """

    def __init__(self, connection: Connection) -> None:
        self.current, self._version = read_tuning(connection)
        self._trouble = ""

    def refresh(self, connection: Connection) -> Tuning | None:
        """Read again; returns the former tuning where another one holds now.

        One that cannot be used changes nothing, and is told once.
        """
        before, trouble, version = self.current, "", self._version
        try:
            self.current, version = read_tuning(connection)
        except UnusableTuning as error:
            trouble = str(error)
        if trouble and trouble != self._trouble:
            log.error("%s; the last good ones go on", trouble)
        self._trouble = trouble
        changed, self._version = version != self._version, version
        return before if changed else None

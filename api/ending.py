"""The end of a process has a bound, also beside a server that hangs."""

import os
import threading
from collections.abc import Callable

from vane.store.connection import cut_connections

CUT_S = 4.5
"""From the end of the grace until who waits for PostgreSQL waits no more: longer than any list."""
END_S_MAX = 21.0
"""From the end of the grace to the end of the process, whatever hangs."""


def bound_the_end() -> None:
    """From now on the process has `CUT_S` for PostgreSQL, and `END_S_MAX` for everything."""
    _later(CUT_S, cut_connections)
    _later(END_S_MAX, os._exit, 1)


def _later(seconds: float, work: Callable[..., object], *arguments: object) -> None:
    """In a thread, which works also where the event loop has ended; it holds up nothing."""
    timer = threading.Timer(seconds, work, arguments)
    timer.daemon = True
    timer.start()

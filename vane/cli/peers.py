"""How many processes share a flow, where their number changes: the addresses of one name.

On Kubernetes a headless service has an address for each pod of a StatefulSet. A process counts
them at its start, and ends behind a committed chunk once their number has changed for good, so that
its supervisor starts it again with another share. Until all have, the epoch of a position decides.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from threading import Thread

from vane.errors import UsageError

LOOK_INTERVAL_S = 2.0
PATIENCE_S = 60.0
"""A pod that is replaced lacks an address for some seconds: no reason to start the others again."""
ARRIVAL_LIMIT_S = 120.0

Count = Callable[[str], int]


def addresses_of(name: str) -> int:
    """How many addresses a name has; 0 while it is unknown or nobody tells."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            found = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
        except socket.gaierror:
            continue
        return len({entry[4][0] for entry in found})
    return 0


def wait_for_place(
    name: str, index: int, count: Count = addresses_of, interval_s: float = LOOK_INTERVAL_S
) -> int:
    """The number of processes, once two looks agree on it and it includes place `index`.

    Raises:
        UsageError: that took more than two minutes.
    """
    deadline = time.monotonic() + ARRIVAL_LIMIT_S
    before = count(name)
    while time.monotonic() < deadline:
        time.sleep(interval_s)
        now = count(name)
        if now == before and now > index:
            return now
        before = now
    raise UsageError(f"--share: {name!r} has {before} addresses, which leaves no place {index}")


def end_on_change(
    name: str,
    processes: int,
    count: Count = addresses_of,
    interval_s: float = LOOK_INTERVAL_S,
    patience_s: float = PATIENCE_S,
) -> Thread:
    """A thread that ends this process, as SIGTERM does, once `name` has had another number."""

    def watch() -> None:
        same_s = time.monotonic()
        while time.monotonic() - same_s < patience_s:
            time.sleep(interval_s)
            if count(name) in {processes, 0}:  # 0: nobody tells, so nothing is known
                same_s = time.monotonic()
        sys.stderr.write(f"vane: {name} has {count(name)} addresses now, not {processes}: ending\n")
        os.kill(os.getpid(), signal.SIGTERM)

    thread = Thread(target=watch, name="peers", daemon=True)
    thread.start()
    return thread

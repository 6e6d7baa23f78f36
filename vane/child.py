"""What a flow or the API does as a child of `vane up`; without one, nothing.

`vane up` holds the other end of the child's stdin, so end of file means that it is gone, however
it ended; and it waits for one line on the descriptor VANE_READY_FD.
"""

import os
import signal
import threading
import time
from collections.abc import Mapping

SUPERVISED = "VANE_SUPERVISED"
READY_FD = "VANE_READY_FD"
ORPHAN_GRACE_S = 4.0


def watch_parent() -> None:
    """End this process soon after its parent: SIGTERM, then SIGKILL for its whole group."""
    if os.environ.get(SUPERVISED) == "1":
        threading.Thread(target=_end_with_parent, name="watch parent", daemon=True).start()


def announce_ready() -> None:
    """Tell the parent that this process does its work now; only the first call counts."""
    descriptor = os.environ.pop(READY_FD, None)
    if descriptor is not None:
        with os.fdopen(int(descriptor), "wb") as pipe:
            pipe.write(b"ready\n")


def supervised_environ(environ: Mapping[str, str], ready_fd: int) -> dict[str, str]:
    """The environment of a child whose parent watches over it."""
    return {**environ, SUPERVISED: "1", READY_FD: str(ready_fd)}


def _end_with_parent() -> None:
    while os.read(0, 1_024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_GRACE_S)
    os.killpg(0, signal.SIGKILL)

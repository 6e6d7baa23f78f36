"""What a flow or the API does as a child of `vane up`; without one, nothing. And own children.

`vane up` holds the other end of the child's stdin, so end of file means that it is gone, however
it ended; and it waits for one line on the descriptor VANE_READY_FD.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

from vane.settings import Settings, variable

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


def start_own(
    arguments: Sequence[str], settings: Settings, said: IO[bytes], warned: IO[bytes]
) -> subprocess.Popen[bytes]:
    """`vane` with these arguments in a process of its own, on the servers of these settings."""
    names = ("database_url", "redis_url", "kafka_bootstrap")
    addresses = {variable(name): getattr(settings, name) for name in names}
    own = {SUPERVISED: "0", variable("metrics_port"): "0"}
    command = [sys.executable, "-m", "vane", *arguments]
    environ = {**os.environ, **addresses, **own}
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=said, stderr=warned, env=environ
    )


def _end_with_parent() -> None:
    while os.read(0, 1_024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_GRACE_S)
    os.killpg(0, signal.SIGKILL)

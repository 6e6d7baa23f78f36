"""`vane flow NAME --processes N`: one process a share, and one that watches over them."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event

from vane.child import SUPERVISED
from vane.embedded.restarts import Backoff

TICK_S = 0.1


@dataclass(slots=True)
class _Member:
    command: Sequence[str]
    process: subprocess.Popen[bytes]
    started_at: float
    backoff: Backoff = field(default_factory=Backoff)
    retry_at: float | None = None


class Fleet:
    """Independent processes: one that ends is started again alone, the others go on.

    They share this process's output, and end with it, however it ends.
    """

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        now = time.monotonic()
        self._members = [_Member(command, _start(command), now) for command in commands]

    def run(self, stop: Event) -> None:
        """Watch until `stop` is set, then end all and wait for them."""
        while not stop.is_set():
            time.sleep(TICK_S)  # not `wait`: the signal's handler may need the lock that it holds
            for member in self._members:
                _watch(member, time.monotonic())
        for member in self._members:
            if member.process.poll() is None:
                member.process.terminate()
        for member in self._members:
            member.process.communicate()


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    environ = {**os.environ, SUPERVISED: "1"}
    return subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, start_new_session=True)


def _watch(member: _Member, now: float) -> None:
    status = member.process.poll()
    if status is None:
        return
    if member.retry_at is None:
        member.process.communicate()
        member.retry_at = now + member.backoff.delay_s(status, now - member.started_at)
    elif now >= member.retry_at:
        member.process, member.started_at, member.retry_at = _start(member.command), now, None

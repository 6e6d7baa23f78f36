"""`vane up` as a subprocess, and what is left of it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from vane.embedded.broker import LOOPBACK, free_port
from vane.embedded.folder import Endpoints

VANE = (sys.executable, "-m", "vane")
READY_TIMEOUT_S = 180.0

ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Before a command: Linux kills it when the thread that began it ends, however that happens."""

COUNTED = {"VANE_CANARY_INTERVAL_MS": "0"}
"""What tests count is what they sent."""


class RunningUp:
    """One `vane up` in a folder that is deleted at the end, with all that it started.

    Attributes:
        data_dir: its data folder.
    """

    def __init__(
        self,
        *arguments: str,
        vane: Sequence[str] = VANE,
        data_dir: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._owned = data_dir is None
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="vane-up-"))
        (self.data_dir / "endpoints.json").unlink(missing_ok=True)
        self._output = self.data_dir.with_suffix(".out")
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [*vane, "up", "--data-dir", str(self.data_dir), "--port", "0", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **COUNTED, **(environ or {})},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        wait_until(lambda: not lives(self.data_dir), 40, "processes are left")
        self._output.unlink(missing_ok=True)
        if self._owned:
            shutil.rmtree(self.data_dir)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def endpoints(self) -> Endpoints:
        """The published addresses."""
        return msgspec.json.decode((self.data_dir / "endpoints.json").read_bytes(), type=Endpoints)

    def output(self) -> str:
        """What it has written so far."""
        return self._output.read_text()

    def wait_ready(self) -> Endpoints:
        """Wait until it has published its addresses."""
        file = self.data_dir / "endpoints.json"
        wait_until(lambda: file.exists() or self._process.poll() is not None, READY_TIMEOUT_S)
        assert self._process.poll() is None, self.output()
        return self.endpoints

    def wait_for_output(self, text: str, timeout_s: float = 30.0) -> None:
        wait_until(lambda: text in self.output(), timeout_s, f"no {text!r} in the output")

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Exit status."""
        return self._process.wait(timeout_s)

    def stop(self) -> int:
        """SIGTERM; exit status."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL to `vane up` alone."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def descendants(self) -> set[int]:
        """Process ids of all that it has started, directly or not."""
        parents = {pid: parent_of(pid) for pid in all_pids()}
        found = {self.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {self.pid}


def all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def parent_of(pid: int) -> int | None:
    """The parent; None for a process that has ended, a zombie too."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[1])


def program_of(pid: int) -> str:
    """Name of the program's file; empty for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/exe").readlink().name
    except (FileNotFoundError, ProcessLookupError):
        return ""


def lives(folder: Path) -> list[int]:
    """Processes that hold the lock of a data folder open or name the folder in their command."""
    lock, name = str(folder / "lock"), os.fsencode(folder)
    found = []
    for pid in all_pids():
        try:
            files = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if pid != os.getpid() and (lock in files or name in command):
            found.append(pid)
    return found


def two_free_ports() -> int:
    """The first one of two neighbours that nothing listens on now."""
    while True:
        first = free_port()
        with suppress(OSError), socket.create_server((LOOPBACK, first + 1)):
            return first


def wait_until(
    condition: Callable[[], object], timeout_s: float, failure: str = "timed out"
) -> None:
    """Poll `condition` until it holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, failure
        time.sleep(0.05)

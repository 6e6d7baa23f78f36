"""Child processes that write to a log file and never outlive this process."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from vane.errors import VaneError

TAIL_BYTES = 4_096
TAIL_LINES = 12


def package_folder(name: str) -> Path:
    """Folder of an installed package, without importing it: imports of these have side effects."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def rotate(logs: Path) -> None:
    """Begin new log files in a folder and keep one old one of each."""
    for log in logs.glob("*.log"):
        log.replace(log.with_suffix(".log.1"))


class ChildProcess:
    """A process in a session of its own, so that Ctrl-C reaches only its parent.

    It reads end of file on stdin when this process ends, however that happens, and is expected
    to end itself then.

    Attributes:
        name: what messages call it.
        log: file that gets stdout and stderr.

    Args:
        name: see above.
        command: program and arguments.
        log: see above; appended to.
        environ: its environment; None: ours.
        inherit: file descriptors that it keeps open.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environ: Mapping[str, str] | None = None,
        inherit: Sequence[int] = (),
    ) -> None:
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environ is None else dict(environ),
                pass_fds=inherit,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, which is also its group's."""
        return self._process.pid

    def poll(self) -> int | None:
        """Exit status, None while it runs."""
        return self._process.poll()

    def request_stop(self) -> None:
        """Ask it to end in its own time."""
        if self.poll() is None:
            self._process.terminate()

    def wait(self, timeout_s: float) -> int | None:
        """Exit status, None where it still runs after `timeout_s`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it and its group at once."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Reap an ended process and close the pipe to it."""
        self.close_pipe()
        self._process.wait()

    def close_pipe(self) -> None:
        """Give it end of file on stdin, as if this process had ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def tail(self, lines_max: int = TAIL_LINES) -> str:
        """The last lines it wrote."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            text = log.read().decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-lines_max:])


class ServerProcess(ChildProcess):
    """A server that is not ours, so a warden watches the pipe for it (see `vane.embedded.warden`).

    Args:
        stop_signal: what makes the server stop gracefully.
        grace_s: after this long without an end it is killed.
        user: run it as this user.
        dac_override: that user may pass file permissions (see `vane.embedded.privileges`).
        remove: files and folders to delete once the server was stopped or this process ended.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_s: float = 5.0,
        user: str | None = None,
        dac_override: bool = False,
        remove: Sequence[Path] = (),
        inherit: Sequence[int] = (),
    ) -> None:
        options = ["--stop-signal", stop_signal.name, "--grace-s", str(grace_s)]
        options += ["--user", user] if user else []
        options += ["--dac-override"] if dac_override else []
        options += ["--remove", *map(str, remove)] if remove else []
        warden = [sys.executable, "-m", "vane.embedded.warden", *options, "--", *command]
        super().__init__(name, warden, log=log, inherit=inherit)

    def request_stop(self) -> None:
        """Close the pipe: the warden stops the server."""
        self.close_pipe()


class StartFailed(VaneError):  # noqa: N818 - named by what happened, as its base's other classes
    """A child did not come up: the message holds the end of its log."""

    def __init__(self, process: ChildProcess, reason: str) -> None:
        super().__init__(f"{process.name} did not start: {reason}\n{process.tail()}".rstrip())

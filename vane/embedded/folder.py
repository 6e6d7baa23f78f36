"""The data folder of `vane up`: whose it is, the lock that shows it runs, where it serves."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

import msgspec

from vane.errors import UsageError

MARKER = "vane.json"
"""A folder that holds this file is ours."""
ORPHANS_END_S = 45.0
"""After a kill -9 of `vane up` its children end by themselves, PostgreSQL the last."""


class Endpoints(msgspec.Struct, frozen=True, omit_defaults=True):
    """Addresses of a running `vane up`; `endpoints.json` is exactly this.

    Attributes:
        metrics: `/metrics` of each process, by its name.
        grpc: host:port, where it is served.
    """

    api: str
    kafka: str
    postgres: str
    redis: str
    admin_key: str
    metrics: dict[str, str]
    grpc: str = ""


class DataFolder:
    """The data folder of one embedded Vane, as `vane up` and the other commands see it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock: IO[str] | None = None

    @property
    def lock(self) -> int:
        """Descriptor of the claimed lock; it stays locked until all who inherit it have ended."""
        assert self._lock is not None
        return self._lock.fileno()

    def claim(self) -> None:
        """Make the folder ours and lock it; waits for the children of a killed predecessor.

        Raises:
            UsageError: something else lies there, or another `vane up` runs on it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not (self.path / MARKER).exists() and any(self.path.iterdir()):
                raise UsageError(
                    f"{self.path} is not a data folder of Vane and not empty: choose another one "
                    "with --data-dir"
                )
            (self.path / MARKER).write_text('{"layout": 1}\n')
            self._lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise UsageError(f"data folder {self.path}: {error.strerror}") from error
        deadline = time.monotonic() + ORPHANS_END_S
        while not _try_lock(self._lock):
            owner = self._owner()
            if owner is not None:
                raise UsageError(f"vane up already runs on {self.path} (pid {owner})")
            if time.monotonic() > deadline:
                raise UsageError(f"processes of a killed vane up still use {self.path}")
            time.sleep(0.1)
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        self.remove_endpoints()

    def _owner(self) -> int | None:
        """The process that claimed the folder last, None where it has ended."""
        try:
            pid = int((self.path / "lock").read_text())
        except (OSError, ValueError):
            return None
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            return pid  # it lives, as another user
        return pid

    def is_claimed(self) -> bool:
        """Whether a `vane up` runs on the folder."""
        try:
            with (self.path / "lock").open() as lock:
                return not _try_lock(lock) and self._owner() is not None
        except FileNotFoundError:
            return False

    def write_endpoints(self, endpoints: Endpoints) -> None:
        """Publish the addresses in one move, for the owner's eyes alone."""
        write_private(self.endpoints_file, msgspec.json.format(msgspec.json.encode(endpoints)))

    def remove_endpoints(self) -> None:
        """Take the addresses back."""
        self.endpoints_file.unlink(missing_ok=True)

    def read_endpoints(self) -> Endpoints | None:
        """The addresses of a `vane up` that runs and is ready, otherwise None."""
        if not self.is_claimed():
            return None
        try:
            return msgspec.json.decode(self.endpoints_file.read_bytes(), type=Endpoints)
        except FileNotFoundError:
            return None

    @property
    def endpoints_file(self) -> Path:
        """Where the addresses are published."""
        return self.path / "endpoints.json"


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 in one move."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.rename(path)

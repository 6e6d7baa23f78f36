"""Where a running `vane up` serves: a file in its data folder, and the lock that shows it runs."""

import fcntl
import os
from pathlib import Path
from typing import IO

import msgspec

from vane.errors import UsageError

MARKER = "vane.json"
"""A folder that holds this file is ours."""


class Endpoints(msgspec.Struct, frozen=True):
    """Addresses of a running `vane up`; `endpoints.json` is exactly this."""

    api: str
    kafka: str
    postgres: str
    redis: str
    admin_key: str


class DataFolder:
    """The data folder of one embedded Vane, as `vane up` and the other commands see it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock: IO[str] | None = None

    def claim(self) -> None:
        """Make the folder ours and lock it for the life of this process.

        Raises:
            UsageError: something else lies there, or another `vane up` runs on it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            foreign = not (self.path / MARKER).exists() and any(self.path.iterdir())
            if foreign:
                raise UsageError(
                    f"{self.path} is not a data folder of Vane and not empty: choose another one "
                    "with --data-dir"
                )
            (self.path / MARKER).write_text('{"vane": 1}\n')
            self._lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise UsageError(f"data folder {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "unknown"
            raise UsageError(f"vane up already runs on {self.path} (pid {owner})") from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def is_claimed(self) -> bool:
        """Whether a `vane up` runs on the folder."""
        try:
            with (self.path / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def write_endpoints(self, endpoints: Endpoints) -> None:
        """Publish the addresses in one move, for the owner's eyes alone."""
        write_private(self._endpoints, msgspec.json.format(msgspec.json.encode(endpoints)))

    def remove_endpoints(self) -> None:
        """Take the addresses back."""
        self._endpoints.unlink(missing_ok=True)

    def read_endpoints(self) -> Endpoints | None:
        """The addresses of a `vane up` that runs and is ready, otherwise None."""
        if not self.is_claimed():
            return None
        try:
            return msgspec.json.decode(self._endpoints.read_bytes(), type=Endpoints)
        except FileNotFoundError:
            return None

    @property
    def _endpoints(self) -> Path:
        return self.path / "endpoints.json"


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 in one move."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.rename(path)

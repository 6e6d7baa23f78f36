"""Folders for unix sockets, whose whole path may have 107 bytes only: data folders can be deep."""

import hashlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

from vane.errors import UsageError

LOOPBACK = "127.0.0.1"


def socket_folder(data: Path, server: str) -> Path:
    """Where the sockets of a data folder's server are: a short path, the same at every start."""
    digest = hashlib.sha256(bytes(data.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir(), f"vane-{os.getuid()}-{digest}-{server}")


def make_private(folder: Path) -> None:
    """Make the folder anew, for its owner alone.

    Raises:
        UsageError: somebody else's is in its place.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise UsageError(f"{folder} is not ours: remove it or set TMPDIR") from None


def free_port() -> int:
    """A TCP port on loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])

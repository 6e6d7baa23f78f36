"""PostgreSQL refuses to run as root, so under root it runs as an unprivileged user.

The programs or the data may lie below a folder that this user may not enter, such as root's home.
Then the user keeps one capability, to pass file permissions; nothing else of root is left.
"""

import ctypes
import os
import pwd
import stat
import struct
import sys
from pathlib import Path

from vane.errors import UsageError

SERVER_USER = "nobody"

_PR_SET_SECUREBITS = 28
_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522


def server_user() -> str | None:
    """The user that a server which refuses root must run as; None: whoever we are."""
    return SERVER_USER if os.geteuid() == 0 else None


def user_name() -> str:
    """Name of the user that we are.

    Raises:
        UsageError: the user has none, which PostgreSQL refuses.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise UsageError(
            f"user id {os.geteuid()} has no name here, and PostgreSQL needs one: add it to "
            "/etc/passwd or run as another user"
        ) from None


def give(path: Path, user: str | None) -> None:
    """Make `user` the owner of a folder and all in it, where it is not yet."""
    if user is None:
        return
    entry = pwd.getpwnam(user)
    if path.stat().st_uid == entry.pw_uid:
        return
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            os.chown(Path(folder, name), entry.pw_uid, entry.pw_gid, follow_symlinks=False)
        os.chown(folder, entry.pw_uid, entry.pw_gid)  # last, so that an interrupted walk is redone


def is_open_to_all(path: Path) -> bool:
    """Whether everybody may enter every folder above `path`."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def become(user: str, *, keep_dac_override: bool) -> None:
    """Turn this process, run by root, into one of `user`, for good."""
    entry = pwd.getpwnam(user)
    libc = ctypes.CDLL(None, use_errno=True)
    keep = keep_dac_override and sys.platform == "linux"
    if keep:
        # Without this bit access(2), by which PostgreSQL finds its programs, ignores capabilities.
        _call(libc.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0))
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    if keep:
        only = 1 << _CAP_DAC_OVERRIDE
        header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
        _call(libc.capset(header, struct.pack("6I", only, only, only, 0, 0, 0)))
        _call(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))


def _call(status: int) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

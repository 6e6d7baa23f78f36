"""Keeps a server that is not ours from outliving `vane up`.

    python -m vane.embedded.warden --stop-signal SIGINT --grace-s 20 -- COMMAND…

The warden starts the command and reads its own stdin, a pipe from its parent. End of file, which
also comes when the parent is killed, stops the server gracefully and after the grace time by
force; then the warden removes what would be stale now. If the warden itself is killed, Linux ends
the server (PR_SET_PDEATHSIG).
"""

import argparse
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from vane.embedded.privileges import become

PR_SET_PDEATHSIG = 1
IS_LINUX = sys.platform == "linux"


def main() -> int:
    """Run the command until it ends by itself or the parent's pipe is closed."""
    options = _parse()
    libc = ctypes.CDLL(None, use_errno=True) if IS_LINUX else None

    def prepare() -> None:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # a shell's background jobs inherit "ignore"
        if options.user:
            become(options.user, keep_dac_override=options.dac_override)
        if libc is not None:  # a change of user clears it, so it comes last
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)

    server = subprocess.Popen(
        options.command,
        stdin=subprocess.DEVNULL,
        preexec_fn=prepare,  # noqa: PLW1509 - no other thread runs yet
    )

    def stop(*_: object) -> None:
        server.send_signal(signal.Signals[options.stop_signal])

    def stop_with_parent() -> None:
        while os.read(0, 1):
            pass
        orphaned.set()
        stop()
        time.sleep(options.grace_s)
        server.kill()

    orphaned = threading.Event()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=stop_with_parent, daemon=True).start()
    status = server.wait()
    if orphaned.is_set():
        _remove(options.remove)
    return status if status >= 0 else 128 - status


def _remove(paths: list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vane.embedded.warden")
    parser.add_argument("--stop-signal", default="SIGTERM")
    parser.add_argument("--grace-s", type=float, default=5.0)
    parser.add_argument("--user")
    parser.add_argument("--dac-override", action="store_true")
    parser.add_argument("--remove", type=Path, nargs="+", default=[])
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

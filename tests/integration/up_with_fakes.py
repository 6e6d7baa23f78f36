"""`vane up` over real servers, with stand-ins for the flows and the API.

FAKE_JOURNAL: file in which each stand-in writes `NAME start PID` and `NAME stop`.
FAKE_FAIL: `NAME STATUS MESSAGE`: this one ends at once like that, on its first start or always.
FAKE_STUBBORN: the name of one that takes an hour to drain.
"""

import os
import signal
import sys
import time
from pathlib import Path

import vane.cli
import vane.cli.machine
from vane.child import announce_ready, watch_parent


def stand_in(name: str) -> None:
    def write(text: str) -> None:
        with Path(os.environ["FAKE_JOURNAL"]).open("a") as journal:
            journal.write(f"{name} {text}\n")

    def stop(*_: object) -> None:
        if os.environ.get("FAKE_STUBBORN") == name:
            write("stubborn")
            return
        time.sleep(0.3)  # long enough for a wrong order to show
        write("stop")
        sys.exit(0)

    failing, status, message = os.environ.get("FAKE_FAIL", "- 0 -").split(" ", 2)
    if failing == name:
        sys.exit(sys.stderr.write(f"vane: {message}\n") and int(status))
    watch_parent()
    signal.signal(signal.SIGTERM, stop)
    write(f"start {os.getpid()}")
    announce_ready()
    while True:
        time.sleep(0.05)


def command(*arguments: str) -> list[str]:
    name = arguments[1] if arguments[0] == "flow" else arguments[0]
    return [sys.executable, __file__, "stand-in", name]


if sys.argv[1] == "stand-in":
    stand_in(sys.argv[2])
else:
    vars(vane.cli.machine)["own_command"] = command
    vane.cli.main()

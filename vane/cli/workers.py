"""`vane api --workers N`: processes that share one port, and one that watches over them."""

import signal
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event

from vane.cli.context import own_command
from vane.cli.fleet import Fleet

SHARED = "--shared"
"""Option of a worker: others listen on its port, too."""
PROBE_S = 0.05


def run_workers(
    host: str,
    port: int,
    workers: int,
    metrics_port: int,
    data_dir: Path | None,
    ready: Callable[[], None],
) -> None:
    """Run until SIGTERM or SIGINT; the kernel spreads connections over the workers.

    A worker that ends is started again alone, while the others answer.

    Args:
        host: address to listen on.
        port: a free one.
        workers: how many.
        metrics_port: of the first worker's `/metrics`, the next has the next; 0: none.
        data_dir: for the workers.
        ready: called once requests are answered.
    """
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    folder = ["--data-dir", str(data_dir)] if data_dir else []
    commands = []
    for index in range(workers):
        options = ["--host", host, "--port", str(port), SHARED, *folder]
        options += ["--metrics-port", str(metrics_port + index if metrics_port else 0)]
        commands.append(own_command("api", *options))
    fleet = Fleet(commands)
    threading.Thread(target=_await_answer, args=(host, port, stop, ready), daemon=True).start()
    fleet.run(stop)


def _await_answer(host: str, port: int, stop: Event, ready: Callable[[], None]) -> None:
    while not stop.is_set():
        connection = HTTPConnection(host, port, timeout=1.0)
        try:
            connection.request("GET", "/livez")
            if connection.getresponse().status == HTTPStatus.OK:
                ready()
                return
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(PROBE_S)

"""Processes under measurement: started, looked at from outside, ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from vane.settings import Settings, variable
from vane.store.connection import Connection

VANE = (sys.executable, "-m", "vane")


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of processes so far, with all that they started, also what has ended."""
    spent = 0.0
    for process in trees(pids):
        with suppress(psutil.NoSuchProcess):
            spent += sum(process.cpu_times()[:4])
    return spent


def trees(pids: Iterable[int]) -> Iterator[psutil.Process]:
    """The processes with all that they have started."""
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            top = psutil.Process(pid)
            yield top
            yield from top.children(recursive=True)


class Running:
    """Processes and all that they have started."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        self._processes = processes

    def cpu_s(self) -> float:
        """Their CPU seconds so far."""
        return cpu_s(self._pids)

    def rss_mib(self) -> float:
        """Their resident memory."""
        return float(sum(each.memory_info().rss for each in trees(self._pids))) / 2**20

    def check(self) -> None:
        """Fail where one has ended."""
        assert all(process.poll() is None for process in self._processes), "a process has ended"

    @property
    def _pids(self) -> list[int]:
        return [process.pid for process in self._processes]


@contextmanager
def running(
    commands: Sequence[Sequence[str]], settings: Settings, **overrides: int | str
) -> Iterator[Running]:
    """Run commands with the addresses of `settings`, and with settings of their own."""
    addresses = ("database_url", "redis_url", "kafka_bootstrap", "fetch_wait_ms")
    given = {name: getattr(settings, name) for name in addresses} | overrides
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    environ |= {variable(name): str(value) for name, value in given.items()}
    processes = [
        subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) for command in commands
    ]
    try:
        yield Running(processes)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait()


def passed(connection: Connection, flow: str) -> int:
    """Offsets that a flow has committed, all partitions together."""
    row = connection.execute(
        "select coalesce(sum(next_offset), 0)::bigint from stream_position where flow = %s", [flow]
    ).fetchone()
    assert row is not None
    return int(row[0])


def wait_passed(
    connection: Connection, flow: str, offset: int, processes: Running
) -> tuple[float, int]:
    """When a flow has committed `offset` messages, and how many it had by then."""
    while (done := passed(connection, flow)) < offset:
        processes.check()
        time.sleep(0.005)
    return time.perf_counter(), done

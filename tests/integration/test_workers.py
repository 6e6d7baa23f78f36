"""`vane api --workers`: several processes on one port."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.api.conftest import wait_until
from tests.running import two_free_ports
from vane.embedded.broker import free_port
from vane.settings import Settings, variable

VANE = (sys.executable, "-m", "vane", "api")
START_S = 60.0
KEY = "a key for tests"


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    given = {name: getattr(settings, name) for name in ("database_url", "redis_url")}
    given |= {"kafka_bootstrap": settings.kafka_bootstrap, "admin_key": KEY}
    given |= {"shutdown_grace_ms": "0"}
    return {**os.environ, **{variable(name): value for name, value in given.items()}}


@contextmanager
def workers(environ: dict[str, str], port: int, metrics: int) -> Iterator[psutil.Process]:
    """Two of them, until the end of the block."""
    options = ["--port", str(port), "--workers", "2", "--metrics-port", str(metrics)]
    with subprocess.Popen(
        [*VANE, *options], env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == f"serving on http://127.0.0.1:{port}\n"
            yield psutil.Process(parent.pid)
        finally:
            parent.send_signal(signal.SIGTERM)
            assert parent.wait(30) == 0


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def answered(metrics: int) -> float:
    """Requests that a worker has answered; 0: it is not there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0.0
    return sum(map(float, re.findall(r"^vane_api_requests_total.* (\S+)$", text, re.MULTILINE)))


def test_workers_share_a_port_and_one_killed_comes_back_alone(environ: dict[str, str]) -> None:
    port, first = free_port(), two_free_ports()
    url = f"http://127.0.0.1:{port}/v1/trending"
    with workers(environ, port, first) as parent:

        def both_answer() -> bool:
            assert status(url) in {200, 0}
            return answered(first) > 0 < answered(first + 1)

        wait_until(both_answer, START_S)
        one, other = (child.pid for child in parent.children())
        os.kill(one, signal.SIGKILL)
        wait_until(lambda: one not in {child.pid for child in parent.children()}, START_S)
        deadline = time.monotonic() + START_S
        while len(found := {child.pid for child in parent.children()} - {one}) < 2:
            assert status(url) == 200, "the other one answers meanwhile"
            assert time.monotonic() < deadline
        assert other in found
        wait_until(both_answer, START_S)


def test_without_an_admin_key_workers_are_refused(environ: dict[str, str]) -> None:
    del environ[variable("admin_key")]
    done = subprocess.run(
        [*VANE, "--workers", "2", "--port", "0"],
        check=False,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--workers needs VANE_ADMIN_KEY" in done.stderr

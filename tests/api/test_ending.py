"""SIGTERM to a real API process while a server that it needs hangs."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.seed import Seed
from tests.api.test_fallbacks import frozen
from tests.api.test_frame import environ
from vane.embedded.broker import free_port
from vane.embedded.postgres import SETTINGS, Postgres
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.migrate import migrate

END_S = 14.0
"""After the grace, which is none here; 10 s and what a busy machine takes."""
WAITING = "/v1/users/ada/recommendations?after=MS4wLTk&wait_ms=10000"


@pytest.fixture
def postgres(server_folder: Path) -> Iterator[Postgres]:
    """A server of its own, to be frozen, with some items."""
    fast = {**SETTINGS, "fsync": "off", "full_page_writes": "off"}
    folder = server_folder / "frozen"
    folder.mkdir(mode=0o755)
    server = Postgres(folder / "data", folder / "pg", folder, settings=fast).start()
    with connect(Settings(database_url=server.uri), "tests") as connection:
        migrate(connection)
        Seed(connection).items(20)
    yield server
    server.stop()


@contextmanager
def api_process(settings: Settings) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "vane", "api", "--port", str(port)],
        env=environ(settings) | {"VANE_SHUTDOWN_GRACE_MS": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("serving on")
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def test_sigterm_beside_a_frozen_postgres_ends_soon_and_cleanly(
    settings: Settings, postgres: Postgres, redis_url: str, kafka_bootstrap: str
) -> None:
    own = Settings(database_url=postgres.uri, redis_url=redis_url, kafka_bootstrap=kafka_bootstrap)
    answers: list[int] = []
    with api_process(own) as (process, base), httpx.Client(base_url=base, timeout=30) as client:
        assert len(client.get("/recommend/ada").json()["items"]) == 10
        with frozen(postgres):
            late = [
                threading.Thread(
                    target=lambda path=path: answers.append(
                        httpx.get(base + path, timeout=30).status_code
                    )
                )
                for path in (WAITING, "/recommend/bob", "/v1/items/cars-3")
            ]
            for thread in late:
                thread.start()
            time.sleep(2.5)
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            status = process.wait(40)
            took_s = time.monotonic() - began
            for thread in late:
                thread.join(10)
        assert process.stderr is not None
        said = process.stderr.read()
    assert (status, "Traceback" in said) == (0, False), said
    assert took_s < END_S
    assert sorted(answers) == [200, 200, 503]

"""The API behind a real Granian server, in a thread, on real PostgreSQL, Redis and broker."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import msgspec
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server

from api.app import create_app
from api.services import Services
from tests.api.seed import Seed
from vane.bus import Publisher
from vane.embedded.broker import free_port
from vane.kafka_admin import create_topics
from vane.settings import Settings
from vane.store.connection import Connection

ADMIN_KEY = "a key for tests"


@dataclass
class Api:
    """A running API."""

    client: httpx.Client
    services: Services
    loop: asyncio.AbstractEventLoop
    publisher: Publisher

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def hint(self, channel: str, message: msgspec.Struct) -> None:
        """Publish, and wait until the API has taken it."""
        before = self._hints()
        assert self.publisher.publish(channel, message)
        wait_until(lambda: self._hints() > before)

    def sync(self) -> None:
        """Let the API see at once what was written to items and trends."""
        work = self.services.knowledge.refresh()
        asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def _hints(self) -> float:
        return sum(cell.value for cell in self.services.metrics.hints.values())


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def running(settings: Settings, port: int | None = None) -> Iterator[Api]:
    """The API until the end of the block."""
    app, port, started = create_app(settings), port or free_port(), threading.Event()
    held: list[Any] = []

    async def main() -> None:
        server = Server(
            app, "127.0.0.1", port, interface=Interfaces.ASGI, websockets=False, log_enabled=False
        )
        held.extend([server, asyncio.get_running_loop()])
        started.set()
        await server.serve()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert started.wait(10)
    server, loop = held
    publisher = Publisher(settings.redis_url)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        wait_until(lambda: _answers(client))
        try:
            yield Api(client, app.state.services, loop, publisher)
        finally:
            loop.call_soon_threadsafe(server.stop)
            thread.join(20)
            publisher.close()
    assert not thread.is_alive()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def api_settings(settings: Settings, kafka_bootstrap: str) -> Settings:
    create_topics(kafka_bootstrap, {"user-interactions": 4})
    return replace(
        settings, access="open", admin_key=ADMIN_KEY, cache_ttl_ms=60_000, search_meaning="off"
    )


@pytest.fixture
def api(api_settings: Settings) -> Iterator[Api]:
    """An API with answers that live a minute, so that only hints can drop them."""
    with running(api_settings) as started:
        wait_until(lambda: started.services.subscription.connected)
        yield started


@pytest.fixture
def seed(connection: Connection) -> Seed:
    return Seed(connection)

"""Serves the application by Granian, in this process and its event loop."""

import asyncio
import signal
from collections.abc import Callable

from granian.constants import Interfaces
from granian.server.embed import Server

from api.app import create_app
from vane.settings import Settings

BACKLOG = 1_024
"""Connections that wait, and requests that are worked on at a time."""
PROBE_S = 0.02


async def serve(settings: Settings, host: str, port: int, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in flight.

    Args:
        settings: of the application.
        host: address to listen on.
        port: a free one.
        ready: called once requests are answered.
    """
    server = Server(
        create_app(settings),
        host,
        port,
        interface=Interfaces.ASGI,
        backlog=BACKLOG,
        websockets=False,
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    probe = asyncio.create_task(_await_answer(host, port, ready))
    try:
        await server.serve()
    finally:
        probe.cancel()


async def _await_answer(host: str, port: int, ready: Callable[[], None]) -> None:
    """Granian does not tell when it listens, so ask."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: vane\r\nConnection: close\r\n\r\n")
            answered = b" 200 " in await reader.readline()
            writer.close()
            if answered:
                ready()
                return
        except OSError:
            pass
        await asyncio.sleep(PROBE_S)

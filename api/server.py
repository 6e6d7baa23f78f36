"""Serves the application by Granian, in this process and its event loop."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvloop
from fastapi import FastAPI
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from api.app import create_app
from api.ending import bound_the_end
from api.front import REQUEST_S_MAX
from vane.settings import Settings

BACKLOG = 1_024
"""Connections that wait to be accepted."""
CONNECTIONS_MORE = 4_096
"""Connections at a time, beside those of streams."""
SERVER_LOG: dict[str, Any] = {"handlers": {}, "loggers": {"_granian": {}, "granian.access": {}}}
"""Granian's own lines go where all lines go, and it writes none of each request."""
PROBE_S = 0.02
NEW_OBJECTS = 10_000
"""Containers between two searches for cycles: with Python's 700 the longest ones come too often."""

_log = logging.getLogger(__name__)


def run(
    settings: Settings, host: str, port: int, ready: Callable[[], None], metrics_port: int = 0
) -> None:
    """`serve` on uvloop, whose loop takes a third less CPU of a ready answer than asyncio's."""
    uvloop.run(serve(settings, host, port, ready, metrics_port))


async def serve(
    settings: Settings, host: str, port: int, ready: Callable[[], None], metrics_port: int = 0
) -> None:
    """Serve until SIGTERM or SIGINT.

    Then readiness fails for `shutdown_grace_ms`, so that nobody sends new requests; streams are
    ended, and requests in flight finish. A second signal ends the grace.

    Args:
        settings: of the application.
        host: address to listen on.
        port: a free one, or one that other processes of this kind share.
        ready: called once requests are answered.
        metrics_port: of this process's `/metrics` alone, on `metrics_host`; 0: none.
    """
    app = create_app(settings, metrics_port)
    server = Server(
        app,
        host,
        port,
        interface=Interfaces.ASGI,
        backlog=BACKLOG,
        backpressure=CONNECTIONS_MORE + settings.streams_max,
        websockets=False,
        log_level=LogLevels.error,  # below it says at each start that it is experimental
        log_dictconfig=SERVER_LOG,
    )
    loop, signals = asyncio.get_running_loop(), _Signals()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.take)
    probe = asyncio.create_task(_await_answer(host, port, ready))
    serving = asyncio.create_task(server.serve())
    ending = asyncio.create_task(_end(app, signals, settings.shutdown_grace_ms / 1e3))
    try:
        await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait_for(serving, REQUEST_S_MAX)
    except TimeoutError:
        _log.error("a server that hangs holds up the end of the API: no longer waited for")
    finally:
        probe.cancel()
        ending.cancel()


class _Signals:
    """The first signal asks for the end, the second one for a sudden end."""

    def __init__(self) -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()

    def take(self) -> None:
        """A signal came."""
        (self.second if self.first.is_set() else self.first).set()


async def _end(app: FastAPI, signals: _Signals, grace_s: float) -> None:
    """Wait for the signal, then until the server may stop."""
    await signals.first.wait()
    if not hasattr(app.state, "services"):
        return
    app.state.services.ending = True
    with suppress(TimeoutError):
        async with asyncio.timeout(grace_s):
            await signals.second.wait()
    app.state.services.streams.close()
    app.state.services.applied.end()
    bound_the_end()


async def _await_answer(host: str, port: int, ready: Callable[[], None]) -> None:
    """Granian does not tell when it listens, so ask."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: vane\r\nConnection: close\r\n\r\n")
            answered = b" 200 " in await reader.readline()
            writer.close()
            if answered:
                _keep_what_there_is()
                ready()
                return
        except OSError:
            pass
        await asyncio.sleep(PROBE_S)


def _keep_what_there_is() -> None:
    """Later searches for cycles leave out what the start made: all requests wait for them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 10, 10)

"""Vectors of what is searched for, from a process of its own: torch would hold up the event loop.

The process begins with the first text. Whoever asks meanwhile, or while it is busy, gets none.
"""

import asyncio
import contextlib
import importlib.util
import json
import logging
import sys
import time
from asyncio import Future, StreamReader, Task
from asyncio.subprocess import PIPE, Process

import numpy as np
from numpy.typing import NDArray

from vane.encoder_process import READY
from vane.lru import Lru
from vane.settings import Settings
from vane.store.serving import DIMENSION

WAIT_S = 0.25
"""Longest wait for a vector; a quiet machine takes 10 ms."""
KNOWN_MAX = 5_000
"""Texts whose vectors are kept, 1.5 kB each."""
WAITING_MAX = 32
PAUSE_S = 30.0
"""Between two processes, where one ends by itself."""
CLOSE_S = 1.0
VECTOR_BYTES = 4 * DIMENSION

_log = logging.getLogger(__name__)

Floats = NDArray[np.float32]


class QueryEncoder:
    """Embeds short texts by the model of the catalogue, where it is installed and wanted."""

    def __init__(self, settings: Settings) -> None:
        installed = importlib.util.find_spec("sentence_transformers") is not None
        self.enabled = settings.search_meaning == "auto" and installed
        self._model = settings.embedding_model
        self._known = Lru[str, Floats](KNOWN_MAX)
        self._waiting: dict[
            str, Future[Floats | None]
        ] = {}  # in the order in which they were asked for
        self._process: Process | None = None
        self._running: Task[None] | None = None
        self._not_before = float("-inf")

    @property
    def ready(self) -> bool:
        """Whether a text would be embedded now."""
        return self._process is not None

    def start(self) -> None:
        """Begin the process, unless there is one or there was one a moment ago."""
        idle = self._running is None or self._running.done()
        if self.enabled and idle and time.monotonic() >= self._not_before:
            self._not_before = time.monotonic() + PAUSE_S
            self._running = asyncio.create_task(self._run())

    async def encode(self, text: str) -> Floats | None:
        """The unit vector (384,) of a text; None where it cannot be had in time."""
        key = " ".join(text.casefold().split())
        known = self._known.find([key])
        if known:
            return known[key]
        self.start()
        future = self._ask(key)
        if future is None:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                return await asyncio.shield(future)
        return None

    async def close(self) -> None:
        """End the process."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    def _ask(self, key: str) -> "Future[Floats | None] | None":
        """The answer to come; None where nobody would give one soon."""
        if key in self._waiting:
            return self._waiting[key]
        if self._process is None or len(self._waiting) >= WAITING_MAX:
            return None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(key).encode() + b"\n")
        future = self._waiting[key] = asyncio.get_running_loop().create_future()
        return future

    async def _run(self) -> None:
        command = (sys.executable, "-m", "vane.encoder_process", self._model)
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        assert process.stdout is not None
        try:
            await process.stdout.readexactly(len(READY))
            self._process = process
            await self._read(process.stdout)
        except (asyncio.IncompleteReadError, OSError):
            _log.warning("search by meaning: its process ended; again in %.0f s", PAUSE_S)
        finally:
            self._process = None
            self._refuse()
            await _end(process)

    async def _read(self, vectors: StreamReader) -> None:
        """Hand on every vector, for ever."""
        while True:
            raw = await vectors.readexactly(VECTOR_BYTES)
            key = next(iter(self._waiting))
            vector = np.frombuffer(raw, "<f4")
            self._known.put({key: vector})
            future = self._waiting.pop(key)
            if not future.done():
                future.set_result(vector)

    def _refuse(self) -> None:
        """Nobody will answer those who wait."""
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)
        self._waiting.clear()


async def _end(process: Process) -> None:
    """The process reads the end of its input, or is killed."""
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()

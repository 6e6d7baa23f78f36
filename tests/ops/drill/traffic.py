"""What users of the drilled site do all the while: events, lists that stay the same, items."""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from threading import Event, Thread
from typing import Any, Self

import httpx

PACE_S = 0.1
AHEAD_S = 3_600.0
ITEMS = 8


Deed = Callable[[], None]


def nothing() -> None:
    """Nobody else does anything."""


class Traffic:
    """A thread of calls, a few every `PACE_S`.

    Attributes:
        ahead: events come from a producer whose clock is an hour ahead.
        beside: done with every pace.
        scattered: every call for a list is another one, so that no answer is ready.
    """

    def __init__(self, api: str) -> None:
        self.ahead = self.scattered = False
        self.beside: Deed = nothing
        self._client = httpx.Client(base_url=api, timeout=3.0)
        self._stop = Event()
        self._thread = Thread(target=self._run, name="traffic", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        for number in count():
            if self._stop.wait(PACE_S):
                return
            with suppress(httpx.TransportError):  # a fault: the next call may find it mended
                self.beside()
                self._call(number)

    def _call(self, number: int) -> None:
        event: dict[str, Any] = {
            "event_id": uuid.uuid4().hex,
            "user_id": f"writer-{number % 4}",
            "item_id": f"i{number % ITEMS}",
            "action": "view",
            "ts": time.time() + AHEAD_S * self.ahead,
        }
        self._client.post("/v1/events", json=event)
        limit = 1 + number % 50 if self.scattered else 10
        for call in range(3):
            user = f"reader-{number}-{call}" if self.scattered else f"reader-{number % 2}"
            path = f"/v1/users/{user}/recommendations"
            self._client.get(path, params={"limit": limit})
        if not self.scattered:  # an item's answer is a hit, too
            self._client.get(f"/v1/items/i{number % ITEMS}")

"""Tells Redis which items lists have shown, now and then, for `vane_coverage_ratio`."""

import asyncio
import time
from collections.abc import Iterable

from vane.bus import ShownItems

PAUSE_S = 5.0
ITEMS_MAX = 50_000
"""Different items of one pause; what comes beyond is left out."""


class Coverage:
    """Gathers the items of lists, and adds them to the sketches that all processes share.

    While Redis is away nothing is kept: the share that was shown is too low then.
    """

    def __init__(self, redis_url: str) -> None:
        self._sketches = ShownItems(redis_url)
        self._items = set[str]()

    def show(self, items: Iterable[str]) -> None:
        """A list holds these items."""
        if len(self._items) < ITEMS_MAX:
            self._items.update(items)

    async def flush(self) -> None:
        """Pass on what was gathered."""
        items, self._items = self._items, set()
        if items:
            await self._sketches.add(items, time.time())

    async def run(self) -> None:
        """Flush again and again, for ever."""
        while True:
            await asyncio.sleep(PAUSE_S)
            await self.flush()

    async def close(self) -> None:
        """Close the connection."""
        await self._sketches.close()

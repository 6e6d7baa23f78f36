"""Some users' tastes, among which those like another one are looked for."""

import asyncio
import time

import numpy as np

from vane.store.alike import People, sample_people
from vane.store.serving import ServingStore

FRESH_S = 60.0


class PeopleSample:
    """Some users' tastes, read again when they are asked for after a minute."""

    def __init__(self) -> None:
        self._people = People([], np.zeros((0, 0), np.float32))
        self._until = float("-inf")
        self._reading = asyncio.Lock()

    async def get(self, store: ServingStore) -> People:
        """The sample of this minute."""
        async with self._reading:
            if time.monotonic() >= self._until:
                self._people = await sample_people(store)
                self._until = time.monotonic() + FRESH_S
            return self._people

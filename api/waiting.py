"""Read your writes: tokens that name a place in the log, and waiting until it is applied."""

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from vane.errors import InvalidRequest, Unavailable

REFRESH_S_MAX = 1.0
"""Longest first look at the positions."""
POLL_S = 0.05
"""Hints may be missed: positions are read this often while somebody waits."""
Result = TypeVar("Result")

_TOKEN_BYTES_MAX = 32_768
_TOKEN = re.compile(r"(\d{1,9})((?:\.\d{1,9}-\d{1,18})+)")


async def bounded(work: Awaitable[Result], seconds_max: float, who: str) -> Result:
    """The result of `work` within the time, also where `work` is slow to be cancelled.

    psycopg waits up to 10 s for a hung server to take a cancellation; nobody waits for that here.

    Raises:
        Unavailable: it took longer; says `who` gave no answer.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds_max)
    except asyncio.CancelledError:
        _abandon(task)
        raise
    if not done:
        _abandon(task)
        raise Unavailable(f"{who}: no answer within {seconds_max:g} s")
    return task.result()


def _abandon(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


@dataclass(frozen=True, slots=True)
class Token:
    """A log, and the next offset after the events in each partition."""

    log_id: int
    offsets: Mapping[int, int]

    def encode(self) -> str:
        """URL-safe text."""
        places = "".join(f".{part}-{offset}" for part, offset in sorted(self.offsets.items()))
        plain = f"{self.log_id}{places}".encode()
        return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> "Token":
        """Read what `encode` gave.

        Raises:
            InvalidRequest: it did not give that.
        """
        padded = text + "=" * (-len(text) % 4)
        try:
            if len(padded) > _TOKEN_BYTES_MAX:
                raise InvalidRequest("after", "too long")
            plain = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            plain = ""
        match = _TOKEN.fullmatch(plain)
        if match is None:
            raise InvalidRequest("after", "not a token of POST /v1/events")
        places = (place.split("-") for place in match[2][1:].split("."))
        return cls(int(match[1]), {int(part): int(offset) for part, offset in places})


class AppliedOffsets:
    """How far flow interactions is, learned from hints and, while somebody waits, from the store.

    Args:
        read: log id → next offset of each of its partitions.
    """

    def __init__(self, read: Callable[[int], Awaitable[Mapping[int, int]]]) -> None:
        self._read = read
        self._next: dict[tuple[int, int], int] = {}
        self._waiting: dict[asyncio.Future[None], Token] = {}
        self._poller: asyncio.Task[None] | None = None
        self._ended = False

    def end(self) -> None:
        """Nobody waits any more: the process ends."""
        self._ended = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def advance(self, log_id: int, partition: int, next_offset: int) -> None:
        """All offsets of the partition below `next_offset` are applied."""
        place = (log_id, partition)
        if next_offset <= self._next.get(place, -1):
            return
        self._next[place] = next_offset
        for waiter, token in self._waiting.items():
            if not waiter.done() and self._reached(token):
                waiter.set_result(None)

    async def wait(self, token: Token, timeout_s: float) -> bool:
        """Whether everything before the token is applied, now or within the time."""
        if self._reached(token):
            return True
        with suppress(Unavailable):
            await bounded(self._refresh(token.log_id), REFRESH_S_MAX, "PostgreSQL")
        if self._reached(token) or timeout_s <= 0 or self._ended:
            return self._reached(token)
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = token
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(waiter, timeout_s)
        finally:
            del self._waiting[waiter]
        return self._reached(token)

    def forget(self) -> None:
        """Positions may have gone back: PostgreSQL was away."""
        self._next.clear()

    def _reached(self, token: Token) -> bool:
        return all(
            self._next.get((token.log_id, partition), -1) >= offset
            for partition, offset in token.offsets.items()
        )

    async def _refresh(self, log_id: int) -> None:
        with suppress(Unavailable):
            for partition, next_offset in (await self._read(log_id)).items():
                self.advance(log_id, partition, next_offset)

    async def _poll(self) -> None:
        while self._waiting:
            await asyncio.sleep(POLL_S)
            for log_id in {token.log_id for token in self._waiting.values()}:
                await self._refresh(log_id)

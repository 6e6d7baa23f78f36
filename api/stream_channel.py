"""A list that is watched, and who watches it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

import msgspec

from api.cache import Answer, Key
from vane import traces
from vane.errors import Unavailable

if TYPE_CHECKING:
    from vane.traces import Span

Build = Callable[[], Awaitable[Answer]]


class Closed(Exception):  # noqa: N818 - no error: the process ends
    """The process ends: the reader should leave."""


class State(Enum):
    """Where the next computation of a channel is."""

    IDLE = auto()
    WAITING = auto()
    COMPUTING = auto()


class _Item(msgspec.Struct):
    item_id: str


class _Items(msgspec.Struct):
    items: list[_Item]


_decode_items = msgspec.json.Decoder(_Items).decode


@dataclass(eq=False, slots=True)
class Channel:
    """One list of one user.

    Attributes:
        key: of the answer in the cache.
        user_id: whose hints concern it.
        build: computes the answer.
        answer: the newest one.
        trouble: why there is no answer.
    """

    key: Key
    user_id: str
    build: Build
    answer: Answer | None = None
    trouble: Unavailable | None = None
    readers: "set[Reader]" = field(default_factory=set)
    items: frozenset[str] = frozenset()
    state: State = State.IDLE
    again: bool = False
    computed_s: float = float("-inf")
    push: "Span | None" = None
    """From a hint that is traced until a reader has a list with `push_version` or a newer one."""
    push_version: int = 0

    @property
    def version(self) -> int:
        """Of the user's state in the answer; -1 before there is one."""
        return -1 if self.answer is None else self.answer.version or 0

    def show(self, answer: Answer) -> bool:
        """Take a newer answer; whether it is another one."""
        known, self.answer, self.trouble = self.answer, answer, None
        if known is not None and known.etag == answer.etag:
            return False
        self.items = frozenset(item.item_id for item in _decode_items(answer.body).items)
        self.wake()
        return True

    def trace(self, version: int, parent: str) -> None:
        """Follow a change of the user under its `traceparent`, unless one is followed already."""
        if self.push is None:
            self.push, self.push_version = traces.start("push", "consumer", parent), version

    def sent(self, answer: Answer) -> None:
        """A reader has this answer."""
        if self.push is not None and (answer.version or 0) >= self.push_version:
            self.push.end()
            self.push = None

    def wake(self) -> None:
        """There is something new for the readers."""
        for reader in self.readers:
            reader.changed.set()


class Reader:
    """One who watches a channel."""

    def __init__(self, channel: Channel) -> None:
        """Args: what it watches."""
        self.changed = asyncio.Event()
        self.gone = False
        self.closed = False
        self._channel = channel

    def leave(self) -> None:
        """The client has gone."""
        self.gone = True
        self.changed.set()

    def sent(self, answer: Answer) -> None:
        """The client has this answer."""
        self._channel.sent(answer)

    async def newest(self, known: bytes, timeout_s: float) -> Answer | None:
        """The newest answer once its entity tag is another one; None after the time, or when gone.

        Args:
            known: the entity tag that the client has; empty: none.
            timeout_s: longest wait.

        Raises:
            Closed: the process ends.
            Unavailable: nothing is known, here or by the client, and PostgreSQL does not answer.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not self.gone:
                    self.changed.clear()
                    if self.closed:
                        raise Closed
                    found = self._channel.answer
                    if found is not None and found.etag != known:
                        return found
                    if self._channel.trouble is not None and not known:
                        raise Unavailable(str(self._channel.trouble))
                    await self.changed.wait()
        except TimeoutError:
            pass
        return None

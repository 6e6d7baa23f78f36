"""Lists that somebody watches: computed again when they may have changed, once for all who watch.

A *channel* is one list; its *readers* are told of the newest version only, so nothing queues up
for a slow one. Three things bring a channel up to date: a hint about its user at once, but at most
four times a second; a look at all versions at the pace of the cache, for hints that were missed;
and a slow round over all channels after changes that concern everybody, such as trends.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from api.cache import Answer, Key
from api.stream_channel import Build, Channel, Reader, State
from vane import traces
from vane.errors import Unavailable

GAP_S = 0.25
"""Between two computations of one channel."""
COMPUTATIONS_MAX = 4
"""At a time, so that ordinary requests find a connection to PostgreSQL."""
ROUND_SHARE = 0.1
"""Of the time that the slow round over all channels may compute."""
RETRY_S = 0.5
RECHECK_S_MIN = 0.5
RECHECK_USERS_MAX = 1_000
"""Users in one look at the versions."""

Fill = Callable[[Key, Build], Awaitable[Answer]]
"""Computes an answer and keeps it in the cache."""
Versions = Callable[[Sequence[str]], Awaitable[dict[str, int]]]
"""Version of each user's state; users without one are left out."""


_log = logging.getLogger(__name__)


class StreamHub:
    """All channels of a process.

    Attributes:
        readers: how many there are.

    Args:
        fill: see `Fill`.
        versions: see `Versions`.
        ready: the answer in the cache, where it is fresh.
        recheck_s: how often versions are looked at.
        readers_max: more are refused.
    """

    def __init__(
        self,
        fill: Fill,
        versions: Versions,
        ready: Callable[[Key], Answer | None],
        *,
        recheck_s: float,
        readers_max: int,
    ) -> None:
        self.readers = 0
        self._fill, self._versions, self._ready = fill, versions, ready
        self._recheck_s, self._readers_max = max(recheck_s, RECHECK_S_MIN), readers_max
        self._channels: dict[Key, Channel] = {}
        self._of_user: dict[str, set[Channel]] = {}
        self._due: asyncio.Queue[Channel] = asyncio.Queue()
        self._round: dict[Channel, None] = {}
        self._round_wanted, self._look = asyncio.Event(), asyncio.Event()
        self._closed = False

    @contextmanager
    def reader(self, key: Key, user_id: str, build: Build) -> Iterator[Reader]:
        """Watch a list until the end of the block.

        Raises:
            Unavailable: too many do, or the process ends.
        """
        if self._closed:
            raise Unavailable("the process ends")
        if self.readers >= self._readers_max:
            raise Unavailable(f"{self._readers_max} streams are open")
        channel = self._channels.get(key) or self._opened(key, user_id, build)
        reader = Reader(channel)
        channel.readers.add(reader)
        self.readers += 1
        try:
            yield reader
        finally:
            self.readers -= 1
            channel.readers.discard(reader)
            if not channel.readers:
                self._forget(channel)

    def user_changed(self, user_id: str, version: int) -> None:
        """A hint: a user's state has this version now."""
        for channel in self._of_user.get(user_id, ()):
            if channel.version < version:
                self._touch(channel)

    def trace(self, user_id: str, version: int, parent: str) -> None:
        """The change that was just told is on a way that is traced: so is its push."""
        for channel in self._of_user.get(user_id, ()):
            channel.trace(version, parent)

    def items_changed(self, items: Sequence[str] | None) -> None:
        """The item table changed, these items of the catalogue in what they are."""
        if items:
            changed = frozenset(items)
            for channel in self._channels.values():
                if not changed.isdisjoint(channel.items):
                    self._touch(channel)
        self.all_changed()

    def all_changed(self) -> None:
        """Something that all lists depend on changed: each is computed again, in some time."""
        self._round |= dict.fromkeys(self._channels.values())
        self._round_wanted.set()

    def look(self) -> None:
        """Hints may be missing: look at all versions now."""
        self._look.set()
        self.all_changed()

    def filled(self, key: Key, answer: Answer) -> None:
        """Somebody who polls has the list anew: readers get the same, but never an older one."""
        channel = self._channels.get(key)
        if channel is not None and (answer.version or 0) >= channel.version:
            channel.show(answer)

    def close(self) -> None:
        """Tell all readers to leave, and let no more in."""
        self._closed = True
        for channel in self._channels.values():
            for reader in channel.readers:
                reader.closed = True
            channel.wake()

    async def run(self) -> None:
        """Keep the channels up to date, for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(COMPUTATIONS_MAX):
                group.create_task(self._follow_due())
            group.create_task(self._follow_round())
            group.create_task(self._follow_versions())

    def _opened(self, key: Key, user_id: str, build: Build) -> Channel:
        channel = self._channels[key] = Channel(key, user_id, build)
        self._of_user.setdefault(user_id, set()).add(channel)
        found = self._ready(key)
        if found is None:
            self._touch(channel)
        else:
            channel.show(found)
        return channel

    def _forget(self, channel: Channel) -> None:
        del self._channels[channel.key]
        self._round.pop(channel, None)
        channels = self._of_user[channel.user_id]
        channels.discard(channel)
        if not channels:
            del self._of_user[channel.user_id]

    def _touch(self, channel: Channel) -> None:
        """Compute it as soon as its gap and the others allow."""
        if channel.state is State.COMPUTING:
            channel.again = True
        elif channel.state is State.IDLE:
            channel.state = State.WAITING
            wait_s = channel.computed_s + GAP_S - time.monotonic()
            if wait_s <= 0:
                self._due.put_nowait(channel)
            else:
                asyncio.get_running_loop().call_later(wait_s, self._due.put_nowait, channel)

    async def _compute(self, channel: Channel) -> None:
        channel.state, channel.again = State.COMPUTING, False
        self._round.pop(channel, None)
        try:
            if channel.readers:
                with traces.using(channel.push):
                    channel.show(await self._fill(channel.key, channel.build))
        except Unavailable as error:
            await self._put_off(channel, error)
        except Exception as error:  # noqa: BLE001 - the other lists go on
            _log.exception("a list that is watched cannot be computed")
            await self._put_off(channel, Unavailable(f"a defect of Vane: {type(error).__name__}"))
        finally:
            channel.state, channel.computed_s = State.IDLE, time.monotonic()
            if channel.again:
                self._touch(channel)

    async def _put_off(self, channel: Channel, error: Unavailable) -> None:
        """Nothing could be computed: what is shown stays, and is looked at again."""
        if channel.answer is None:
            channel.trouble = error
            channel.wake()
        self._round[channel] = None
        await asyncio.sleep(RETRY_S)
        self._round_wanted.set()

    async def _follow_due(self) -> None:
        while True:
            await self._compute(await self._due.get())

    async def _follow_round(self) -> None:
        while True:
            if not self._round:
                self._round_wanted.clear()
                await self._round_wanted.wait()
                continue
            channel = next(iter(self._round))
            del self._round[channel]
            began = time.monotonic()
            if channel.state is State.IDLE and began >= channel.computed_s + GAP_S:
                await self._compute(channel)
            else:
                self._touch(channel)
            await asyncio.sleep((1 / ROUND_SHARE - 1) * (time.monotonic() - began))

    async def _follow_versions(self) -> None:
        while True:
            self._look.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._recheck_s):
                    await self._look.wait()
            try:
                await self._recheck()
            except Unavailable:
                await asyncio.sleep(RETRY_S)

    async def _recheck(self) -> None:
        """Compute what shows another version of its user than there is: versions may go back."""
        users = list(self._of_user)
        for start in range(0, len(users), RECHECK_USERS_MAX):
            some = users[start : start + RECHECK_USERS_MAX]
            versions = await self._versions(some)
            for user_id in some:
                for channel in self._of_user.get(user_id, ()):
                    if channel.version != versions.get(user_id, 0):
                        self._touch(channel)

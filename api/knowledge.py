"""What a process knows without asking: the item table, the tuning and the model, kept in step.

PostgreSQL is read in a thread. The table is written by the event loop alone, in small pieces, so a
request sees no half of a piece and waits for none of the reading.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from vane.errors import Unavailable, UnusableTuning
from vane.item_table import ItemTable
from vane.settings import Settings
from vane.store.connection import Connection, connect
from vane.store.item_changes import CatalogueRows, ItemChanges, Rows
from vane.store.models import default_model, read_model
from vane.store.tuning import read_tuning
from vane.tuning import Tuning

PACE_S = 2.0
"""Without a hint, changes are looked for this often."""
PAUSE_S = 0.2
"""Hints that come closer together are followed at once; more often where trends are flushed so."""
FIRST_WAIT_S = 5.0
"""Longest wait of a request for the first table; a million items take longer to load."""

_log = logging.getLogger(__name__)


class Knowledge:
    """Of one process.

    Attributes:
        table: the items; another object after the trends were begun anew.
        model: what ranks.
        tuning: what the operator chose.
        tuning_trouble: why what the operator chose last cannot be used; empty where it is.
        newest_us: time of the newest event that the table holds.
        listeners: are told after each change which items of the catalogue changed, if any; None:
            the table is another one.
    """

    def __init__(self, settings: Settings, application: str) -> None:
        """Args: the servers; the name of the connection."""
        self.table = ItemTable()
        self.model = default_model()
        self.tuning = Tuning()
        self.tuning_trouble = ""
        self.newest_us = 0
        self.listeners: list[Callable[[Sequence[str] | None], None]] = []
        self._settings, self._application = settings, application
        self._by_event_clock = settings.clock == "event"
        self._pause_s = min(PAUSE_S, settings.trends_flush_ms / 1_000)
        self._connection: Connection | None = None
        self._changes: ItemChanges | None = None
        self._loaded = False
        self._thread = ThreadPoolExecutor(1, "knowledge")
        self._closing = False
        self._refreshing = asyncio.Lock()
        self._tried = asyncio.Event()
        self._trouble: Unavailable | None = None
        self._wanted = asyncio.Event()

    async def ready(self) -> None:
        """Wait for the first table.

        Raises:
            Unavailable: there is none yet.
        """
        if self._loaded:
            return
        try:
            async with asyncio.timeout(FIRST_WAIT_S):
                await self._tried.wait()
        except TimeoutError:
            raise Unavailable("the items are still being loaded") from None
        if self._trouble is not None:
            raise Unavailable(str(self._trouble))

    def wake(self) -> None:
        """Something changed: look soon."""
        self._wanted.set()

    def now_us(self) -> int:
        """The moment that is served: of the wall clock, or the time of the newest event."""
        return self.newest_us if self._by_event_clock else time.time_ns() // 1_000

    def ages_s(self) -> float:
        """Seconds in which what is kept grows old.

        By the clock of the events theirs count as well: in a replay an hour of them is a moment.
        """
        return time.monotonic() + (self.newest_us / 1e6 if self._by_event_clock else 0.0)

    async def follow(self) -> None:
        """Keep in step, for ever."""
        while True:
            try:
                await self.refresh()
                self._trouble = None
            except Unavailable as error:
                _log.info("the items are not followed: %s", error)
                self._trouble = error
            self._tried.set()
            await asyncio.sleep(self._pause_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PACE_S - PAUSE_S):  # wait_for may swallow a cancellation
                    await self._wanted.wait()

    async def refresh(self) -> None:
        """Bring everything up to date.

        Raises:
            Unavailable: PostgreSQL does not answer; what is known stays.
        """
        async with self._refreshing:
            self._wanted.clear()
            await self._refresh()

    async def _refresh(self) -> None:
        loop, before = asyncio.get_running_loop(), self._basis()
        loaded, pieces = await loop.run_in_executor(self._thread, self._read)
        if loaded is not None:
            self.table, self._loaded = loaded, True
            self._tell(None)
        for rows in pieces:
            rows.put_into(self.table, by_event_clock=self._by_event_clock)
            await asyncio.sleep(0)
        if loaded is not None or pieces:
            self.newest_us = await loop.run_in_executor(self._thread, _refreshed, self.table)
        if pieces or self._basis() != before:
            items = (rows.ids for rows in pieces if isinstance(rows, CatalogueRows))
            self._tell([item for ids in items for item in ids])

    def _basis(self) -> tuple[str, Tuning]:
        """What all lists depend on, beside the items."""
        return self.model.version, self.tuning

    async def close(self) -> None:
        """Leave the database, behind a reading that may be under way."""
        self._closing = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = self._changes = None

    def _read(self) -> tuple[ItemTable | None, list[Rows]]:
        """A new table, or what changed in the one that is known."""
        try:
            if self._connection is None:
                self._connection = connect(self._settings, self._application)
            self._read_tuning(self._connection)
            self.model = read_model(self._connection, self.model).model
            if self._changes is None or self._changes.set_back():
                return self._load(self._connection), []
            return None, list(self._changes.read())
        except BaseException:
            self._disconnect()  # what was read of the changes is lost: begin anew
            raise

    def _read_tuning(self, connection: Connection) -> None:
        """Take the tuning; a broken one changes nothing, and is told once."""
        try:
            self.tuning, trouble = read_tuning(connection)[0], ""
        except UnusableTuning as error:
            trouble = str(error)
        if trouble and trouble != self.tuning_trouble:
            _log.error("%s; the last good ones go on", trouble)
        self.tuning_trouble = trouble

    def _load(self, connection: Connection) -> ItemTable:
        table, self._changes = ItemTable(), ItemChanges(connection)
        with contextlib.closing(self._changes.read()) as pieces:
            for rows in pieces:
                if self._closing:
                    raise Unavailable("the process ends")
                rows.put_into(table, by_event_clock=self._by_event_clock)
        table.refresh()
        return table

    def _tell(self, items: Sequence[str] | None) -> None:
        for listener in self.listeners:
            listener(items)


def _refreshed(table: ItemTable) -> int:
    """Bring the table's lists up to date; the time of its newest event."""
    table.refresh()
    return max(int(table.last_us.max(initial=0)), 0)

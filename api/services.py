"""What every route works with, opened and closed with the application."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field

from fastapi import Request

from api.cache import TRENDS, Cache, item_subject, user_subject
from api.ingest import EventLog
from api.metrics import Metrics
from api.recommend import Query, trending
from api.waiting import AppliedOffsets
from schemas.events import CatalogHint, PreferenceHint, TrendsHint
from schemas.responses import ListedItem
from vane.bus import Connected, Hint, Publisher, Subscription
from vane.errors import Unavailable
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.serving import CANDIDATES_PER_SOURCE, ServingStore, open_store
from vane.store.tuning import read_tuning
from vane.tuning import Tuning

MEMORY_REFRESH_S = 30.0
MEMORY_RETRY_S = 2.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Memory:
    """What is popular, for when PostgreSQL is away; `since_s` on the monotonic clock."""

    items: Sequence[ListedItem] = ()
    since_s: float = 0.0


@dataclass(slots=True)
class Services:
    """The parts of a running API process."""

    settings: Settings
    store: ServingStore
    cache: Cache
    events: EventLog
    subscription: Subscription
    publisher: Publisher
    metrics: Metrics = field(default_factory=Metrics)
    tuning: Tuning = field(default_factory=Tuning)
    memory: Memory = field(default_factory=Memory)
    applied: AppliedOffsets = field(init=False)
    _database_away: bool = False

    def __post_init__(self) -> None:
        self.applied = AppliedOffsets(self.store.applied_offsets)

    def database_failed(self) -> None:
        """A read failed: what was learned before may not hold afterwards."""
        self._database_away = True

    def database_answered(self) -> None:
        """A read succeeded; the first one after a failure drops what a restart may have undone."""
        if self._database_away:
            self._database_away = False
            self.cache.drop_all()
            self.applied.forget()

    def take_hint(self, hint: Hint | Connected) -> None:
        """Drop what a hint makes old, and wake up who waited for it."""
        self.metrics.hints.labels(type(hint).__name__).inc()
        match hint:
            case PreferenceHint():
                for user_id, version in hint.changes:
                    self.cache.drop(user_subject(user_id), version)
                self.applied.advance(hint.log, hint.partition, hint.next_offset)
            case CatalogHint():
                for item_id in hint.items:
                    self.cache.drop(item_subject(item_id))
                self.cache.drop(TRENDS)
            case TrendsHint():
                self.cache.drop(TRENDS)
            case Connected():
                self.cache.drop_all()

    async def follow_hints(self) -> None:
        """Take every hint, for ever."""
        async for hint in self.subscription.messages():
            self.take_hint(hint)

    async def refresh_memory(self) -> None:
        """Keep the tuning and what is popular at hand, for ever."""
        while True:
            pause_s = MEMORY_RETRY_S
            try:
                self.tuning = await asyncio.to_thread(_current_tuning, self.settings)
                found = await trending(self.store, Query(limit=CANDIDATES_PER_SOURCE))
                self.memory = Memory(found.items, time.monotonic())
                pause_s = MEMORY_REFRESH_S if found.items else MEMORY_RETRY_S
            except Unavailable:
                self.database_failed()
            await asyncio.sleep(pause_s)


@contextlib.asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """All parts for one process; none of the servers need answer yet."""
    async with open_store(settings, "vane api") as store, contextlib.AsyncExitStack() as stack:
        events = EventLog(settings)
        stack.push_async_callback(events.close)
        services = Services(
            settings=settings,
            store=store,
            cache=Cache(settings.cache_entries, settings.cache_ttl_ms / 1e3),
            events=events,
            subscription=Subscription(settings.redis_url),
            publisher=Publisher(settings.redis_url),
        )
        stack.callback(services.publisher.close)
        for work in (services.follow_hints(), services.refresh_memory()):
            stack.push_async_callback(_cancel, asyncio.create_task(_reported(work)))
        yield services


def services_of(request: Request) -> Services:
    """The services of the application that the request is for."""
    services: Services = request.app.state.services
    return services


def _current_tuning(settings: Settings) -> Tuning:
    with connect(settings, "vane api") as connection:
        return read_tuning(connection)[0]


async def _reported(work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except Exception:
        _log.exception("a background task of the API ended")
        raise


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task

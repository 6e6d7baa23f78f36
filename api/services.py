"""What every route works with, opened and closed with the application."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial

from fastapi import Request

from api.cache import TRENDS, Answer, Cache, Key, item_subject, user_subject
from api.callers import Callers
from api.coverage import Coverage
from api.encoder import QueryEncoder
from api.ingest import EventLog
from api.knowledge import Knowledge
from api.list_log import ListLog
from api.metrics import Metrics
from api.people import PeopleSample
from api.recommend import list_name, trending
from api.recommender import Query, Recommender
from api.stream_hub import StreamHub
from api.waiting import AppliedOffsets, bounded
from schemas.events import CatalogHint, PreferenceHint, SettingsHint, TrendsHint
from schemas.responses import ListedItem, Recommendations
from vane.bus import Connected, Hint, Publisher, Subscription
from vane.errors import Unavailable
from vane.filters import passes
from vane.settings import Settings
from vane.store.serving import ServingStore, open_store
from vane.store.versions import user_versions
from vane.traces import current_trace_id

MEMORY_ITEMS = 100
MEMORY_REFRESH_S = 30.0
MEMORY_RETRY_S = 2.0
ANSWER_S_MAX = 4.0
"""Longest time to compute an answer, whatever PostgreSQL does; then the fallbacks."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Memory:
    """What is popular, for when PostgreSQL is away; `since_s` on the monotonic clock."""

    items: Sequence[ListedItem] = ()
    since_s: float = 0.0

    def recommendations(self, user_id: str, query: Query) -> Recommendations:
        """What was popular when PostgreSQL last answered, as a user's list.

        Raises:
            Unavailable: that is nothing.
        """
        items = [
            item
            for item in self.items
            if passes(query.filter, item.kind, item.category, item.tags, item.price)
            and item.item_id not in query.exclude
        ][: query.limit]
        if not items:
            raise Unavailable("PostgreSQL does not answer, and nothing is known without it")
        name = list_name("memory", user_id, query, items)
        return Recommendations(user_id, name, 0, "trending", items)

    @property
    def age_s(self) -> int:
        """How old it is."""
        return int(time.monotonic() - self.since_s)


@dataclass(slots=True)
class Services:
    """The parts of a running API process; `ending`: it wants no more traffic, as it stops soon."""

    settings: Settings
    store: ServingStore
    knowledge: Knowledge
    cache: Cache
    callers: Callers
    events: EventLog
    subscription: Subscription
    publisher: Publisher
    metrics: Metrics = field(default_factory=Metrics)
    memory: Memory = field(default_factory=Memory)
    people: PeopleSample = field(default_factory=PeopleSample)
    recommender: Recommender = field(init=False)
    encoder: QueryEncoder = field(init=False)
    lists: ListLog = field(init=False)
    coverage: Coverage = field(init=False)
    applied: AppliedOffsets = field(init=False)
    streams: StreamHub = field(init=False)
    ending: bool = False
    _database_away: bool = False

    def __post_init__(self) -> None:
        self.recommender = Recommender(self.store, self.knowledge, self.metrics.making)
        self.encoder = QueryEncoder(self.settings)
        self.coverage = Coverage(self.settings.redis_url)
        self.metrics.making.shown = self.coverage.show
        percent = self.settings.served_log_percent
        self.lists = ListLog(self.events, percent, self.metrics.lists["dropped"])
        if percent:
            self.recommender.on_list = self.lists.served
        self.knowledge.listeners.append(lambda _items: self.cache.drop(TRENDS))
        self.applied = AppliedOffsets(self.store.applied_offsets)
        self.streams = StreamHub(
            self.fill,
            partial(user_versions, self.store),
            self.cache.get,
            recheck_s=self.cache.ttl_s,
            readers_max=self.settings.streams_max,
        )
        self.cache.listeners.append(self.streams.filled)
        self.knowledge.listeners.append(self.streams.items_changed)
        self.metrics.settings_broken.follow(lambda: bool(self.knowledge.tuning_trouble))
        self.metrics.streams.follow(lambda: self.streams.readers)
        self.metrics.cache_entries.follow(lambda: len(self.cache))
        self.metrics.redis_connected.follow(lambda: self.subscription.connected)

    def database_failed(self) -> None:
        """A read failed: what was learned before may not hold afterwards."""
        self._database_away = True

    def database_answered(self) -> None:
        """A read succeeded; the first one after a failure drops what a restart may have undone."""
        if self._database_away:
            self._database_away = False
            self.cache.drop_all()
            self.applied.forget()
            self.streams.look()

    async def compute(self, build: Callable[[], Awaitable[Answer]]) -> Answer:
        """An answer within `ANSWER_S_MAX`; tells what it shows of PostgreSQL.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        try:
            found = await bounded(build(), ANSWER_S_MAX, "PostgreSQL")
        except Unavailable:
            self.database_failed()
            raise
        self.database_answered()
        self.note_served(found)
        return found

    async def fill(self, key: Key, build: Callable[[], Awaitable[Answer]]) -> Answer:
        """Compute an answer and keep it, unless a hint has overtaken it."""
        ticket = self.cache.begin()
        found = await self.compute(build)
        self.metrics.cache["miss"].add()
        if not self.cache.put(key, found, ticket):
            self.metrics.cache["overtaken"].add()
        return found

    def last_known(self, key: Key) -> tuple[Answer, float] | None:
        """An answer from before PostgreSQL went away, and its age in seconds."""
        known = self.cache.last_known(key)
        if known is not None:
            self.metrics.cache["last_known"].add()
            self.metrics.fallbacks["last_known"].add()
        return known

    def note_served(self, found: Answer) -> None:
        """Measure how old the events are that an answer is the first one to show.

        Only of users who look soon after a hint: for others it is their own pause.
        """
        waited_s = self.cache.first_shown_s(found)
        if found.as_of and waited_s is not None and waited_s <= self.cache.ttl_s:
            age_s = max(time.time() - found.as_of.timestamp(), 0.0)
            self.metrics.served.observe(age_s, 1, current_trace_id())

    def take_hint(self, hint: Hint | Connected) -> None:
        """Drop what a hint makes old, and wake up who waited for it."""
        self.metrics.hints[type(hint).__name__].add()
        match hint:
            case PreferenceHint():
                self._take_changes(hint)
            case CatalogHint():
                for item_id in hint.items:
                    self.cache.drop(item_subject(item_id))
                self.cache.drop(TRENDS)
                self.knowledge.wake()
            case TrendsHint():
                self.knowledge.wake()
            case SettingsHint():
                if hint.changed == "settings":
                    self.cache.drop_all()
                    self.streams.look()
                self.knowledge.wake()
                self.callers.wake()
            case Connected():
                self.cache.drop_all()
                self.knowledge.wake()
                self.streams.look()
                self.callers.wake()

    def _take_changes(self, hint: PreferenceHint) -> None:
        self.metrics.hint_delay.observe(max(time.time() - hint.ts, 0.0))
        for user_id, version in hint.changes:
            self.cache.drop(user_subject(user_id), version)
            if hint.erased:
                self.cache.forget(user_subject(user_id))
            self.streams.user_changed(user_id, version)
        versions = dict(hint.changes) if hint.traces else {}
        for user_id, parent in hint.traces:
            self.streams.trace(user_id, versions.get(user_id, 0), parent)
        self.applied.advance(hint.log, hint.partition, hint.next_offset)

    async def follow_hints(self) -> None:
        """Take every hint, for ever."""
        async for hint in self.subscription.messages():
            self.take_hint(hint)

    async def refresh_memory(self) -> None:
        """Keep what is popular at hand, for ever."""
        while True:
            pause_s = MEMORY_RETRY_S
            try:
                found = await trending(self.recommender, Query(limit=MEMORY_ITEMS))
                self.memory = Memory(found.items, time.monotonic())
                pause_s = MEMORY_REFRESH_S if found.items else MEMORY_RETRY_S
            except Unavailable:
                self.database_failed()
            await asyncio.sleep(pause_s)


@contextlib.asynccontextmanager
async def open_services(settings: Settings, callers: Callers) -> AsyncIterator[Services]:
    """All parts for one process; none of the servers need answer yet."""
    async with open_store(settings, "vane api") as store, contextlib.AsyncExitStack() as stack:
        events = EventLog(settings)
        stack.push_async_callback(events.close)
        knowledge = Knowledge(settings, "vane api")
        ttl_s = settings.cache_ttl_ms / 1e3
        services = Services(
            settings=settings,
            store=store,
            knowledge=knowledge,
            cache=Cache(settings.cache_entries, ttl_s, ages=knowledge.ages_s),
            callers=callers,
            events=events,
            subscription=Subscription(settings.redis_url),
            publisher=Publisher(settings.redis_url),
        )
        stack.push_async_callback(services.encoder.close)
        stack.push_async_callback(services.coverage.close)
        stack.callback(services.publisher.close)
        stack.push_async_callback(services.knowledge.close)
        following = (
            services.follow_hints(),
            services.knowledge.follow(),
            services.callers.follow(store),
            services.streams.run(),
            services.coverage.run(),
        )
        works = (*following, services.refresh_memory())
        tasks = [asyncio.create_task(_reported(work)) for work in works]
        stack.push_async_callback(_cancel, tasks)
        yield services


def services_of(request: Request) -> Services:
    """The services of the application that the request is for."""
    services: Services = request.app.state.services
    return services


async def _reported(work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except Exception:
        _log.exception("a background task of the API ended")
        raise


async def _cancel(tasks: "Sequence[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

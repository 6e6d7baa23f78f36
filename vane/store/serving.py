"""What serving reads: users, candidates, items, profiles. Asynchronous; nothing here writes."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection, AsyncCursor
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from schemas.responses import Item
from vane.errors import NotFound, Unavailable
from vane.meter import Count
from vane.retrieval import common
from vane.settings import Settings
from vane.store import binary
from vane.store.connection import remember, session_options, translated
from vane.store.sql import load_queries

PROFILE_EVENTS_MAX = 500
RECENT_ITEMS_MAX = 20
MEAN_SAMPLE_PAGES = 250
"""About 2,000 items: enough for a mean, and a few milliseconds."""
MEAN_FRESH_S = 10.0

POOL_CONNECTIONS_MAX = 8
POOL_WAIT_S = 1.0
POOL_CLOSE_S = 1.0
AWAY_PAUSE_S = 0.5
"""Where no connection could be had, the next ones need not wait for that to happen again."""
READ_TIMEOUT_S = 5.0
"""Longest wait for one read, whatever the server does."""
SESSION = {
    "hnsw.ef_search": "80",  # benchmarks.recall: 0.996 of the 40 nearest on films
    "hnsw.iterative_scan": "relaxed_order",
    "max_parallel_workers_per_gather": "0",  # many short reads: one core each
}

DIMENSION = 384

_SQL = load_queries("serving")

logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # whoever waits is told by an error


class UserState(NamedTuple):
    """A user, and the version of the settings that held at that moment."""

    version: int
    as_of: datetime | None
    events: int
    settings_version: int


class Detail(NamedTuple):
    """What a list shows of an item."""

    item_id: str
    title: str
    kind: str
    category: str | None
    tags: list[str]
    price: float | None
    currency: str | None
    image_url: str | None
    url: str | None


class Affinity(NamedTuple):
    """Decayed weight of a user's events on a category or tag; negative for a disliked one."""

    kind: str
    name: str
    share: float


class RecentItem(NamedTuple):
    """An item that a user touched, with the last action on it."""

    item_id: str
    title: str
    action: str
    ts: datetime


@dataclass(slots=True)
class IndexScans:
    """Counts searches of the text index by what came of them, and their rows."""

    full: Count = field(default_factory=Count)
    short: Count = field(default_factory=Count)
    rows: Count = field(default_factory=Count)

    def count(self, found: int, wanted: int) -> None:
        """A search gave so many rows of those wanted."""
        (self.full if found >= wanted else self.short).add()
        self.rows.add(found)


class ServingStore:
    """Reads for one process, over a pool of connections.

    Every method raises `Unavailable` where PostgreSQL does not answer in time.

    Attributes:
        scans: counts searches of the text index.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Any]]) -> None:
        self._pool = pool
        self.scans = IndexScans()
        self._mean = np.zeros(DIMENSION, np.float32)
        self._mean_parameter = binary.Vector(self._mean)
        self._mean_until = self._away_until = float("-inf")
        self._repair: asyncio.Task[None] | None = None

    async def item(self, item_id: str) -> Item:
        """All that is known of an item.

        Raises:
            NotFound: there is no such item.
        """
        (rows,) = await self._read(("item", {"item_id": item_id}))
        if not rows:
            raise NotFound(f"no item {item_id!r}")
        return Item(*rows[0])

    async def profile(
        self, user_id: str, half_life_s: float
    ) -> tuple[UserState, list[Affinity], list[RecentItem]]:
        """A user's state, affinities (strongest first) and recent items (newest first)."""
        fields = {
            "user_id": user_id,
            "half_life_s": half_life_s,
            "events_max": PROFILE_EVENTS_MAX,
            "limit": RECENT_ITEMS_MAX,
        }
        (state,), affinities, recent = await self._read(
            ("user_state", fields), ("affinities", fields), ("recent_items", fields)
        )
        return (
            UserState(*state),
            [Affinity(*row) for row in affinities],
            [RecentItem(*row) for row in recent],
        )

    async def item_mean(self) -> NDArray[np.float32]:
        """What the contents of all items have in common, by a sample."""
        if time.monotonic() >= self._mean_until:
            (rows,) = await self._read(("item_mean", {"pages": MEAN_SAMPLE_PAGES}))
            ((mean, count),) = rows
            self._mean = common(vectors([mean])[0], count)
            self._mean_parameter = binary.Vector(self._mean)
            if count:
                self._mean_until = time.monotonic() + MEAN_FRESH_S
        return self._mean

    async def item_mean_parameter(self) -> binary.Vector:
        """`item_mean` as a parameter."""
        await self.item_mean()
        return self._mean_parameter

    async def applied_offsets(self, log_id: int) -> dict[int, int]:
        """Partition → next offset of flow interactions in one log."""
        (rows,) = await self._read(("applied_offsets", {"log_id": log_id}))
        return dict(rows)

    async def ping(self) -> None:
        """One round trip."""
        await self._read(("settings_version", {}))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection of the pool for other reads, within the time-outs of this class."""
        if time.monotonic() < self._away_until:
            raise Unavailable("PostgreSQL: no connection a moment ago")
        try:
            with translated():
                async with asyncio.timeout(READ_TIMEOUT_S), self._pool.connection() as opened:
                    yield opened
        except TimeoutError:
            self._discard_broken()
            raise Unavailable(f"PostgreSQL: no answer within {READ_TIMEOUT_S:.0f} s") from None
        except Unavailable as error:
            if isinstance(error.__cause__, PoolTimeout):
                self._away_until = time.monotonic() + AWAY_PAUSE_S
            else:
                self._discard_broken()
            raise

    async def _read(self, *queries: tuple[str, Mapping[str, Any]]) -> list[list[Any]]:
        return await self.read(*((_SQL[name], fields) for name, fields in queries))

    async def read(
        self, *queries: tuple[str, Mapping[str, Any]], prepare: bool = False
    ) -> list[list[Any]]:
        """The rows of each query, all sent at once.

        Prepared ones are parsed and, where that costs nothing, planned once for all parameters;
        others have a plan for these parameters, as filters of very different strength deserve.
        """
        async with self.connection() as opened:
            if len(queries) == 1:
                cursor = await _send(opened, *queries[0], prepare=prepare)
                return [await cursor.fetchall()]
            async with opened.pipeline():
                cursors = [await _send(opened, *query, prepare=prepare) for query in queries]
            return [await cursor.fetchall() for cursor in cursors]

    def _discard_broken(self) -> None:
        """After a failure look at all idle connections, in the background."""
        if self._repair is None or self._repair.done():
            self._repair = asyncio.create_task(self._pool.check())


async def _send(
    connection: AsyncConnection[Any], query: str, fields: Mapping[str, Any], *, prepare: bool
) -> AsyncCursor[Any]:
    return await connection.cursor(binary=True).execute(query, fields, prepare=prepare)


@asynccontextmanager
async def open_store(settings: Settings, application: str) -> AsyncIterator[ServingStore]:
    """A store with its pool; the database need not answer yet."""
    options = session_options(settings)
    options["options"] = " ".join(
        [str(options["options"]), *(f"-c {key}={value}" for key, value in SESSION.items())]
    )
    pool = AsyncConnectionPool(
        settings.database_url,
        kwargs={"autocommit": True, "application_name": application, **options},
        min_size=1,
        max_size=POOL_CONNECTIONS_MAX,
        timeout=POOL_WAIT_S,
        configure=remember,
        reconnect_timeout=0,  # who needs a connection tries again; no growing pauses
        open=False,
    )
    await pool.open(wait=False)
    try:
        yield ServingStore(pool)
    finally:
        await pool.close(POOL_CLOSE_S)


def vectors(cells: Sequence[bytes | None]) -> NDArray[np.float32]:
    """Contents in binary form as (n, d); zeros where there is none."""
    nothing = bytes(4 + 2 * DIMENSION)
    filled = [nothing if cell is None else cell for cell in cells]
    return binary.read_vectors(filled, ">f2", DIMENSION)


def literal(vector: NDArray[np.float32]) -> str:
    """A vector as pgvector reads it."""
    return str(vector.tolist())

"""Redis publish/subscribe: hints about what changed; never the truth, so no failure is fatal."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from schemas.events import CatalogHint, PreferenceHint, SettingsHint, TrendsHint
from vane.errors import Unavailable

PREFERENCES = "vane:preferences"
CATALOG = "vane:catalog"
TRENDS = "vane:trends"
SETTINGS = "vane:settings"

SOCKET_TIMEOUT_S = 1.0
PUBLISH_PAUSE_S = 5.0
"""After a failure nothing is tried for this long: a hung Redis costs a flow 1 s in 6 at most."""
LOG_PAUSE_S = 60.0
SHOWN = "vane:shown:"
SHOWN_SLOT_S = 600
SHOWN_KEPT_S = 25 * 3_600
"""What was shown in a slot of time is a HyperLogLog of at most 12 kB, with an error of 0.8 %."""
RECONNECT_S_MIN, RECONNECT_S_MAX = 0.1, 2.0
PING_AFTER_S = 2.0
"""A silent subscription is pinged this often …"""
SILENCE_S_MAX = 6.0
"""… and given up when nothing came, not even a pong."""

_log = logging.getLogger(__name__)

Hint = PreferenceHint | CatalogHint | TrendsHint | SettingsHint
_DECODERS: dict[bytes, Callable[[bytes], Hint]] = {
    PREFERENCES.encode(): msgspec.json.Decoder(PreferenceHint).decode,
    CATALOG.encode(): msgspec.json.Decoder(CatalogHint).decode,
    TRENDS.encode(): msgspec.json.Decoder(TrendsHint).decode,
    SETTINGS.encode(): msgspec.json.Decoder(SettingsHint).decode,
}


class Publisher:
    """Publishes hints; blocks a second at most, and not again for a while after a failure."""

    def __init__(self, redis_url: str) -> None:
        self._client = _client(redis_url)
        self._paused_until = self._quiet_until = float("-inf")

    def publish(self, channel: str, message: msgspec.Struct) -> bool:
        """Send `message` as JSON; False where Redis did not take it."""
        now = time.monotonic()
        if now < self._paused_until:
            return False
        try:
            self._client.publish(channel, msgspec.json.encode(message))
        except (redis.RedisError, OSError) as error:
            now = time.monotonic()
            self._paused_until = now + PUBLISH_PAUSE_S
            if now >= self._quiet_until:
                self._quiet_until = now + LOG_PAUSE_S
                _log.warning("Redis takes no hints, readers fall back to time-outs: %s", error)
            return False
        return True

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


@dataclass(frozen=True, slots=True)
class Connected:
    """The subscription begins or begins again: hints may have been missed before this one."""


class Subscription:
    """All hints, for as long as it is iterated; reconnects by itself.

    Attributes:
        connected: whether hints arrive right now.
    """

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._quiet_until = float("-inf")
        self.connected = False

    async def messages(self) -> AsyncIterator[Hint | Connected]:
        """Yield `Connected` after each (re)connection, then hints. Never ends, never raises."""
        pause_s = RECONNECT_S_MIN
        while True:
            try:
                async for message in self._one_connection():
                    pause_s = RECONNECT_S_MIN
                    yield message
            except (redis.RedisError, OSError, TimeoutError) as error:
                self._report(error)
            finally:
                self.connected = False
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RECONNECT_S_MAX)

    async def _one_connection(self) -> AsyncIterator[Hint | Connected]:
        client = redis.asyncio.Redis.from_url(
            self._url,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            retry=AsyncRetry(NoBackoff(), 0),
        )
        pubsub = client.pubsub()
        try:
            await pubsub.subscribe(*_DECODERS)
            async for message in _until_silent(pubsub):
                if message["type"] == "message":
                    yield _decode(message["channel"], message["data"])
                elif message["type"] == "subscribe" and not self.connected:
                    self.connected = True
                    yield Connected()
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]
            await client.aclose()

    def _report(self, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + LOG_PAUSE_S
            _log.warning("no hints from Redis, answers live up to their time-out: %s", error)


class ShownItems:
    """Which items lists have shown, as sketches that all processes of the API share."""

    def __init__(self, redis_url: str) -> None:
        self._client = redis.asyncio.Redis.from_url(
            redis_url,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            retry=AsyncRetry(NoBackoff(), 0),
        )

    async def add(self, items: Collection[str], now_s: float) -> bool:
        """These were shown now; False where Redis did not take it."""
        key = f"{SHOWN}{int(now_s) // SHOWN_SLOT_S}"
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.pfadd(key, *items)
                pipeline.expire(key, SHOWN_KEPT_S)
                await pipeline.execute()
        except (redis.RedisError, OSError):
            return False
        return True

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def count_shown(redis_url: str, window_s: int, now_s: float) -> int:
    """How many items lists have shown in the last seconds, rounded up to slots of ten minutes.

    Raises:
        Unavailable: Redis does not answer within a second.
    """
    last, client = int(now_s) // SHOWN_SLOT_S, _client(redis_url)
    keys = [f"{SHOWN}{slot}" for slot in range(last - window_s // SHOWN_SLOT_S, last + 1)]
    try:
        found: Any = client.pfcount(*keys)
    except (redis.RedisError, OSError) as error:
        raise Unavailable(f"Redis: {error}") from error
    finally:
        client.close()
    return int(found)


class RedisHealth(NamedTuple):
    """What Redis tells of itself."""

    memory_bytes: int
    clients: int
    commands: int


def redis_health(redis_url: str) -> RedisHealth:
    """Ask Redis how it is.

    Raises:
        Unavailable: it does not answer within a second.
    """
    client = _client(redis_url)
    try:
        told: Any = client.info()
    except (redis.RedisError, OSError) as error:
        raise Unavailable(f"Redis: {error}") from error
    finally:
        client.close()
    return RedisHealth(
        told["used_memory"], told["connected_clients"], told["total_commands_processed"]
    )


class RedisSettings(NamedTuple):
    """How Redis is set up; `config` is empty where it does not tell.

    Attributes:
        subscribers: of the channel of preferences.
        dropped: connections that were ended because they did not read fast enough.
    """

    version: str
    config: dict[str, str]
    subscribers: int
    dropped: int


def redis_settings(redis_url: str) -> RedisSettings:
    """Ask Redis how it is set up.

    Raises:
        Unavailable: it does not answer within a second.
    """
    client = _client(redis_url)
    try:
        told: Any = client.info("everything")
        listening: Any = client.pubsub_numsub(PREFERENCES)
        try:
            config: Any = client.config_get("*")
        except redis.ResponseError:  # a managed one may not be asked
            config = {}
    except (redis.RedisError, OSError) as error:
        raise Unavailable(f"Redis: {error}") from error
    finally:
        client.close()
    dropped = told.get("client_output_buffer_limit_disconnections", 0)
    return RedisSettings(told["redis_version"], config, listening[0][1], dropped)


def _client(redis_url: str) -> redis.Redis:
    """One that waits a second at most, and does not try again."""
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


async def _until_silent(pubsub: Any) -> AsyncIterator[dict[str, Any]]:
    heard = time.monotonic()
    while True:
        message = await pubsub.get_message(timeout=PING_AFTER_S)
        if message is not None:
            heard = time.monotonic()
            yield message
        elif time.monotonic() - heard > SILENCE_S_MAX:
            raise TimeoutError("a subscription without an answer to its pings")
        else:
            await pubsub.ping()


def _decode(channel: bytes, data: bytes) -> Hint | Connected:
    """A hint; one that cannot be read may have been about anything, as after a reconnection."""
    try:
        return _DECODERS[channel](data)
    except (msgspec.MsgspecError, RecursionError):
        _log.warning("unreadable hint on %s", channel.decode())
        return Connected()

"""Does Redis carry hints to every reader? Every check looks at `RedisSettings`."""

from collections.abc import Iterator

from vane.bus import RedisSettings
from vane.doctor.check import Check, Fault, bytes_text, hint, warning

VERSION_MIN = 6
BUFFER_BYTES_MIN = 8 << 20
"""A hint about 5,000 users has 100 kB; a reader that pauses for a second misses none with this."""
PUBSUB = "pubsub"


def version(redis: RedisSettings) -> Iterator[Fault]:
    """Publish and subscribe are old; older ones are without care."""
    if int(redis.version.split(".")[0]) < VERSION_MIN:
        yield warning(f"Redis {redis.version} is no longer cared for", "update to 7 or newer")


def memory(redis: RedisSettings) -> Iterator[Fault]:
    """Nothing of Vane is stored in Redis; what others store must not stop hints."""
    if redis.config.get("maxmemory") == "0":
        yield hint("maxmemory is 0: Redis may take all memory", "set maxmemory to 128mb or more")
    elif redis.config.get("maxmemory-policy") == "noeviction":
        yield hint(
            "maxmemory-policy is noeviction: once others have filled Redis, it refuses writes",
            "set maxmemory-policy to allkeys-lru, or use a Redis for Vane alone",
        )


def buffers(redis: RedisSettings) -> Iterator[Fault]:
    """A reader that is slow for a moment keeps its subscription."""
    words = redis.config.get("client-output-buffer-limit", "").split()
    if PUBSUB in words:
        place = words.index(PUBSUB)
        hard, soft, seconds = (int(word) for word in words[place + 1 : place + 4])
        if 0 < hard < BUFFER_BYTES_MIN or (0 < soft < BUFFER_BYTES_MIN and seconds < 10):  # noqa: PLR2004
            yield warning(
                f"client-output-buffer-limit ends a subscriber at {bytes_text(hard or soft)}",
                "set it to: pubsub 32mb 8mb 60",
            )
        elif hard == soft == 0:
            yield hint(
                "a subscriber that hangs may fill Redis' memory",
                "set client-output-buffer-limit to: pubsub 32mb 8mb 60",
            )
    if redis.dropped:
        yield hint(
            f"{redis.dropped:,} connections were ended as they did not read fast enough",
            "look at the CPU of the API processes",
        )


def subscribers(redis: RedisSettings) -> Iterator[Fault]:
    """Each API process listens."""
    if redis.subscribers == 0:
        yield warning(
            "no API process listens to hints: lists are as old as VANE_CACHE_TTL_MS",
            "start the API, with the same VANE_REDIS_URL as the flows",
        )


CHECKS: tuple[Check[RedisSettings], ...] = (
    Check("redis-version", "6 or newer", "deployment.md", version),
    Check("redis-memory", "`maxmemory` is set and evicts", "deployment.md", memory),
    Check(
        "redis-buffers",
        "`client-output-buffer-limit pubsub` lets a reader pause",
        "runbooks/VaneHintsLost.md",
        buffers,
    ),
    Check("redis-subscribers", "the API listens", "runbooks/VaneHintsLost.md", subscribers),
)

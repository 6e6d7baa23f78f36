import asyncio
import logging
import socket
import time
from collections.abc import Iterator

import pytest

from schemas.events import CatalogHint, PreferenceHint, TrendsHint
from vane import bus
from vane.bus import Connected, Hint, Publisher, Subscription

HINT = PreferenceHint([("ada", 3)], 1, 0, 7, 1.5)


@pytest.fixture
def hung_redis() -> Iterator[str]:
    """A server that accepts connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}"


async def received(subscription: Subscription, count: int, publisher: Publisher) -> list[object]:
    """The first messages; those published come after the connection."""
    found: list[object] = []
    async for message in subscription.messages():
        found.append(message)
        if len(found) == 1:
            assert subscription.connected
            for channel, hint in HINTS:
                assert publisher.publish(channel, hint)
            publisher._client.publish(bus.CATALOG, b"not a hint")
        if len(found) == count:
            break
    return found


HINTS: list[tuple[str, Hint]] = [
    (bus.PREFERENCES, HINT),
    (bus.CATALOG, CatalogHint(["car"], 1.0)),
    (bus.TRENDS, TrendsHint(2, 1.0)),
]


def test_hints_arrive_as_they_were_sent_and_unreadable_ones_as_a_new_start(redis_url: str) -> None:
    publisher = Publisher(redis_url)
    found = asyncio.run(asyncio.wait_for(received(Subscription(redis_url), 5, publisher), 10))
    publisher.close()
    assert found == [Connected(), *(hint for _, hint in HINTS), Connected()]


def test_a_hung_redis_costs_a_publisher_a_second_once(
    hung_redis: str, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Publisher(hung_redis)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert [publisher.publish(bus.PREFERENCES, HINT) for _ in range(1_000)] == [False] * 1_000
    assert time.monotonic() - began < 2 * bus.SOCKET_TIMEOUT_S
    assert len(caplog.records) == 1
    publisher.close()


def test_after_a_pause_hints_are_sent_again(redis_url: str) -> None:
    publisher = Publisher(redis_url)
    publisher._paused_until = time.monotonic() + 0.05
    assert not publisher.publish(bus.PREFERENCES, HINT)
    time.sleep(0.06)
    assert publisher.publish(bus.PREFERENCES, HINT)
    publisher.close()


def test_a_subscription_to_a_hung_redis_keeps_trying(hung_redis: str) -> None:
    subscription = Subscription(hung_redis)

    async def first() -> object:
        return await anext(aiter(subscription.messages()))

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(first(), 1.5))
    assert not subscription.connected

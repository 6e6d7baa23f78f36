"""A share of as many as a name has addresses: counted at the start, watched while it runs."""

import signal
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from threading import Event

import pytest

from vane.cli import peers
from vane.cli.peers import addresses_of, end_on_change, wait_for_place
from vane.errors import UsageError

TICK_S = 0.01


def counts(*first: int) -> Callable[[str], int]:
    """A name whose number of addresses changes from look to look; the last one stays."""
    answers = chain(first, repeat(first[-1]))
    return lambda _: next(answers)


@pytest.fixture
def ended() -> Iterator[Event]:
    """Set when this process has got SIGTERM."""
    told = Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    yield told
    signal.signal(signal.SIGTERM, before)


def test_addresses_are_counted_once_each() -> None:
    assert addresses_of("localhost") == 1
    assert addresses_of("no-such-name.invalid") == 0


def test_a_start_waits_until_the_number_stands_and_has_a_place() -> None:
    assert wait_for_place("pods", 1, counts(0, 1, 2, 3, 3), TICK_S) == 3
    assert wait_for_place("pods", 0, counts(1, 1), TICK_S) == 1


def test_a_place_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "ARRIVAL_LIMIT_S", 0.05)
    with pytest.raises(UsageError, match="has 2 addresses, which leaves no place 2"):
        wait_for_place("pods", 2, counts(2), TICK_S)


def test_a_process_ends_once_there_are_more_or_fewer(ended: Event) -> None:
    thread = end_on_change("pods", 2, counts(2, 2, 3), TICK_S, 5 * TICK_S)
    thread.join(5)
    assert ended.wait(5)


def test_a_pod_that_is_replaced_ends_nobody(ended: Event) -> None:
    replaced = counts(*([2] * 3 + [1] * 3 + [2] * 3 + [0] * 20 + [2]))
    thread = end_on_change("pods", 2, replaced, TICK_S, 20 * TICK_S)
    time.sleep(40 * TICK_S)
    assert thread.is_alive()
    assert not ended.is_set()

"""Dead letters: brought back exactly once, listed, purged, and a limit on how many there may be."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from schemas.events import Retry
from tests.integration.test_interactions_flow import (
    assert_exact,
    broker,
    environ,
    flow,
    passed,
    produce,
    wait_for,
)
from tests.support import Worker, add_item, event, unit_vectors
from vane.errors import OperatorNeeded
from vane.settings import Settings
from vane.store.connection import Connection
from vane.tuning import Tuning

__all__ = ["broker", "environ"]
Start = Callable[..., Worker]


@pytest.fixture
def logs() -> list[list[bytes | None]]:
    return [[], []]


@pytest.fixture
def start(settings: Settings, connection: Connection, logs: Any) -> Iterator[Start]:
    add_item(connection, "i", unit_vectors(1)[0])
    with ExitStack() as workers:
        yield lambda **changes: workers.enter_context(
            closing(Worker(replace(settings, **changes), connection, logs))
        )


def again(log_id: int, offset: int, raw: bytes) -> bytes:
    """What `vane dead-letters retry` produces for a letter of partition 0."""
    return msgspec.json.encode(Retry("1.0", f"{log_id}/0/{offset}", raw))


def allow(connection: Connection, action: str) -> None:
    """An operator gives the action a weight."""
    weights = Tuning().action_weights | {action: 3.0}
    connection.execute(
        "update setting set version = version + 1, "
        "value = jsonb_set(value, '{action_weights}', %s::jsonb)",
        [json.dumps(weights)],
    )


def counts(connection: Connection) -> tuple[Any, ...]:
    row = connection.execute(
        "select sum(applied), sum(dead_lettered), sum(duplicates) from stream_position"
    ).fetchone()
    assert row is not None
    return tuple(map(int, row))


def test_a_letter_is_brought_back_once_however_often_it_is_tried(
    start: Start, connection: Connection, logs: Any
) -> None:
    dance = event(1, action="dance")
    logs[0].append(dance)
    worker = start()
    worker.drain()
    assert counts(connection) == (0, 1, 0)
    allow(connection, "dance")
    worker.drain()
    back = again(worker.log_id, 0, dance)
    logs[0] += [back, back]
    logs[1] += [back]
    worker.drain()
    logs[0] += [back]
    start().drain()
    assert counts(connection) == (1, 1, 3)
    rows = connection.execute("select event_id, weight, partition from interaction").fetchall()
    assert rows == [("e1", 3.0, 0)]
    assert connection.execute("select retried_at is null from dead_letter").fetchall() == [(False,)]
    assert_exact(connection)


def test_the_mark_counts_even_beyond_the_duplicate_horizon(
    start: Start, connection: Connection, logs: Any
) -> None:
    dance = event("d", action="dance")
    logs[0].append(dance)
    worker = start()
    worker.drain()
    allow(connection, "dance")
    back = again(worker.log_id, 0, dance)
    worker.drain()
    logs[0] += [back, *(event(n) for n in range(100)), back]
    worker.drain()
    assert counts(connection) == (101, 1, 1)


def test_what_is_still_refused_is_a_new_letter_that_can_be_tried_too(
    start: Start, connection: Connection, logs: Any
) -> None:
    dance = event(1, action="dance")
    logs[0].append(dance)
    worker = start()
    worker.drain()
    logs[0].append(again(worker.log_id, 0, dance))
    worker.drain()
    assert counts(connection) == (0, 2, 0)
    letters = connection.execute(
        'select "offset", reason, retried_at is null from dead_letter order by 1'
    ).fetchall()
    assert letters == [(0, "unknown action 'dance'", False), (1, "unknown action 'dance'", True)]


@pytest.mark.parametrize("place", ["9/9/9", "not a place"])
def test_an_envelope_that_names_no_letter(
    start: Start, connection: Connection, logs: Any, place: str
) -> None:
    logs[0].append(msgspec.json.encode(Retry("1.0", place, event(1))))
    start().drain()
    applied, dead, _ = counts(connection)
    assert (applied, dead) == ((1, 0) if "/" in place else (0, 1))


def test_a_bad_deploy_stops_the_flow_instead_of_filling_the_dead_letters(
    start: Start, connection: Connection, logs: Any
) -> None:
    logs[0] += [event(n) for n in range(7_000)] + [b"{}"] * 8_000
    worker = start()
    worker.apply(worker.chunk(0, most=7_000))
    worker.apply(worker.chunk(0, most=4_000))
    for attempt in (worker, start()):
        with pytest.raises(OperatorNeeded, match="VANE_DEAD_LETTER_PERCENT_MAX=100") as refused:
            attempt.apply(attempt.chunk(0, most=4_000))
        assert "80 % of the newest 10000 messages are dead letters" in str(refused.value)
    assert counts(connection) == (7_000, 4_000, 0)
    start(dead_letter_percent_max=100).drain()
    assert counts(connection) == (7_000, 8_000, 0)


def test_few_messages_are_never_too_many(start: Start, connection: Connection, logs: Any) -> None:
    logs[0] += [b"{}"] * 9_999
    start().drain()
    assert counts(connection) == (0, 9_999, 0)
    logs[0].append(b"{}")
    with pytest.raises(OperatorNeeded, match="100 % of the newest 10000"):
        start().drain()


def test_the_total_is_limited(start: Start, connection: Connection, logs: Any) -> None:
    logs[0] += [b"{}"] * 6
    worker = start(dead_letters_max=5)
    worker.apply(worker.chunk(0, most=5))
    with pytest.raises(OperatorNeeded, match=r"6 dead letters.*a larger VANE_DEAD_LETTERS_MAX"):
        worker.apply(worker.chunk(0, most=1))


def test_the_commands_over_a_real_broker(
    connection: Connection, environ: dict[str, str], broker: str
) -> None:
    def vane(*words: str) -> str:
        command = [sys.executable, "-m", "vane", "dead-letters", *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        return f"{done.returncode} {done.stdout}{done.stderr}"

    add_item(connection, "i", unit_vectors(1)[0])
    with flow(environ):
        produce(broker, [*(event(n, action="dance") for n in range(3)), b"garbage"])
        wait_for(lambda: passed(connection) == 4)
        allow(connection, "dance")
        listed = json.loads(vane("list", "--json", "--reason", "dance").removeprefix("0 "))
        assert [letter["offset"] for letter in listed] == [2, 1, 0]
        assert "unknown action" in vane("show", listed[0]["key"])
        assert vane("show", "1/0/999").startswith("1 vane: there is no dead letter 1/0/999")
        assert vane("retry").startswith("2 vane: name the letters")
        assert vane("retry", "--key", listed[0]["key"]).startswith("0 1 dead letters")
        wait_for(lambda: passed(connection) == 5)
        assert vane("retry", "--reason", "dance").startswith("0 2 dead letters")
        wait_for(lambda: passed(connection) == 7)
    assert counts(connection)[0] == 3
    assert vane("purge", "--days", "0").startswith("0 the contents of 4 dead letters")
    assert connection.execute("select count(payload) from dead_letter").fetchone() == (0,)
    assert_exact(connection)

"""Events that come twice, late, shuffled, from the future, broken, too large, or for odd items."""

import json
import time

import pytest

from tests.faults.conftest import MakeRig
from tests.faults.load import Mix
from tests.faults.rig import Rig
from tests.support import DAY_MS, add_item, unit_vectors
from vane.embedded.broker import Broker
from vane.interaction import FUTURE_LIMIT_US
from vane.store.connection import connect

pytestmark = pytest.mark.faults

EVENTS = 3_000


def repeated(rig: Rig) -> None:
    rig.load.produce(EVENTS)
    process = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 2))
    process.kill()
    rig.heal_and_check()
    assert rig.load.ledger.repeated > EVENTS // 8


def odd_times(rig: Rig) -> None:
    rig.load.produce(EVENTS // 10)
    now_ms = round(time.time() * 1e3)
    future: dict[str, float] = {
        "2300": 10_413_792_000_000,
        "soon": now_ms + 3_600_000,
        "far": 9e300,
    }
    for number, (name, ts) in enumerate(future.items()):
        rig.load.send_event(number % 2, event_id=f"future {name}", ts=ts)
    unreadable: list[float | str | None] = [-1, -9e300, 0, "1999-12-31T23:59:59Z", "now", None]
    for number, wrong in enumerate(unreadable):
        rig.load.send_poison(number % 2, rig.load.event_bytes(ts=wrong))
    rig.heal_and_check()
    [(clamped,)] = rig.query("select sum(clamped)::int from stream_position")
    assert clamped == len(future)
    limit_s = now_ms / 1e3 + FUTURE_LIMIT_US / 1e6 + 60
    [(late,)] = rig.query("select count(*) from interaction where ts > to_timestamp(%s)", limit_s)
    assert late == 0, f"{late} events lie in the future"


def item_arrives_late(rig: Rig) -> None:
    rig.load.produce(EVENTS)
    process = rig.start()
    rig.wait_passed(EVENTS // 2)
    with connect(rig.settings, "fault test") as connection:
        for number in range(30, 33):
            add_item(connection, f"i{number}", unit_vectors(1, seed=number)[0])
    rig.load.produce(EVENTS // 4)
    rig.load.flush()
    if rig.load.random.random() < 0.5:
        process.kill()
    waiting = "select count(*) from pending"

    def resolved() -> bool:
        return rig.drained() and rig.query(waiting) == [(0,)]

    rig.supervise(resolved)
    rig.heal_and_check()


@pytest.fixture
def twice(make_rig: MakeRig, embedded_broker: Broker) -> Rig:
    """A load in which every fifth event comes twice."""
    return make_rig(embedded_broker.bootstrap, Mix(repeated=0.2))


def test_repeated_by_the_producer(twice: Rig) -> None:
    repeated(twice)


def test_late_and_shuffled(make_rig: MakeRig, embedded_broker: Broker) -> None:
    rig = make_rig(embedded_broker.bootstrap, Mix(late=0.9, everywhere=True, repeated=0))
    rig.load.produce(EVENTS)
    rig.heal_and_check()


def test_from_the_future_and_before_our_time(rig: Rig) -> None:
    odd_times(rig)


def test_a_third_is_poison(make_rig: MakeRig, embedded_broker: Broker) -> None:
    rig = make_rig(embedded_broker.bootstrap, Mix(poison=0.33))
    rig.load.produce(EVENTS)
    process = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 2))
    process.kill()
    rig.heal_and_check()
    assert len(rig.load.ledger.poison) > EVENTS // 5


def test_oversized_and_not_a_number(rig: Rig) -> None:
    rig.load.produce(EVENTS // 10)
    for partition in range(2):
        for value in ("NaN", "Infinity", "-Infinity", "1e999"):
            raw = rig.load.event_bytes(value=12345).replace(b"12345", value.encode())
            rig.load.send_poison(partition, raw)
        rig.load.send_poison(partition, rig.load.event_bytes(padding="x" * (2 << 20)))
        rig.load.send_event(partition, event_id=f"large {partition}", padding="x" * 900_000)
    rig.load.produce(EVENTS // 10)
    rig.heal_and_check()


def test_only_items_without_direction(rig: Rig) -> None:
    """A zero vector has no cosine; an item without text has no vector at all."""
    with connect(rig.settings, "fault test") as connection:
        add_item(connection, "no text", None)
    for number in range(200):
        item = ("i0", "no text")[number % 2]
        rig.load.send_event(0, event_id=f"flat {number}", user_id="flat", item_id=item)
    rig.heal_and_check()
    [(norm, events)] = rig.query("select inner_product(long, long), events from user_preference")
    assert (norm, events) == (0, 200)


def test_item_embedded_again_and_deleted_while_its_events_arrive(rig: Rig) -> None:
    rig.load.produce(EVENTS)
    rig.start()
    versions = {f"i{number}": 1 for number in range(8)}
    for step in range(6):
        rig.wait_passed(EVENTS * step // 8)
        with connect(rig.settings, "fault test") as connection:
            for item, before in versions.items():
                versions[item] = before + 1
                fresh = unit_vectors(1, seed=before)[0]
                gone = rig.load.random.random() < 0.2
                add_item(connection, item, None if gone else fresh, before + 1)
    rig.load.produce(EVENTS // 2)
    rig.heal_and_check()
    time.sleep(1.5)
    rig.load.send_event(0, event_id="the last", item_id="i1")
    rig.heal_and_check()
    [(used,)] = rig.query("select item_version from interaction where event_id = 'the last'")
    assert used == versions["i1"]


def test_item_arrives_after_its_events(rig: Rig) -> None:
    item_arrives_late(rig)


def test_beyond_the_horizon_a_repeated_event_counts_again(rig: Rig) -> None:
    """The stated limit of the promise: 64 events of a user."""
    first = rig.load.send_event(0, event_id="again", user_id="busy")
    for number in range(64):
        rig.load.send_event(0, event_id=f"between {number}", user_id="busy")
    rig.heal_and_check()
    rig.load.send_event(0, event_id="again", user_id="busy")
    rig.load.send_again(0, first)
    rig.heal_and_check()


def test_a_trap_of_json(rig: Rig) -> None:
    """Keys twice, deep nesting, lone surrogates, byte order marks, other encodings."""
    good = rig.load.event_bytes()
    for number, raw in enumerate(
        (
            b"[" * 100_000,
            b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
            "\ufeff".encode() + good,
            good.decode().encode("utf-16"),
            good[:-1],
            good + b"x",
            good.replace(b'"user_id": "', b'"user_id": "\\ud800'),
            json.dumps({"specversion": "1.0", "data": {"ts": DAY_MS}}).encode(),
            None,
        )
    ):
        rig.load.send_poison(number % 2, raw)
    rig.load.produce(100)
    rig.heal_and_check()

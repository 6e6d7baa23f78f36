"""Users are erased while their events arrive, in two partitions, beside workers that are killed."""

import pytest

from tests.faults.conftest import MakeRig
from tests.faults.load import Mix
from tests.faults.real_kafka import RealKafka
from tests.faults.rig import Rig
from vane.embedded.broker import Broker

pytestmark = pytest.mark.faults

EVENTS = 9_000
AFTERWARDS = 500
"""More of them before each erasure, on both sides of its marker."""
PASSING_BY = Mix(everywhere=True, repeated=0, hot=0.2)
"""Everybody is in both partitions, before the erasure and behind it."""
ERASED = 12
KILLED = 3
"""Of the erasures so many have a worker killed beside them."""


def erased_under_load(rig: Rig) -> None:
    draw = rig.load.random
    users = ["u0", *(f"u{number}" for number in draw.sample(range(1, 40), ERASED - 1))]
    rig.load.produce(EVENTS)
    rig.load.flush()
    workers = {share: rig.start("--share", share) for share in ("0/2", "1/2")}
    rig.start(flow="trends")
    in_flight = 0
    for number, user in enumerate(users):
        rig.wait_passed(EVENTS * number // (3 * ERASED))
        rig.load.produce(AFTERWARDS)
        rig.load.flush()
        in_flight += not rig.drained()
        killed = draw.choice(sorted(workers)) if number % (ERASED // KILLED) == 1 else None
        if killed:
            workers[killed].kill()
        rig.erase(user)
        if killed:
            workers[killed] = rig.start("--share", killed)
    assert in_flight > ERASED // 2, f"seed {rig.seed}: the erasures came too late"
    rig.load.produce(EVENTS // 4)
    rig.heal_and_check()
    [(dropped,)] = rig.query(
        "select sum(erased)::int from stream_position where flow = 'interactions'"
    )
    assert dropped == rig.load.ledger.gone


def test_erased_under_load(make_rig: MakeRig, embedded_broker: Broker) -> None:
    erased_under_load(make_rig(embedded_broker.bootstrap, PASSING_BY))


def test_erased_under_load_on_kafka(make_rig: MakeRig, kafka: RealKafka) -> None:
    erased_under_load(make_rig(kafka.bootstrap, PASSING_BY, idempotent=True))

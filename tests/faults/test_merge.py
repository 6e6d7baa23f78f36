"""Users are merged while their events arrive, in two partitions and at two workers."""

import pytest

from tests.faults.conftest import MakeRig
from tests.faults.load import Mix
from tests.faults.proxy import CommitTrap
from tests.faults.real_kafka import RealKafka
from tests.faults.rig import Rig
from tests.support import add_item, unit_vectors
from vane.embedded.broker import Broker
from vane.errors import Unavailable
from vane.store.connection import connect

pytestmark = pytest.mark.faults

EVENTS = 6_000
AFTERWARDS = 100
"""More of them before each merge."""
PASSING_BY = Mix(everywhere=True, repeated=0, hot=0.2)
"""Everybody is in both partitions. Duplicates beyond the horizon are another matter."""
ACCOUNTS = 5
"""Users who are left in the end."""
KILLED = 4
"""Of the merges so many have a worker killed beside them."""


def merged_under_load(rig: Rig) -> None:
    draw = rig.load.random
    users = [f"u{number}" for number in range(rig.load.mix.users)]
    merges = len(users) - ACCOUNTS
    killed = draw.sample(range(merges), KILLED)
    rig.load.produce(EVENTS)
    rig.load.flush()
    workers = {share: rig.start("--share", share) for share in ("0/2", "1/2")}
    in_flight = 0
    for number in range(merges):
        rig.wait_passed(EVENTS * number // (2 * merges))
        rig.load.produce(AFTERWARDS)
        rig.load.flush()
        in_flight += not rig.drained()
        visitor = users.pop(draw.randrange(len(users)))
        if number in killed:
            share = draw.choice(sorted(workers))
            workers[share].kill()
        rig.merge(visitor, draw.choice(users))
        if number in killed:
            workers[share] = rig.start("--share", share)
        if number == merges // 2:
            items_arrive(rig)
    assert in_flight > merges // 2, f"seed {rig.seed}: the merges came too late to mean anything"
    rig.load.produce(EVENTS // 4)
    rig.heal_and_check()
    again = sum(process.said().count("planning again") for process in rig.processes)
    assert again, f"seed {rig.seed}: no worker met a merge"


def items_arrive(rig: Rig) -> None:
    """Those that events wait for."""
    with connect(rig.settings, "fault test") as connection:
        for number in range(30, 33):
            add_item(connection, f"i{number}", unit_vectors(1, seed=number)[0])


def test_merged_under_load(make_rig: MakeRig, embedded_broker: Broker) -> None:
    merged_under_load(make_rig(embedded_broker.bootstrap, PASSING_BY))


def test_merged_under_load_on_kafka(make_rig: MakeRig, kafka: RealKafka) -> None:
    merged_under_load(make_rig(kafka.bootstrap, PASSING_BY, idempotent=True))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_answer_to_a_merge_lost(rig: Rig, *, after: bool) -> None:
    """Whoever asked asks again; whether it was done decides nothing."""
    rig.load.produce(EVENTS // 4)
    rig.start()
    rig.wait_passed(EVENTS // 8)
    trap = CommitTrap(after=after, action="cut", statement=b"set alias_of")
    rig.postgres.set_trap(trap)
    with pytest.raises(Unavailable):
        rig.merge("u1", "u2", through=rig.proxied)
    assert trap.sprung.is_set()
    done = rig.query("select alias_of from user_preference where user_id = 'u1'")
    assert (done == [("u2",)]) == after
    rig.postgres.heal()
    rig.merge("u1", "u2", through=rig.proxied)
    rig.load.produce(EVENTS // 8)
    rig.heal_and_check()

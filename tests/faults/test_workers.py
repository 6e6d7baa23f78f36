"""Workers that are killed, frozen, doubled, stopped and rescaled."""

import signal

import pytest

from tests.faults.conftest import MakeRig
from tests.faults.load import Mix
from tests.faults.proxy import CommitTrap
from tests.faults.rig import Rig, wait_for
from vane.embedded.broker import Broker

pytestmark = pytest.mark.faults

EVENTS = 6_000


def killed_at_random(rig: Rig) -> None:
    rig.load.produce(EVENTS)
    rig.load.flush()
    kills = 3
    for number in range(kills):
        process = rig.start()
        rig.wait_passed(EVENTS * number // kills + rig.load.random.randrange(EVENTS // kills))
        process.kill()
    assert not rig.drained(), f"seed {rig.seed}: the kills came too late to mean anything"
    rig.heal_and_check()


def killed_at_commit(rig: Rig, *, after: bool) -> None:
    rig.load.produce(EVENTS // 4)
    rig.load.flush()
    for _ in range(2):
        skip = rig.load.random.randrange(3)
        trap = rig.postgres.set_trap(CommitTrap(after=after, skip=skip))
        process = rig.start()
        wait_for(trap.sprung.is_set, "a COMMIT")
        process.kill()
        rig.postgres.heal()
    assert not rig.drained()
    rig.heal_and_check()


def zombie(rig: Rig) -> None:
    rig.load.produce(EVENTS)
    rig.load.flush()
    first = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 2))
    first.send(signal.SIGSTOP)
    stood = rig.passed()
    second = rig.start()
    rig.wait_passed(stood + EVENTS // 8)
    first.send(signal.SIGCONT)
    assert first.wait() == 75, rig.state()
    assert second.status is None
    rig.heal_and_check()


def frozen_in_transaction(rig: Rig) -> None:
    rig.load.produce(EVENTS // 2)
    rig.load.flush()
    trap = rig.postgres.set_trap(CommitTrap(after=False, skip=rig.load.random.randrange(6)))
    first = rig.start()
    wait_for(trap.sprung.is_set, "a COMMIT")
    first.send(signal.SIGSTOP)
    stood = rig.passed()
    rig.start()
    rig.wait_passed(stood + 10 * rig.chunk_events)
    rig.postgres.heal()
    first.send(signal.SIGCONT)
    assert first.wait() == 75, rig.state()
    rig.heal_and_check()


def both_partitions_have_everybody(rig: Rig) -> None:
    for share in ("0/2", "1/2"):
        rig.start("--share", share)
    wait_for(lambda: len(rig.query("select 1 from stream_position where epoch > 0")) == 2, "both")
    rig.load.produce(EVENTS)
    rig.load.flush()
    rig.heal_and_check()
    refusals = sum("written by others" in process.said() for process in rig.processes)
    assert refusals, f"seed {rig.seed}: the workers never met"


@pytest.fixture
def crowd(make_rig: MakeRig, embedded_broker: Broker) -> Rig:
    """A load in which every user is in both partitions, one of them most of the time."""
    return make_rig(embedded_broker.bootstrap, Mix(everywhere=True, hot=0.9, repeated=0))


def test_killed_at_random(rig: Rig) -> None:
    killed_at_random(rig)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_commit(rig: Rig, *, after: bool) -> None:
    killed_at_commit(rig, after=after)


def test_zombie(rig: Rig) -> None:
    zombie(rig)


def test_frozen_in_a_transaction(rig: Rig) -> None:
    frozen_in_transaction(rig)


def test_same_users_in_two_partitions_and_two_workers(crowd: Rig) -> None:
    both_partitions_have_everybody(crowd)


def test_two_start_at_once(rig: Rig) -> None:
    rig.load.produce(EVENTS)
    rig.load.flush()
    pair = [rig.start(), rig.start()]
    wait_for(lambda: any(process.status is not None for process in pair) or rig.drained(), "one")
    for process in pair:
        assert process.status in {None, 75}, rig.state()
    rig.heal_and_check()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_told_to_stop_under_load(rig: Rig, number: signal.Signals) -> None:
    rig.load.produce(EVENTS)
    for _ in range(2):
        process = rig.start()
        rig.wait_passed(rig.passed() + rig.load.random.randrange(1, EVENTS // 4))
        assert process.stop(number) == 0, rig.state()
        rig.load.produce(500)
    assert not rig.drained()
    last = rig.start(drain="end")
    rig.wait_passed(rig.passed() + 1)
    rig.load.flush()
    assert last.stop(number) == 0, rig.state()
    assert rig.drained(), f"seed {rig.seed}: drain=end left something"
    rig.heal_and_check()


def test_rescaled_from_one_to_three_to_two_processes(
    make_rig: MakeRig, embedded_broker: Broker
) -> None:
    rig = make_rig(embedded_broker.bootstrap, Mix(partitions=4))
    rig.load.produce(EVENTS)
    for processes in (1, 3):
        fleet = rig.start("--processes", str(processes))
        rig.wait_passed(rig.passed() + rig.load.random.randrange(1, EVENTS // 4))
        assert fleet.stop() == 0, rig.state()
    assert not rig.drained()
    rig.start("--processes", "2")
    rig.load.produce(500)
    rig.heal_and_check()


def test_rescaled_without_stopping_anything(make_rig: MakeRig, embedded_broker: Broker) -> None:
    rig = make_rig(embedded_broker.bootstrap, Mix(partitions=4))
    rig.load.produce(EVENTS)
    old = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 2))
    shares = [rig.start("--share", f"{index}/3") for index in range(3)]
    wait_for(lambda: all("epoch" in share.said() for share in shares), f"shares; {rig.state()}")
    rig.load.produce(500)
    assert old.wait() == 75, rig.state()
    rig.load.flush()
    wait_for(rig.drained, f"three shares read it all; {rig.state()}")
    assert all(share.status is None for share in shares)
    rig.heal_and_check()

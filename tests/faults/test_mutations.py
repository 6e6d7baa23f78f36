"""Every protection taken out once: the test that guards it must fail, or it guards nothing."""

import subprocess
from collections.abc import Callable
from functools import partial

import pytest

from tests.faults import rig as rigs
from tests.faults.conftest import MakeRig
from tests.faults.load import Mix
from tests.faults.real_kafka import RealKafka
from tests.faults.rig import Rig
from tests.faults.test_erase import erased_under_load
from tests.faults.test_events import item_arrives_late, odd_times, repeated
from tests.faults.test_kafka import (
    aborted_transactions,
    lost_behind_a_gap,
    refilled_while_running,
)
from tests.faults.test_merge import PASSING_BY, merged_under_load
from tests.faults.test_postgres import answer_lost
from tests.faults.test_workers import both_partitions_have_everybody, killed_at_commit, zombie
from vane.embedded.broker import Broker

pytestmark = [pytest.mark.faults, pytest.mark.mutation]

Scenario = Callable[[Rig], None]

EVERYBODY = Mix(everywhere=True, hot=0.9, repeated=0)
MANY_TWICE = Mix(repeated=0.2)

ON_ANY_BROKER: dict[str, tuple[Mix, Scenario, str]] = {
    "without_fence": (Mix(), zombie, "timed out after|seed"),
    "without_version_check": (EVERYBODY, both_partitions_have_everybody, "user u"),
    "without_common_transaction": (Mix(), partial(killed_at_commit, after=False), "events applied"),
    "without_duplicate_check": (MANY_TWICE, repeated, "events applied"),
    "without_lookup": (Mix(), answer_lost, "trying again"),
    "without_claim": (Mix(), item_arrives_late, "user u|drained"),
    "without_alias_check": (PASSING_BY, merged_under_load, "events lost"),
    "without_tombstones": (PASSING_BY, erased_under_load, "events applied"),
    "without_clamp": (Mix(), odd_times, "assert"),
}
ON_KAFKA: dict[str, tuple[Callable[[Rig, RealKafka], None], str]] = {
    "without_isolation": (lambda rig, _: aborted_transactions(rig), "events applied|committed"),
    "without_gap_error": (lost_behind_a_gap, "timed out after"),
    "without_topic_watch": (refilled_while_running, "the flow noticed"),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant often stands still: nobody waits long for it."""
    monkeypatch.setattr(rigs, "PATIENCE_S", 30.0)
    monkeypatch.setattr(rigs, "EXIT_PATIENCE_S", 10.0)


def assert_fails(rig: Rig, scenario: Scenario, because: str) -> None:
    with pytest.raises((AssertionError, subprocess.TimeoutExpired), match=because):
        scenario(rig)
    said = rig.processes[0].said()
    assert "from offset" in said, f"the mutant did not start: {said}"


@pytest.mark.parametrize("mutation", ON_ANY_BROKER)
def test_protection_taken_out(make_rig: MakeRig, embedded_broker: Broker, mutation: str) -> None:
    mix, scenario, because = ON_ANY_BROKER[mutation]
    rig = make_rig(embedded_broker.bootstrap, mix)
    rig.mutation = mutation
    assert_fails(rig, scenario, because)


@pytest.mark.parametrize("mutation", ON_KAFKA)
def test_protection_taken_out_on_kafka(kafka_rig: Rig, kafka: RealKafka, mutation: str) -> None:
    scenario, because = ON_KAFKA[mutation]
    kafka_rig.mutation = mutation
    assert_fails(kafka_rig, lambda rig: scenario(rig, kafka), because)

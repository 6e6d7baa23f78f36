"""flows/trends and rebuilds beside a load: popularity and neighbours are exactly once, too."""

import subprocess
import sys
from itertools import product

import pytest

from tests.faults.proxy import CommitTrap
from tests.faults.rig import Rig, wait_for

pytestmark = pytest.mark.faults

EVENTS = 5_000


def test_trends_killed_at_random_and_at_commit(rig: Rig) -> None:
    rig.load.produce(EVENTS)
    rig.start()
    for table, after in product((b"item_trend", b"item_neighbour"), (False, True)):
        trap = rig.postgres.set_trap(CommitTrap(after=after, statement=table))
        trends = rig.start(flow="trends")
        rig.load.produce(EVENTS // 20)
        wait_for(trap.sprung.is_set, f"a flush of the trends; {rig.state()}")
        trends.kill()
        rig.postgres.heal()
    rig.start(flow="trends")
    rig.load.produce(EVENTS // 4)
    rig.heal_and_check()


def test_rebuild_while_events_arrive_and_killed_once(rig: Rig) -> None:
    rig.load.produce(EVENTS)
    rig.start()
    rig.start(flow="trends")
    rig.wait_passed(EVENTS // 4)
    command = [sys.executable, "-m", "vane", "rebuild", "--half-life-short", "3h"]
    half_done = subprocess.Popen(command, env=rig.environ(), stdout=subprocess.DEVNULL)
    wait_for(lambda: rig.query("select 1 from setting"), "the half-life was changed")
    half_done.kill()
    half_done.wait()
    rig.load.produce(EVENTS // 4)
    done = rig.vane("rebuild")
    assert done.returncode == 0, done.stderr
    rig.load.produce(EVENTS // 4)
    rig.heal_and_check()

"""Redis is a hint: without it everything is committed all the same, and about as fast."""

import time

import pytest
import redis

from tests.faults.rig import Rig, wait_for
from vane.embedded.redis import Redis

pytestmark = pytest.mark.faults

EVENTS = 3_000


def test_killed_flushed_and_started_again(rig: Rig, fault_redis: Redis) -> None:
    rig.load.produce(EVENTS)
    process = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 2))
    with redis.Redis.from_url(fault_redis.url) as client:
        client.flushall()
    fault_redis.kill()
    rig.load.produce(500)
    rig.load.flush()
    wait_for(rig.drained, f"drained without Redis; {rig.state()}")
    fault_redis.start()
    rig.load.produce(500)
    rig.heal_and_check()
    assert process.status == 0, process.said()


def test_hangs(rig: Rig) -> None:
    rig.redis.hang()
    rig.load.produce(EVENTS)
    rig.load.flush()
    process = rig.start()
    rig.wait_passed(1)
    began = time.monotonic()
    wait_for(rig.drained, f"drained beside a hung Redis; {rig.state()}")
    assert time.monotonic() - began < 20, "every chunk waits for Redis"
    assert process.status is None, process.said()
    rig.heal_and_check()


def test_cut_again_and_again(rig: Rig) -> None:
    rig.load.produce(EVENTS)
    rig.load.flush()
    process = rig.start()
    while not rig.drained():
        rig.redis.cut()
        time.sleep(0.05)
    assert process.status is None, process.said()
    rig.heal_and_check()

"""PostgreSQL killed, cut off, hanging, full; its answer to COMMIT lost."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.faults.proxy import CommitTrap
from tests.faults.rig import Rig, wait_for
from tests.faults.storage import SmallDisk
from vane.embedded.postgres import Postgres

pytestmark = pytest.mark.faults

EVENTS = 5_000


def sprung_or_over(rig: Rig, trap: CommitTrap) -> bool:
    return trap.sprung.is_set() or rig.drained() or not rig.living()


def answer_lost(rig: Rig) -> None:
    """The worker looks up what became of its chunk and goes on, without a restart."""
    rig.load.produce(EVENTS // 2)
    rig.load.flush()
    process = rig.start()
    for _ in range(4):
        skip = rig.load.random.randrange(3)
        trap = rig.postgres.set_trap(CommitTrap(after=True, action="cut", skip=skip))
        wait_for(partial(sprung_or_over, rig, trap), "a COMMIT")
        rig.postgres.heal()
    wait_for(lambda: rig.drained() or not rig.living(), f"drained; {rig.state()}")
    assert process.status is None, f"seed {rig.seed}: {process.said()}"
    rig.heal_and_check()


def test_answer_to_commit_lost(rig: Rig) -> None:
    answer_lost(rig)


def test_cut_before_commit_and_anywhere_else(rig: Rig) -> None:
    rig.load.produce(EVENTS)
    rig.load.flush()
    process = rig.start()
    cuts = 0
    while not rig.drained() and cuts < 12:
        if cuts % 3:
            rig.postgres.cut_after(rig.load.random.randrange(1, 400_000))
        else:
            rig.postgres.set_trap(CommitTrap(after=False, action="cut"))
        wait_for(partial(rig.moved_from, rig.passed()), "progress")
        rig.postgres.heal()
        cuts += 1
    assert cuts >= 3, "the load was too short"
    wait_for(rig.drained, f"drained; {rig.state()}")
    assert process.status is None, process.said()
    rig.heal_and_check()


def test_killed_with_9(rig: Rig, fault_postgres: Postgres) -> None:
    rig.load.produce(EVENTS)
    process = rig.start()
    for _ in range(2):
        rig.wait_passed(rig.passed() + rig.load.random.randrange(1, EVENTS // 4))
        os.kill(postmaster(fault_postgres), signal.SIGKILL)
        fault_postgres.kill()
        time.sleep(rig.load.random.random())
        fault_postgres.start()
        rig.load.produce(200)
    rig.load.flush()
    wait_for(rig.drained, f"drained; {rig.state()}")
    assert process.status is None, process.said()
    rig.heal_and_check()


def test_one_backend_killed_with_9(rig: Rig, fault_postgres: Postgres) -> None:
    """The postmaster then restarts all of them."""
    rig.load.produce(EVENTS)
    process = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 2))
    [(pid,)] = rig.query(
        "select pid from pg_stat_activity where application_name = 'vane interactions'"
    )
    os.kill(pid, signal.SIGKILL)
    rig.load.flush()
    wait_for(rig.drained, f"drained; {rig.state()}")
    assert process.status is None, process.said()
    rig.heal_and_check()


def test_restarted_by_its_owner(rig: Rig, fault_postgres: Postgres) -> None:
    rig.load.produce(EVENTS)
    process = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 2))
    fault_postgres.stop()
    fault_postgres.start()
    rig.load.flush()
    wait_for(rig.drained, f"drained; {rig.state()}")
    assert process.status is None, process.said()
    rig.heal_and_check()


def test_hangs(rig: Rig, fault_postgres: Postgres) -> None:
    rig.load.produce(EVENTS)
    process = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 3))
    rig.postgres.hang()
    time.sleep(2)
    rig.postgres.heal()
    rig.wait_passed(rig.passed() + 1)
    frozen = [postmaster(fault_postgres)]
    frozen += [child.pid for child in psutil.Process(frozen[0]).children(recursive=True)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2)
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    rig.load.flush()
    wait_for(rig.drained, f"drained; {rig.state()}")
    assert process.status is None, process.said()
    rig.heal_and_check()


def test_hangs_before_the_answer_to_commit_and_another_worker_takes_over(rig: Rig) -> None:
    rig.load.produce(EVENTS)
    rig.load.flush()
    trap = rig.postgres.set_trap(CommitTrap(after=True, skip=rig.load.random.randrange(4)))
    first = rig.start()
    wait_for(trap.sprung.is_set, "a COMMIT")
    rig.start()
    rig.wait_passed(rig.passed() + 10 * rig.chunk_events)
    rig.postgres.heal()
    assert first.wait() == 75, rig.state()
    rig.heal_and_check()


def test_slow(rig: Rig) -> None:
    rig.load.produce(EVENTS // 4)
    rig.postgres.delay(0.01)
    process = rig.start()
    rig.wait_passed(EVENTS // 8)
    process.kill()
    rig.heal_and_check()


@pytest.fixture
def small_disk(fault_folder: Path, fault_postgres: Postgres) -> Iterator[SmallDisk]:
    """A tmpfs with the tablespace `small`, where this process may mount one."""
    disk = SmallDisk(fault_folder / "disk", megabytes=24)
    with psycopg.connect(fault_postgres.uri, autocommit=True) as connection:
        connection.execute(f"create tablespace small location '{disk.folder}'")
        yield disk
        connection.execute("drop tablespace small")
    disk.close()


def test_disk_full(small_disk: SmallDisk, rig: Rig) -> None:
    rig.query(f"alter database {rig.database} set default_tablespace to small")
    rig.load.produce(EVENTS)
    process = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 3))
    small_disk.fill()
    rig.load.flush()
    wait_for(lambda: "No space left" in process.said() or rig.drained(), "a full disk")
    assert not rig.drained(), f"seed {rig.seed}: the disk had room"
    small_disk.free()
    wait_for(rig.drained, f"drained; {rig.state()}")
    assert process.status is None, process.said()
    rig.heal_and_check()


def postmaster(server: Postgres) -> int:
    """Process id of PostgreSQL itself, below its warden."""
    [child] = psutil.Process(server.process.pid).children()
    return int(child.pid)

"""Three random faults in a row, under load, with the trends and a rebuild beside."""

import signal
import time
from collections.abc import Callable

import pytest

from tests.faults import real_kafka
from tests.faults.conftest import MakeRig
from tests.faults.load import Mix
from tests.faults.proxy import CommitTrap, Proxy
from tests.faults.rig import Rig, wait_for
from vane.embedded.postgres import Postgres
from vane.embedded.redis import Redis

pytestmark = pytest.mark.faults

FAULTS_IN_A_ROW = 3
EVENTS_BETWEEN = 2_000

Fault = Callable[[], None]


def worker_faults(rig: Rig) -> dict[str, Fault]:
    def kill() -> None:
        for process in rig.living("interactions"):
            process.kill()

    def double() -> None:
        rig.start()

    def freeze() -> None:
        for process in rig.living("interactions"):
            process.send(signal.SIGSTOP)
        rig.start()
        rig.wait_passed(rig.passed() + 1)
        for process in rig.living():
            process.send(signal.SIGCONT)

    def kill_trends() -> None:
        for process in rig.living("trends"):
            process.kill()
        rig.start(flow="trends")

    return {"kill": kill, "double": double, "freeze": freeze, "kill trends": kill_trends}


def postgres_faults(rig: Rig, postgres: Postgres) -> dict[str, Fault]:
    def crash() -> None:
        postgres.kill()
        postgres.start()

    def lose_answer() -> None:
        trap = rig.postgres.set_trap(CommitTrap(after=True, action="cut"))
        wait_for(lambda: trap.sprung.is_set() or rig.drained(), "a COMMIT")

    def hang() -> None:
        rig.postgres.hang()
        time.sleep(1)

    def rebuild() -> None:
        done = rig.vane("rebuild")
        assert done.returncode == 0, done.stderr

    def merge() -> None:
        rig.merge(*rig.load.random.sample(["u1", "u2", "u3"], 2))

    cut_after = rig.load.random.randrange(1, 300_000)
    return {
        "crash PostgreSQL": crash,
        "lose an answer": lose_answer,
        "cut PostgreSQL": rig.postgres.cut,
        "cut PostgreSQL somewhere": lambda: rig.postgres.cut_after(cut_after),
        "hang PostgreSQL": hang,
        "rebuild": rebuild,
        "merge": merge,
    }


def redis_faults(rig: Rig, server: Redis) -> dict[str, Fault]:
    def crash() -> None:
        server.kill()
        server.start()

    return {"crash Redis": crash, "hang Redis": rig.redis.hang}


def broker_faults(request: pytest.FixtureRequest) -> tuple[str, str, dict[str, Fault]]:
    """Addresses of a broker, straight and through a proxy, and what can be done to it."""
    if real_kafka.why_not():
        bootstrap = request.getfixturevalue("embedded_broker").bootstrap
        return bootstrap, bootstrap, {}
    kafka: real_kafka.RealKafka = request.getfixturevalue("kafka")
    proxy: Proxy = request.getfixturevalue("kafka_proxy")

    def crash() -> None:
        kafka.kill()
        kafka.start()

    def pause() -> None:
        kafka.pause()
        time.sleep(2)
        kafka.resume()

    def hang() -> None:
        proxy.hang()
        time.sleep(1)
        proxy.heal()

    faults: dict[str, Fault] = {
        "crash Kafka": crash,
        "pause Kafka": pause,
        "cut Kafka": proxy.cut,
        "hang Kafka": hang,
    }
    return kafka.bootstrap, f"127.0.0.1:{kafka.proxy_port}", faults


def test_three_random_faults(
    request: pytest.FixtureRequest,
    make_rig: MakeRig,
    fault_postgres: Postgres,
    fault_redis: Redis,
    record_property: Callable[[str, object], None],
) -> None:
    bootstrap, through, faults = broker_faults(request)
    mix = Mix(partitions=3, everywhere=True, repeated=0, hot=0.2)
    rig = make_rig(bootstrap, mix, through=through, idempotent=bootstrap != through)
    faults |= worker_faults(rig) | postgres_faults(rig, fault_postgres)
    faults |= redis_faults(rig, fault_redis)
    chosen = rig.load.random.sample(sorted(faults), FAULTS_IN_A_ROW)
    record_property("faults", chosen)
    rig.faults = chosen
    rig.start("--processes", "2")
    rig.start(flow="trends")
    for name in chosen:
        rig.load.produce(EVENTS_BETWEEN)
        goal = rig.passed() + rig.load.random.randrange(1, EVENTS_BETWEEN // 2)
        rig.supervise(lambda goal=goal: rig.passed() >= goal)  # type: ignore[misc]
        faults[name]()
        rig.postgres.heal()
        rig.redis.heal()
    rig.heal_and_check()

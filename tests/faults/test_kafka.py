"""Apache Kafka killed, paused, cut off; topics made anew, shortened, widened; transactions."""

import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from flows.interactions import TOPIC
from tests.faults.conftest import MakeRig
from tests.faults.load import Mix
from tests.faults.proxy import Proxy
from tests.faults.real_kafka import RealKafka
from tests.faults.rig import FlowProcess, Rig, wait_for
from vane.kafka_admin import create_topics

pytestmark = pytest.mark.faults

EVENTS = 5_000

Fault = Callable[[], None]


def aborted_transactions(rig: Rig) -> None:
    rig.start()
    producer = Producer(
        {
            "bootstrap.servers": rig.settings.kafka_bootstrap,
            "transactional.id": f"fault-{rig.seed}",
            "log_level": 0,
        }
    )
    producer.init_transactions()
    empty = 0
    for number in range(12):
        aborted = number % 3 == 1
        count = rig.load.random.randrange(1, 40)
        producer.begin_transaction()
        for event in range(count):
            name = f"{'aborted' if aborted else 'done'} {number} {event}"
            raw = rig.load.event_bytes(event_id=name, user_id="u1")
            kept: dict[str, Any] = (
                {} if aborted else {"on_delivery": rig.load.expect_event("u1", name)}
            )
            producer.produce(TOPIC, raw, partition=0, **kept)
        producer.flush()
        if aborted:
            producer.abort_transaction()
        else:
            producer.commit_transaction()
        empty += 1 + aborted * count
    rig.wait_passed(rig.load.ledger.size + empty)
    rig.heal_and_check()
    [(counted,)] = rig.query("select sum(empty)::int from stream_position")
    assert counted == empty, f"seed {rig.seed}"


def refilled_while_running(rig: Rig, kafka: RealKafka) -> None:
    """When the flow looks again, the new topic is longer than the old one: no offset is wrong."""
    process = reader_of_a_short_topic(rig)
    process.send(signal.SIGSTOP)
    recreate(rig, kafka)
    rig.load.produce(100)
    rig.load.flush()
    process.send(signal.SIGCONT)
    wait_for(lambda: process.status is not None, "the flow noticed", timeout_s=8)
    assert process.status == 78, f"seed {rig.seed}: {process.said()}"


def reader_of_a_short_topic(rig: Rig) -> FlowProcess:
    for partition in range(2):
        rig.load.send_event(partition, event_id=f"old {partition}")
    rig.load.flush()
    process = rig.start()
    wait_for(rig.drained, f"drained; {rig.state()}")
    return process


def recreate(rig: Rig, kafka: RealKafka) -> None:
    kafka.delete_topic(TOPIC)
    create_topics(kafka.bootstrap, {TOPIC: 2})
    rig.load.new_log()


def lost_behind_a_gap(rig: Rig, kafka: RealKafka) -> None:
    rig.load.produce(EVENTS)
    rig.load.flush()
    process = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 4))
    assert process.stop() == 0
    rig.load.produce(2_000)  # it may have read all that was there
    rig.load.flush()
    [(stood,)] = rig.query("select next_offset from stream_position where partition = 0")
    cut = stood + rig.load.random.randrange(1, 500)
    client = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    client.delete_records([TopicPartition(TOPIC, 0, cut)])[TopicPartition(TOPIC, 0, cut)].result()
    process = rig.start()
    assert process.wait() == 78, f"seed {rig.seed}: {process.said()}"
    assert f"offset {stood} is not in the log, which holds {cut} to " in process.said()
    command = process.said().strip().rpartition("vane accept-gap ")[2].split()
    done = rig.vane("accept-gap", *command)
    assert done.returncode == 0, done.stderr
    assert f"{cut - stood} lost" in done.stdout
    rig.load.ledger.forget(0, stood, cut)
    rig.heal_and_check()
    [(skipped,)] = rig.query("select sum(skipped)::int from stream_position")
    assert skipped == cut - stood


@pytest.fixture
def cuttable(make_rig: MakeRig, kafka: RealKafka, kafka_proxy: Proxy) -> Rig:
    """A flow that finds Kafka behind a proxy."""
    through = f"127.0.0.1:{kafka.proxy_port}"
    return make_rig(kafka.bootstrap, Mix(), through=through, idempotent=True)


def test_killed_with_9_and_started_again(kafka_rig: Rig, kafka: RealKafka) -> None:
    rig = kafka_rig
    rig.load.produce(EVENTS)
    process = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 2))
    kafka.kill()
    rig.load.produce(500)
    kafka.start()
    rig.load.flush()
    wait_for(rig.drained, f"drained; {rig.state()}")
    assert process.status is None, process.said()
    rig.heal_and_check()


def test_paused(kafka_rig: Rig, kafka: RealKafka) -> None:
    """An assertion of librdkafka's on a late answer may abort a process; it starts again."""
    rig = kafka_rig
    rig.load.produce(EVENTS)
    process = rig.start()
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 2))
    kafka.pause()
    rig.load.produce(500)
    time.sleep(4)
    kafka.resume()
    rig.load.flush()
    rig.supervise(rig.drained)
    assert process.status in {None, -signal.SIGABRT}, process.said()
    rig.heal_and_check()


def test_connection_cut_refused_hung_and_slow(cuttable: Rig, kafka_proxy: Proxy) -> None:
    rig = cuttable
    rig.load.produce(EVENTS)
    process = rig.start()
    cut_after = partial(kafka_proxy.cut_after, rig.load.random.randrange(1, 2_000))
    slow = partial(kafka_proxy.delay, 0.05)
    faults: list[Fault] = [kafka_proxy.cut, kafka_proxy.refuse, kafka_proxy.hang, slow, cut_after]
    for fault in rig.load.random.sample(faults, len(faults)):
        rig.load.produce(300)
        rig.wait_passed(rig.passed() + 1)
        fault()
        time.sleep(rig.load.random.uniform(0.2, 1.5))
        kafka_proxy.heal()
    rig.load.flush()
    wait_for(rig.drained, f"drained; {rig.state()}")
    assert process.status is None, process.said()
    rig.heal_and_check()


def test_topic_made_anew_while_the_flow_was_away(kafka_rig: Rig, kafka: RealKafka) -> None:
    rig = kafka_rig
    rig.load.produce(200)
    rig.heal_and_check()
    recreate(rig, kafka)
    process = rig.start()
    assert process.wait() == 78, process.said()
    said = process.said().strip().splitlines()[-1]
    assert "was recreated" in said
    assert said.endswith(f"vane accept-log {TOPIC}")
    assert rig.vane("accept-log", TOPIC).returncode == 0
    rig.load.produce(200)
    rig.heal_and_check()


def test_topic_made_anew_under_a_running_flow(kafka_rig: Rig, kafka: RealKafka) -> None:
    rig = kafka_rig
    process = reader_of_a_short_topic(rig)
    recreate(rig, kafka)
    assert process.wait() == 78, process.said()
    assert "was recreated" in process.said().strip().splitlines()[-1]
    rig.check()
    assert rig.vane("accept-log", TOPIC).returncode == 0
    rig.load.produce(200)
    rig.heal_and_check()


def test_topic_made_anew_and_refilled_at_once(kafka_rig: Rig, kafka: RealKafka) -> None:
    """The stated limit: what it reads before the next look, a second at most, it applies."""
    refilled_while_running(kafka_rig, kafka)
    assert "was recreated" in kafka_rig.processes[0].said().strip().splitlines()[-1]


def test_topic_deleted_under_a_running_flow(kafka_rig: Rig, kafka: RealKafka) -> None:
    rig = kafka_rig
    rig.load.produce(200)
    rig.load.flush()
    process = rig.start()
    wait_for(rig.drained, f"drained; {rig.state()}")
    kafka.delete_topic(TOPIC)
    assert process.wait() == 78, process.said()
    assert "has no topic" in process.said().strip().splitlines()[-1]
    rig.check()


def test_records_deleted_before_they_were_read(kafka_rig: Rig, kafka: RealKafka) -> None:
    lost_behind_a_gap(kafka_rig, kafka)


def test_position_behind_the_end_of_the_log(kafka_rig: Rig) -> None:
    """As after an unclean leader election: Kafka has lost what was applied here."""
    rig = kafka_rig
    rig.load.produce(100)
    rig.heal_and_check()
    rig.query(
        "update stream_position set next_offset = next_offset + 50, empty = empty + 50 "
        "where partition = 0"
    )
    process = rig.start()
    assert process.wait() == 78, process.said()
    said = process.said().strip().splitlines()[-1]
    assert "Kafka has lost messages that were applied" in said
    assert "accept-gap" not in said


def test_partitions_added_under_a_running_flow(kafka_rig: Rig, kafka: RealKafka) -> None:
    rig = kafka_rig
    rig.load.produce(EVENTS // 2)
    fleet = rig.start("--processes", "2")
    rig.wait_passed(rig.load.random.randrange(1, EVENTS // 4))
    client = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    client.create_partitions([NewPartitions(TOPIC, 4)])[TOPIC].result()
    rig.load.widen(4)
    rig.load.produce(EVENTS // 4)
    rig.load.flush()
    wait_for(rig.drained, f"drained; {rig.state()}")
    assert fleet.status is None
    rig.heal_and_check()


def test_aborted_transactions(kafka_rig: Rig) -> None:
    aborted_transactions(kafka_rig)

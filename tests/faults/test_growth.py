"""Partitions are added to topics of Apache Kafka while shares of a flow read them."""

import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from flows import catalog
from flows.interactions import TOPIC
from tests.faults.conftest import MakeRig
from tests.faults.load import Mix
from tests.faults.real_kafka import RealKafka
from tests.faults.rig import FlowProcess, Rig
from vane.errors import Outdated
from vane.kafka_admin import create_topics

pytestmark = pytest.mark.faults

EVENTS = 1_000
ITEMS = 150
RESTART_S = 1.0
PATIENCE_S = 180.0
BEFORE, AFTER = 4, 8


@dataclass
class Pods:
    """Shares of a flow, each started again a second after it has ended, as by Kubernetes."""

    rig: Rig
    flow: str = "interactions"
    living: dict[str, FlowProcess] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)

    def start(self, share: str) -> None:
        self.living[share] = self.rig.start("--share", share, flow=self.flow)

    def replace(self, share: str, successor: str) -> None:
        """One pod of a rolling update."""
        self.living.pop(share).stop()
        self.start(successor)

    def until(self, done: Callable[[], bool]) -> None:
        """Tend the pods until it is so."""
        end = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < end, self.rig.state()
            time.sleep(0.1)
            self._tend()

    def _tend(self) -> None:
        for share, process in list(self.living.items()):
            if process.status is not None:
                self.ended.append(process.status)
                time.sleep(RESTART_S)
                self.start(share)


def grow(kafka: RealKafka, topic: str) -> None:
    client = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    client.create_partitions([NewPartitions(topic, AFTER)])[topic].result()


def partitions_read(rig: Rig, flow: str) -> int:
    """How many partitions have a position with something read."""
    [(count,)] = rig.query(
        "select count(*) from stream_position where flow = %s and next_offset > start_offset", flow
    )
    return int(count)


def test_events_grow_from_4_to_8_partitions_under_load_and_then_from_2_to_4_shares(
    make_rig: MakeRig, kafka: RealKafka
) -> None:
    rig = make_rig(kafka.bootstrap, Mix(partitions=BEFORE), idempotent=True)
    trends = rig.start(flow="trends")
    pods = Pods(rig)
    shares = ("0/2", "1/2")
    for share in shares:
        pods.start(share)
    rig.load.produce(EVENTS)
    pods.until(lambda: partitions_read(rig, "interactions") == BEFORE)

    grow(kafka, TOPIC)
    rig.load.widen(AFTER)
    rig.load.produce(EVENTS)
    pods.until(lambda: len(pods.ended) >= len(shares))
    assert pods.ended == [Outdated.exit_code] * len(shares)
    assert "has 8 partitions now, not 4" in rig.state()
    rig.load.flush()
    pods.until(rig.drained)
    assert partitions_read(rig, "interactions") == AFTER

    def fenced_under_load() -> bool:
        rig.load.produce(5)
        return len(pods.ended) > len(shares)

    # A rolling update, the last pod first: old and new shares overlap.
    pods.start("3/4")
    pods.start("2/4")
    pods.until(fenced_under_load)
    pods.replace("1/2", "1/4")
    pods.replace("0/2", "0/4")
    rig.load.produce(EVENTS)
    rig.load.flush()
    pods.until(rig.drained)
    assert set(pods.ended) == {75}
    assert trends.status is None, trends.said()
    rig.heal_and_check()
    [(moved,)] = rig.query(
        "select count(*) from (select from interaction group by user_id "
        "having count(distinct partition) > 1) users"
    )
    assert moved > 0, "some users are in two partitions now"
    verified = rig.vane("verify")
    assert verified.returncode == 0, verified.stdout


class Items:
    """A producer of items by their keys, which learns within 0.2 s of new partitions.

    Attributes:
        titles: item → the title that was sent last.
        texts: item → how many titles it has had.
        partitions: item → where its updates lie.
        sent: how many updates the broker has acknowledged.
    """

    def __init__(self, bootstrap: str) -> None:
        self.titles: dict[str, str] = {}
        self.texts: dict[str, int] = defaultdict(int)
        self.partitions: dict[str, set[int | None]] = defaultdict(set)
        self.sent = 0
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "topic.metadata.refresh.interval.ms": 200,
                "log_level": 0,
            }
        )

    def produce(self, item: str, title: str) -> None:
        if self.titles.get(item) != title:
            self.texts[item] += 1
        self.titles[item] = title
        value = json.dumps({"item_id": item, "title": title})
        self._producer.produce(catalog.TOPIC, value, item, on_delivery=self._acknowledged)
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def _acknowledged(self, error: KafkaError | None, message: Message) -> None:
        assert error is None
        self.sent += 1
        self.partitions[str(message.key(), "utf-8")].add(message.partition())


def test_items_grow_from_4_to_8_partitions_without_a_lost_or_a_doubled_one(
    make_rig: MakeRig, kafka: RealKafka
) -> None:
    kafka.delete_topic(catalog.TOPIC)
    create_topics(kafka.bootstrap, {catalog.TOPIC: BEFORE})
    rig, items = make_rig(kafka.bootstrap, Mix()), Items(kafka.bootstrap)

    def all_read() -> bool:
        items.flush()
        [(read, applied)] = rig.query(
            "select coalesce(sum(next_offset - start_offset), 0), coalesce(sum(applied), 0) "
            "from stream_position where flow = 'catalog'"
        )
        assert read == applied <= items.sent
        return bool(read == items.sent)

    pods = Pods(rig, "catalog")
    for share in ("0/2", "1/2"):
        pods.start(share)
    for number in range(ITEMS):
        items.produce(f"old{number}", f"Film number {number}")
    pods.until(all_read)

    def ended_under_load() -> bool:
        items.produce(f"new{len(items.titles)}", f"Car number {len(items.titles)}")
        return len(pods.ended) >= len(pods.living)

    grow(kafka, catalog.TOPIC)
    pods.until(ended_under_load)
    assert pods.ended == [Outdated.exit_code] * len(pods.living)
    pods.until(all_read)

    # As docs/operations.md says: every item once, some of them changed.
    for number, (item, title) in enumerate(sorted(items.titles.items())):
        items.produce(item, f"{title}, restored" if number % 3 == 0 else title)
    pods.until(all_read)
    assert partitions_read(rig, "catalog") == AFTER
    assert any(len(places) > 1 for places in items.partitions.values()), "an item has moved"
    stored = rig.query("select item_id, title from item where title <> ''")
    assert sorted(stored) == sorted(items.titles.items())
    versions = rig.query("select item_id, count(*) from item_version group by item_id")
    assert {item: count for item, count in versions if item in items.titles} == items.texts
    assert len(pods.ended) == len(pods.living), "nobody ends again"

"""Creating topics, and reading what a topic is now."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from vane.errors import OperatorNeeded, Unavailable
from vane.store.positions import TopicIdentity

REQUEST_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 2.0

NO_SUCH_PARTITION = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - so librdkafka names what it finds by itself
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
)

Bounds = tuple[int, int]


def create_topics(
    bootstrap: str,
    partitions: Mapping[str, int],
    config: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    timeout_s: float = REQUEST_TIMEOUT_S,
) -> None:
    """Create the topics that do not exist yet and wait until the brokers have them.

    Args:
        bootstrap: brokers, `host:port`, comma-separated.
        partitions: topic → number of partitions.
        config: topic → its settings, such as `cleanup.policy`.
        timeout_s: longest wait for the brokers.

    Raises:
        Unavailable: the brokers do not answer or refuse.
    """
    topics = [
        NewTopic(name, num_partitions=count, config=dict(config.get(name, {})))
        for name, count in partitions.items()
    ]
    client = _client(bootstrap)  # held until the answers are here: they end with it
    created = client.create_topics(topics, request_timeout=timeout_s)
    for topic, future in created.items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise Unavailable(
                    f"Kafka at {bootstrap}: cannot create {topic}: {error}"
                ) from error


def describe_topic(bootstrap: str, topic: str) -> tuple[TopicIdentity, list[int]]:
    """What `topic` is now, and its partitions in ascending order.

    Raises:
        Unavailable: the brokers do not answer.
        OperatorNeeded: there is no such topic.
    """
    client = _client(bootstrap)
    try:
        cluster = client.describe_cluster(request_timeout=REQUEST_TIMEOUT_S).result()
        described = client.describe_topics(
            TopicCollection([topic]), request_timeout=REQUEST_TIMEOUT_S
        )[topic].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise OperatorNeeded(
                f"Kafka at {bootstrap} has no topic {topic!r}: create it, then start again"
            ) from error
        raise Unavailable(f"Kafka at {bootstrap}: {error.args[0].str()}") from error
    identity = TopicIdentity(str(cluster.cluster_id), topic, str(described.topic_id))
    return identity, sorted(partition.id for partition in described.partitions)


def log_bounds(bootstrap: str, topic: str, partition: int) -> tuple[int, int]:
    """First offset that a partition still holds, and its end.

    Raises:
        Unavailable: the brokers do not answer, or there is no such partition.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "vane", "log_level": 0})
    try:
        low, high = consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=REQUEST_TIMEOUT_S
        )
    except KafkaException as error:
        raise Unavailable(f"Kafka at {bootstrap}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    return low, high


class TopicEnds:
    """Where partitions begin and end, asked again and again over one connection.

    The embedded broker tells an end that is too low behind the newest batch.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "vane", "log_level": 0}
        )

    def brokers(self) -> int:
        """How many brokers the cluster has.

        Raises:
            Unavailable: none of them answers.
        """
        try:
            return len(self._consumer.list_topics(timeout=PROBE_TIMEOUT_S).brokers)
        except KafkaException as error:
            raise self._unavailable(error) from error

    def bounds(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Bounds]:
        """First offset that is held, and the end, of each (topic, partition) that exists.

        Raises:
            Unavailable: the brokers do not answer.
        """
        found = {}
        for topic, partition in partitions:
            try:
                found[topic, partition] = self._consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=PROBE_TIMEOUT_S
                )
            except KafkaException as error:
                if error.args[0].code() not in NO_SUCH_PARTITION:
                    raise self._unavailable(error) from error
        return found

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def _unavailable(self, error: KafkaException) -> Unavailable:
        return Unavailable(f"Kafka at {self._bootstrap}: {error.args[0].str()}")


def _client(bootstrap: str) -> Any:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

"""Asks every server of an installation; one that does not answer stops nothing."""

import http.client
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource

from vane.bus import redis_settings
from vane.doctor.facts import Api, Facts, Kafka, Topic
from vane.doctor.kafka import NEEDED
from vane.errors import OperatorNeeded, Unavailable, UnusableTuning
from vane.kafka_admin import TopicEnds, describe_topic
from vane.lag_watch import LagWatch
from vane.settings import Settings
from vane.store import health
from vane.store.connection import Connection, connect
from vane.store.doctor import Contents, read_contents, read_schema, read_server

BETWEEN_LOOKS_S = 3.0
"""Between two looks at the positions: a reader that is well moves in this time."""
API_TIMEOUT_S = KAFKA_TIMEOUT_S = 5.0

T = TypeVar("T")


def look(settings: Settings, between_looks_s: float = BETWEEN_LOOKS_S) -> Facts:
    """Read all there is to know; it changes nothing."""
    away: dict[str, str] = {}
    found: dict[str, Any] = {}
    kafka = _asked("kafka", away, lambda: look_at_kafka(settings.kafka_bootstrap))
    began = time.perf_counter()
    redis = _asked("redis", away, lambda: redis_settings(settings.redis_url))
    found["redis_round_trip_s"] = (time.perf_counter() - began) / 4 if redis else 0.0  # 4 calls
    connection = _asked("postgres", away, lambda: connect(settings, "vane doctor"))
    if connection is not None:
        with connection:
            _asked("postgres", away, lambda: found.update(_database(connection, settings)))
            if kafka is not None and found.get("contents"):
                found["lags"] = _lags(connection, kafka, found["contents"], between_looks_s)
    api = look_at_api(settings.api_url) if settings.api_url else None
    return Facts(settings=settings, away=away, kafka=kafka, redis=redis, api=api, **found)


def look_at_kafka(bootstrap: str) -> Kafka:
    """The topics that Vane needs.

    Raises:
        Unavailable: the brokers do not answer.
    """
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    began = time.perf_counter()
    try:
        listed = client.list_topics(timeout=KAFKA_TIMEOUT_S).topics
        round_trip_s = time.perf_counter() - began
        topics = {}
        for name in NEEDED:
            if name in listed and listed[name].error is None:
                replicas = {
                    number: (len(partition.replicas), len(partition.isrs))
                    for number, partition in listed[name].partitions.items()
                }
                identity, _ = describe_topic(bootstrap, name)
                topics[name] = Topic(identity.topic_id, replicas, _config(client, name))
    except (KafkaException, OperatorNeeded) as error:
        raise Unavailable(f"Kafka at {bootstrap}: {error}") from error
    ends = TopicEnds(bootstrap)
    try:
        places = [(name, number) for name, topic in topics.items() for number in topic.replicas]
        return Kafka(round_trip_s, topics, ends.bounds(places))
    finally:
        ends.close()


def look_at_api(url: str) -> Api:
    """As anybody would ask it."""
    return Api(url, _status(f"{url}/readyz"), _status(f"{url}/v1/trending"))


def _asked(server: str, away: dict[str, str], ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except Unavailable as error:
        away[server] = str(error)
        return None


def _config(client: Any, topic: str) -> Mapping[str, str]:
    """Empty where the brokers do not tell, or we may not ask."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    (asked,) = client.describe_configs([resource], request_timeout=KAFKA_TIMEOUT_S).values()
    try:
        return {name: entry.value for name, entry in asked.result().items()}
    except KafkaException:
        return {}


def _database(connection: Connection, settings: Settings) -> dict[str, Any]:
    """The parts of `Facts` that come from it; Vane's own tables only where they are up to date."""
    found: dict[str, Any] = {"server": read_server(connection), "schema": read_schema(connection)}
    missing = [phase for _, phase in found["schema"].waiting if phase == "before-deploy"]
    if not (missing or found["schema"].refused or found["server"].replica):
        try:
            found["contents"] = read_contents(connection, settings)
        except UnusableTuning as error:
            found["broken"] = str(error)
    return found


def _lags(
    connection: Connection, kafka: Kafka, contents: Contents, between_looks_s: float
) -> dict[tuple[str, int], LagWatch]:
    """Two looks at the positions, so that one that stands still can be told from one that moves."""
    lags: dict[tuple[str, int], LagWatch] = {}
    rows = contents.streams
    for first in (True, False):
        for row in rows:
            _, high = kafka.bounds.get((row.topic, row.partition), (0, 0))
            watch = lags.setdefault((row.flow, row.partition), LagWatch())
            watch.look(time.monotonic(), row.next_offset, max(row.end_offset, high))
        if first:
            if not any(watch.events for watch in lags.values()):
                break
            time.sleep(between_looks_s)
            rows = health.streams(connection)
    return lags


def _status(url: str) -> int:
    """Status of a GET, 0 where there is no answer."""
    place = urlsplit(url)
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.hostname or "", place.port, timeout=API_TIMEOUT_S)
    try:
        connection.request("GET", place.path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()

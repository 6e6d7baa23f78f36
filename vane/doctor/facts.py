"""What is known of an installation, before it is judged; None: it could not be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vane.bus import RedisSettings
from vane.kafka_admin import Bounds
from vane.lag_watch import LagWatch
from vane.settings import Settings
from vane.store.doctor import Contents, Schema, Server


class Topic(NamedTuple):
    """A topic as Kafka has it.

    Attributes:
        topic_id: another one once it was made anew.
        replicas: partition → how many there are, and how many of them are in sync.
        config: its settings; those that the brokers do not tell are missing.
    """

    topic_id: str
    replicas: Mapping[int, tuple[int, int]]
    config: Mapping[str, str]


class Kafka(NamedTuple):
    """What Kafka tells.

    Attributes:
        round_trip_s: of one question.
        topics: by name; those that exist.
        bounds: (topic, partition) → first offset that is held, and the end.
    """

    round_trip_s: float
    topics: Mapping[str, Topic]
    bounds: Mapping[tuple[str, int], Bounds]


class Api(NamedTuple):
    """How the API answers: status codes, 0 for no answer.

    Attributes:
        url: where it was asked.
        ready: of `/readyz`.
        anonymous: of a list, without any key.
    """

    url: str
    ready: int
    anonymous: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that is known.

    Attributes:
        away: server → why it does not answer.
        broken: why the settings in the database cannot be read; empty: they can.
        lags: (flow, partition) → how far behind, seen twice a moment apart.
    """

    settings: Settings
    away: Mapping[str, str] = field(default_factory=dict)
    broken: str = ""
    server: Server | None = None
    schema: Schema | None = None
    contents: Contents | None = None
    lags: Mapping[tuple[str, int], LagWatch] = field(default_factory=dict)
    kafka: Kafka | None = None
    redis: RedisSettings | None = None
    redis_round_trip_s: float = 0.0
    api: Api | None = None


class Streams(NamedTuple):
    """What is in PostgreSQL, beside what is in Kafka."""

    kafka: Kafka
    contents: Contents
    lags: Mapping[tuple[str, int], LagWatch]

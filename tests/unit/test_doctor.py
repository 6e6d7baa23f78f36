"""Every check of `vane doctor` fires on its trouble, and is silent on a good installation."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from vane.bus import RedisSettings
from vane.doctor.check import Severity
from vane.doctor.diagnosis import GROUPS, diagnose
from vane.doctor.facts import Api, Facts, Kafka, Topic
from vane.doctor.site import PROCESSES
from vane.installation_metrics import OUTCOMES
from vane.lag_watch import LagWatch
from vane.settings import Settings
from vane.store import health
from vane.store.doctor import Contents, Schema, Server, Slot, Transaction

GB = 1 << 30
USERS = health.TableRow("user_preference", 100_000, 1_000, GB, 60.0, 95_000, 5_000)
SLOT = Slot("standby", active=True, wal_status="reserved", kept_bytes=1 << 20)
SERVER = Server(
    version=180_004,
    pgvector="0.8.5",
    replica=False,
    session_lock_timeout="2s",
    round_trip_s=0.001,
    clock_ahead_s=0.01,
    parameters={
        "autovacuum": "on",
        "checkpoint_completion_target": "0.9",
        "data_checksums": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "idle_in_transaction_session_timeout": "600000",
        "jit": "off",
        "max_wal_size": str(6 * GB),
        "random_page_cost": "1.1",
        "shared_buffers": str(4 * GB),
        "synchronous_commit": "on",
        "transaction_timeout": "0",
        "wal_compression": "lz4",
    },
    connections=(20, 197),
    applications=frozenset(PROCESSES),
    transactions=[],
    slots=[SLOT],
    invalid_indexes=[],
    unused_indexes=[],
    hnsw_bytes=GB,
    hot_bytes=2 * GB,
    checkpoints=(100, 3),
    tables=[USERS],
    users_table=["fillfactor=50"],
    wraparound=0.1,
)
NEXT_MONTH = datetime.now(UTC).date().replace(day=1) + timedelta(days=32)


def outcome(**counts: int) -> Mapping[str, tuple[int, ...]]:
    return {"interactions": tuple(counts.get(name, 0) for name in OUTCOMES)}


def row(partition: int = 0, next_offset: int = 90) -> health.StreamRow:
    return health.StreamRow("interactions", "user-interactions", partition, next_offset, 100, 3, 0)


CONTENTS = Contents(
    streams=[row(), row(1)],
    logs={"user-interactions": "id"},
    outcomes=outcome(applied=100_000, dead_lettered=100, clamped=10),
    counts=health.Contents(100, 3, 60.0, 1_000, 10, 5, 100_000),
    dead_letters=(3, "not JSON"),
    strays=0,
    months=[f"interaction_{NEXT_MONTH:%Y_%m}"],
    half_lives=(500, 0),
    items_sampled=500,
    not_embedded=0,
    other_model=0,
    ranker_age_s=3_600.0,
    keys=[],
    commands=(0, 0),
)
CONFIG = {
    "cleanup.policy": "delete",
    "retention.ms": "604800000",
    "retention.bytes": "-1",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "message.timestamp.type": "LogAppendTime",
}
EVENTS = Topic("id", {0: (3, 3), 1: (3, 3)}, CONFIG)
KAFKA = Kafka(
    round_trip_s=0.002,
    topics={
        "user-interactions": EVENTS,
        "product-updates": EVENTS._replace(config={**CONFIG, "cleanup.policy": "compact"}),
        "admin-commands": EVENTS._replace(replicas={0: (3, 3)}),
        "recommendation-log": EVENTS,
    },
    bounds={("user-interactions", 0): (5, 100), ("user-interactions", 1): (0, 100)},
)
REDIS = RedisSettings(
    version="7.4.2",
    config={
        "maxmemory": str(128 << 20),
        "maxmemory-policy": "allkeys-lru",
        "client-output-buffer-limit": "normal 0 0 0 slave 256 64 60 pubsub 33554432 8388608 60",
    },
    subscribers=2,
    dropped=0,
)
GOOD = Facts(
    settings=Settings(api_url="https://vane.example"),
    server=SERVER,
    schema=Schema([]),
    contents=CONTENTS,
    kafka=KAFKA,
    redis=REDIS,
    api=Api("https://vane.example", 200, 401),
)


def server(**changes: object) -> Facts:
    return replace(GOOD, server=SERVER._replace(**changes))  # type: ignore[arg-type]


def parameter(**changes: str) -> Facts:
    return server(parameters={**SERVER.parameters, **changes})


def contents(**changes: object) -> Facts:
    return replace(GOOD, contents=CONTENTS._replace(**changes))  # type: ignore[arg-type]


def counts(**changes: float) -> Facts:
    return contents(counts=CONTENTS.counts._replace(**changes))  # type: ignore[arg-type]


def topic(name: str = "user-interactions", /, **changes: object) -> Facts:
    changed = KAFKA.topics[name]._replace(**changes)  # type: ignore[arg-type]
    return replace(GOOD, kafka=KAFKA._replace(topics={**KAFKA.topics, name: changed}))


def config(name: str = "user-interactions", /, **changes: str) -> Facts:
    named = {key.replace("_", "."): value for key, value in changes.items()}
    return topic(name, config={**KAFKA.topics[name].config, **named})


def without_topic(name: str) -> Facts:
    topics = {other: found for other, found in KAFKA.topics.items() if other != name}
    return replace(GOOD, kafka=KAFKA._replace(topics=topics))


def redis(**changes: object) -> Facts:
    return replace(GOOD, redis=REDIS._replace(**changes))  # type: ignore[arg-type]


def redis_config(**changes: str) -> Facts:
    named = {key.replace("_", "-"): value for key, value in changes.items()}
    return redis(config={**REDIS.config, **named})


def settings(**changes: object) -> Facts:
    return replace(GOOD, settings=replace(GOOD.settings, **changes))  # type: ignore[arg-type]


def lagging(*looks: tuple[float, int]) -> Facts:
    """Looks at one partition with 100,000 messages: seconds, next offset."""
    watch = LagWatch()
    for now_s, next_offset in looks:
        watch.look(now_s, next_offset, 100_000)
    return replace(GOOD, lags={("interactions", 0): watch})


E, W, H = Severity.ERROR, Severity.WARNING, Severity.HINT
OLD = Transaction("4711", "psql", "idle in transaction", 7_200.0)
CASES = [
    ("reachable", E, "redis does not answer", replace(GOOD, away={"redis": "refused"})),
    ("reachable", W, "postgres takes 50 ms", server(round_trip_s=0.05)),
    ("reachable", W, "redis takes 30 ms", replace(GOOD, redis_round_trip_s=0.03)),
    ("clock", W, "2.0 s ahead of", server(clock_ahead_s=2.0)),
    ("clock", E, "60.0 s behind", server(clock_ahead_s=-60.0)),
    (
        "schema",
        E,
        "not applied: 0014_x",
        replace(GOOD, schema=Schema([("0014_x", "before-deploy")])),
    ),
    (
        "schema",
        W,
        "not applied: 0014_x",
        replace(GOOD, schema=Schema([("0014_x", "after-deploy")])),
    ),
    ("schema", E, "update Vane", replace(GOOD, schema=Schema([], "newer: update Vane"))),
    ("tuning", E, "cannot be used", replace(GOOD, broken="settings version 3 cannot be used")),
    ("settings", W, "is not below", settings(lock_timeout_ms=30_000)),
    ("settings", E, "certificate and key", settings(grpc_tls_cert="cert.pem")),
    ("settings", E, "JWT_SECRET is too short", settings(jwt_secret="short")),
    ("settings", W, "VANE_CLOCK=event", settings(clock="event")),
    ("settings", H, "VANE_CACHE_TTL_MS is 90000", settings(cache_ttl_ms=90_000)),
    (
        "processes",
        W,
        "no vane monitor",
        server(applications=frozenset(PROCESSES) - {"vane monitor"}),
    ),
    ("processes", E, "events are not applied", server(applications=frozenset())),
    ("api", E, "/readyz answers 503", replace(GOOD, api=Api("https://a", 503, 401))),
    ("api", E, "anyone without a key", replace(GOOD, api=Api("https://a", 200, 200))),
    ("postgres-version", E, "too old", server(version=130_002)),
    ("postgres-version", H, "PostgreSQL 16", server(version=160_002)),
    ("postgres-version", E, "may damage the index", server(pgvector="0.8.3")),
    ("postgres-version", E, "lacks pgvector", server(pgvector="")),
    ("postgres-primary", E, "a replica", server(replica=True)),
    ("postgres-session", E, "a pooler?", server(session_lock_timeout="0")),
    ("postgres-memory", W, "the HNSW index of items alone", server(hnsw_bytes=5 * GB)),
    ("postgres-memory", H, "together have 5.0 GB", server(hot_bytes=5 * GB)),
    ("postgres-checkpoints", W, "30 of 40 checkpoints", server(checkpoints=(10, 30))),
    ("postgres-checkpoints", H, "max_wal_size is 1.0 GB", parameter(max_wal_size=str(GB))),
    ("postgres-checkpoints", H, "in a hurry", parameter(checkpoint_completion_target="0.5")),
    ("postgres-compression", H, "twice the time", parameter(wal_compression="pglz")),
    ("postgres-durability", E, "fsync is off", parameter(fsync="off")),
    ("postgres-durability", E, "full_page_writes is off", parameter(full_page_writes="off")),
    ("postgres-durability", H, "synchronous_commit is off", parameter(synchronous_commit="off")),
    ("postgres-durability", H, "data_checksums is off", parameter(data_checksums="off")),
    ("postgres-connections", W, "190 of 197", server(connections=(190, 197))),
    ("postgres-autovacuum", E, "autovacuum is off: tables", parameter(autovacuum="off")),
    ("postgres-autovacuum", E, "off for user", server(users_table=["autovacuum_enabled=false"])),
    ("postgres-updates", W, "only 50 %", server(tables=[USERS._replace(hot=9_000, indexed=9_000)])),
    ("postgres-bloat", W, "60,000 dead rows", server(tables=[USERS._replace(dead=60_000)])),
    ("postgres-wraparound", E, "60 % of the transaction ids", server(wraparound=0.6)),
    ("postgres-transactions", W, "open for 2 h", server(transactions=[OLD])),
    ("postgres-slots", W, "has no reader", server(slots=[SLOT._replace(active=False)])),
    ("postgres-slots", W, "keeps 5.0 GB", server(slots=[SLOT._replace(kept_bytes=5 * GB)])),
    ("postgres-slots", E, "has lost", server(slots=[SLOT._replace(wal_status="lost")])),
    ("postgres-indexes", E, "is not valid", server(invalid_indexes=["item_x"])),
    ("postgres-indexes", H, "not read for a week", server(unused_indexes=[("item_x", GB)])),
    ("postgres-indexes", E, "HNSW index of items is missing", server(hnsw_bytes=0)),
    ("postgres-timeouts", H, "for ever", parameter(idle_in_transaction_session_timeout="0")),
    (
        "postgres-timeouts",
        W,
        "transaction_timeout is 5000 ms",
        parameter(transaction_timeout="5000"),
    ),
    ("postgres-planner", H, "random_page_cost is 4", parameter(random_page_cost="4")),
    ("postgres-planner", H, "jit is on", parameter(jit="on")),
    ("kafka-topics", E, "no topic user-interactions", without_topic("user-interactions")),
    ("kafka-topics", W, "no topic admin-commands", without_topic("admin-commands")),
    ("kafka-topics", E, "have no order", topic("admin-commands", replicas={0: (3, 3), 1: (3, 3)})),
    ("kafka-compaction", E, "newest event alone", config(cleanup_policy="compact")),
    ("kafka-compaction", W, "not compacted", config("product-updates", cleanup_policy="delete")),
    (
        "kafka-compaction",
        W,
        "deleted by age",
        config("product-updates", cleanup_policy="compact,delete"),
    ),
    ("kafka-retention", W, "keeps messages for 1 h", config(retention_ms="3600000")),
    ("kafka-retention", H, "keeps messages for 3 d", config(retention_ms="259200000")),
    ("kafka-retention", W, "cut by size", config(retention_bytes="1000000")),
    ("kafka-replicas", H, "one replica each: user", topic(replicas={0: (1, 1), 1: (1, 1)})),
    ("kafka-replicas", W, "partitions 1 have", topic(replicas={0: (3, 3), 1: (3, 2)})),
    ("kafka-replicas", H, "in one place only", config(min_insync_replicas="1")),
    ("kafka-replicas", W, "may become the leader", config(unclean_leader_election_enable="true")),
    ("kafka-timestamps", H, "CreateTime", config(message_timestamp_type="CreateTime")),
    ("log-identity", E, "created again", contents(logs={"user-interactions": "other"})),
    ("log-partitions", W, "partitions 1 were never read, 0 were", contents(streams=[row()])),
    ("log-gaps", E, "4 messages were deleted", contents(streams=[row(0, 1), row(1)])),
    ("log-gaps", E, "before the position 300", contents(streams=[row(0, 300), row(1)])),
    ("log-lag", W, "90,000 messages behind", lagging((0.0, 0), (3.0, 10_000))),
    ("log-lag", W, "none was read for 3.0 s", lagging((0.0, 99_990), (3.0, 99_990))),
    ("redis-version", W, "5.0.1", redis(version="5.0.1")),
    ("redis-memory", H, "maxmemory is 0", redis_config(maxmemory="0")),
    ("redis-memory", H, "noeviction", redis_config(maxmemory_policy="noeviction")),
    (
        "redis-buffers",
        W,
        "at 1.0 MB",
        redis_config(client_output_buffer_limit="pubsub 1048576 0 0"),
    ),
    ("redis-buffers", H, "may fill", redis_config(client_output_buffer_limit="pubsub 0 0 0")),
    ("redis-buffers", H, "7 connections", redis(dropped=7)),
    ("redis-subscribers", W, "no API process listens", redis(subscribers=0)),
    ("vane-pending", W, "the oldest for 2 h", counts(oldest_s=7_200.0)),
    (
        "vane-dead-letters",
        W,
        "most of them: unknown",
        contents(dead_letters=(200, "unknown action")),
    ),
    ("vane-dead-letters", H, "9.1 %", contents(outcomes=outcome(applied=1_000, dead_lettered=100))),
    ("vane-clocks", W, "5.0 %", contents(outcomes=outcome(applied=1_000, clamped=50))),
    ("vane-trends", W, "lack 60,000 events", counts(trends_lag=60_000)),
    ("vane-embeddings", W, "7 of 500", contents(not_embedded=7)),
    ("vane-embeddings", W, "of another model", contents(other_model=9)),
    ("vane-items", H, "every list is empty", counts(available=0, without_text=0)),
    ("vane-half-lives", W, "20 of 500", contents(half_lives=(500, 20))),
    ("vane-ranker", W, "nothing was ever learned", contents(ranker_age_s=None)),
    ("vane-ranker", W, "nothing for 9 d", contents(ranker_age_s=9 * 86_400.0)),
    ("vane-months", W, "1,000 rows", contents(strays=1_000)),
    ("vane-months", W, "next month", contents(months=[])),
    ("vane-keys", W, "'shop' ends in 3 d", contents(keys=[("shop", 3 * 86_400.0)])),
    ("vane-commands", W, "2 commands have waited", contents(commands=(2, 0))),
    ("vane-commands", H, "1 commands failed", contents(commands=(0, 1))),
]
KNOWN = [check for _, checks in GROUPS for check in checks]


def test_a_good_installation_has_no_findings() -> None:
    found = diagnose(GOOD)
    assert found.findings == []
    assert found.well
    assert found.checked == [check.name for check in KNOWN]
    assert found.not_checked == []


@pytest.mark.parametrize(
    ("check", "severity", "says", "facts"),
    CASES,
    ids=[f"{name}-{says}" for name, _, says, _ in CASES],
)
def test_a_check_finds_its_trouble_and_no_other_does(
    check: str, severity: Severity, says: str, facts: Facts
) -> None:
    found = diagnose(facts)
    assert {finding.check for finding in found.findings} == {check}
    (match,) = [finding for finding in found.findings if says in finding.says]
    assert match.severity is severity
    assert match.do
    assert found.well == all(finding.severity is H for finding in found.findings)


def test_every_check_is_tested() -> None:
    assert {name for name, _, _, _ in CASES} == {check.name for check in KNOWN}
    assert len({check.name for check in KNOWN}) == len(KNOWN)


def test_what_cannot_be_asked_is_not_checked() -> None:
    away = Facts(settings=Settings(), away={"postgres": "a", "kafka": "b", "redis": "c"})
    found = diagnose(away)
    assert [finding.check for finding in found.findings] == ["reachable"] * 3
    assert found.checked == [check.name for check in GROUPS[0][1]]
    assert len(found.not_checked) == len(KNOWN) - len(found.checked)


def test_the_worst_comes_first() -> None:
    both = replace(parameter(jit="on", fsync="off"), redis=REDIS._replace(subscribers=0))
    assert [finding.severity for finding in diagnose(both).findings] == [E, W, H]

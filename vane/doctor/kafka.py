"""Are the topics as the flows need them? Every check looks at `Kafka`, or at `Streams`."""

from collections.abc import Iterator

from vane.doctor.check import Check, Fault, error, hint, time_text, warning
from vane.doctor.facts import Kafka, Streams, Topic

INTERACTIONS, UPDATES, COMMANDS = "user-interactions", "product-updates", "admin-commands"
SERVED = "recommendation-log"
NEEDED = {
    INTERACTIONS: "flow interactions",
    UPDATES: "flow catalog",
    COMMANDS: "flow commands",
    SERVED: "POST /v1/impressions",
}
DAY_MS = 86_400_000
RETENTION_MS_MIN, RETENTION_MS_GOOD = DAY_MS, 7 * DAY_MS
LAG_EVENTS_MAX = 50_000


def topics(kafka: Kafka) -> Iterator[Fault]:
    """Each exists, and commands have one partition."""
    for name, reader in NEEDED.items():
        if name not in kafka.topics:
            grave = error if name in {INTERACTIONS, UPDATES} else warning
            yield grave(f"there is no topic {name}: {reader} needs it", f"create topic {name}")
    commands = kafka.topics.get(COMMANDS)
    if commands is not None and len(commands.replicas) > 1:
        yield error(
            f"{COMMANDS} has {len(commands.replicas)} partitions: commands have no order",
            "make it anew with one partition",
        )


def compaction(kafka: Kafka) -> Iterator[Fault]:
    """Only the newest update of an item matters; of events every one."""
    for name, wanted in ((INTERACTIONS, False), (UPDATES, True)):
        policy = _config(kafka, name, "cleanup.policy")
        if policy and wanted and "compact" not in policy:
            yield warning(
                f"{name} is not compacted: a catalogue made anew would miss what is deleted by age",
                f"set cleanup.policy=compact for {name}",
            )
        if policy and not wanted and "compact" in policy:
            yield error(
                f"{name} is compacted: of each user the newest event alone is kept",
                f"set cleanup.policy=delete for {name}",
            )
        if policy and wanted and "delete" in policy:
            yield warning(
                f"{name} is compacted and deleted by age: old items are not in it",
                f"set cleanup.policy=compact for {name}",
            )


def retention(kafka: Kafka) -> Iterator[Fault]:
    """A flow may be away for so long and lose nothing."""
    for name in (INTERACTIONS, SERVED):
        kept_ms = _config(kafka, name, "retention.ms")
        size = _config(kafka, name, "retention.bytes")
        if kept_ms and 0 < int(kept_ms) < RETENTION_MS_GOOD:
            short = int(kept_ms) < RETENTION_MS_MIN
            kept = time_text(int(kept_ms) / 1e3)
            yield (warning if short else hint)(
                f"{name} keeps messages for {kept}: a flow that is away for longer loses some",
                f"set retention.ms of {name} to a week or more",
            )
        if size and int(size) >= 0:
            yield warning(
                f"{name} is cut by size (retention.bytes={size}): a busy hour shortens it",
                f"set retention.bytes=-1 for {name}, and watch the disk",
            )


def replicas(kafka: Kafka) -> Iterator[Fault]:
    """A broker may be lost."""
    single = sorted(name for name, topic in _ours(kafka) if _fewest(topic) == 1)
    if single:
        yield hint(
            f"one replica each: {', '.join(single)}; events are lost with their broker",
            "with three brokers: replication factor 3, min.insync.replicas=2",
        )
    for name, topic in _ours(kafka):
        behind = [
            p for p, (all_of_them, in_sync) in topic.replicas.items() if in_sync < all_of_them
        ]
        if behind:
            yield warning(
                f"{name}: partitions {', '.join(map(str, behind))} have replicas that are behind",
                "bring the missing brokers back",
            )
        if _fewest(topic) > 1 and topic.config.get("min.insync.replicas") == "1":
            yield hint(
                f"{name}: an acknowledged event may be in one place only (min.insync.replicas=1)",
                f"set min.insync.replicas=2 for {name}",
            )
        if topic.config.get("unclean.leader.election.enable") == "true":
            yield warning(
                f"{name}: a replica that is behind may become the leader, and events are lost",
                f"set unclean.leader.election.enable=false for {name}",
            )


def timestamps(kafka: Kafka) -> Iterator[Fault]:
    """Events from the future are clamped to the time of receipt."""
    if _config(kafka, INTERACTIONS, "message.timestamp.type") == "CreateTime":
        yield hint(
            "the time of receipt of an event is what its producer says (CreateTime)",
            f"set message.timestamp.type=LogAppendTime for {INTERACTIONS}, so that the broker says",
        )


def identity(streams: Streams) -> Iterator[Fault]:
    """A topic that was made anew is another log."""
    for name, topic_id in streams.contents.logs.items():
        topic = streams.kafka.topics.get(name)
        if topic is not None and topic.topic_id != topic_id:
            yield error(
                f"topic {name} was deleted and created again: its flow does not start on it",
                f"vane accept-log {name}",
            )


def partitions(streams: Streams) -> Iterator[Fault]:
    """Every partition has a position."""
    for name, topic in streams.kafka.topics.items():
        known = {row.partition for row in streams.contents.streams if row.topic == name}
        unread = sorted(set(topic.replicas) - known)
        if known and unread:
            yield warning(
                f"{name}: partitions {', '.join(map(str, unread))} were never read, "
                f"{', '.join(map(str, sorted(known)))} were",
                "start a process for every share: with --share i/n each i from 0 to n-1 must run",
            )


def gaps(streams: Streams) -> Iterator[Fault]:
    """What was deleted before it was read."""
    for row in streams.contents.streams:
        low, high = streams.kafka.bounds.get((row.topic, row.partition), (0, 0))
        where = f"{row.flow}: {row.topic} partition {row.partition}"
        if low > row.next_offset:
            yield error(
                f"{where}: {low - row.next_offset:,} messages were deleted before they were read",
                f"vane accept-gap {row.flow} {row.topic} {row.partition}, and a longer retention",
            )
        elif row.next_offset > high and _tells(streams.kafka, row.topic):
            yield error(
                f"{where}: Kafka ends at {high:,}, before the position {row.next_offset:,}: it has "
                "lost messages",
                f"make the topic anew, then: vane accept-log {row.topic}",
            )


def lag(streams: Streams) -> Iterator[Fault]:
    """Readers keep up, and move."""
    for (flow, partition), watch in sorted(streams.lags.items()):
        where = f"flow {flow}, partition {partition}"
        if watch.stalled_s:
            yield warning(
                f"{where}: {watch.events:,} messages wait, and none was read for "
                f"{time_text(watch.stalled_s)}",
                f"start flow {flow} for this share, or read its log",
            )
        elif watch.events > LAG_EVENTS_MAX:
            yield warning(
                f"{where}: {watch.events:,} messages behind", "wait, or add processes or partitions"
            )


def _ours(kafka: Kafka) -> list[tuple[str, Topic]]:
    return [(name, topic) for name, topic in kafka.topics.items() if name in NEEDED]


def _fewest(topic: Topic) -> int:
    return min((count for count, _ in topic.replicas.values()), default=0)


def _tells(kafka: Kafka, topic: str) -> bool:
    """Whether ends are right: the embedded broker, which tells no settings, tells wrong ones."""
    return bool(_config(kafka, topic, "retention.ms"))


def _config(kafka: Kafka, topic: str, name: str) -> str | None:
    found = kafka.topics.get(topic)
    return None if found is None else found.config.get(name)


CHECKS: tuple[Check[Kafka], ...] = (
    Check(
        "kafka-topics", "all four exist, `admin-commands` has one partition", "events.md", topics
    ),
    Check(
        "kafka-compaction",
        "`product-updates` is compacted, `user-interactions` is not",
        "events.md",
        compaction,
    ),
    Check(
        "kafka-retention",
        "a week or more, and not by size",
        "runbooks/VaneLogGap.md",
        retention,
    ),
    Check(
        "kafka-replicas",
        "several, in sync, no unclean election",
        "reliability.md",
        replicas,
    ),
    Check(
        "kafka-timestamps",
        "`message.timestamp.type` is LogAppendTime",
        "runbooks/VaneClamped.md",
        timestamps,
    ),
)
STREAM_CHECKS: tuple[Check[Streams], ...] = (
    Check("log-identity", "no topic was made anew", "operations.md", identity),
    Check("log-partitions", "every partition has a position", "operations.md", partitions),
    Check("log-gaps", "positions are within the log", "runbooks/VaneLogGap.md", gaps),
    Check(
        "log-lag",
        "readers move, and are less than 50,000 messages behind",
        "runbooks/VaneLag.md",
        lag,
    ),
)

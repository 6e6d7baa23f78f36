"""What no single process knows, as `vane monitor` exposes it: part of the one list in `metrics`."""

from vane.drift import WINDOWS_S
from vane.meter import Counter, Gauge, Histogram, Label, Process

MONITOR: tuple[Process, ...] = ("monitor",)
OUTCOMES = ("applied", "dead_lettered", "duplicates", "erased", "empty", "skipped", "clamped")
SERVERS = ("postgres", "redis", "kafka", "api")
READERS = ("trends", "neighbours")
STREAM = (
    Label("flow", "that reads it", ("interactions", "catalog", "commands")),
    Label("partition", "of its topic"),
)
_READER = (
    Label("table", "that it keeps: `trends` popularity, `neighbours` what goes together", READERS),
    Label("partition", "of the log"),
)
_WINDOW = Label("window", "since when", tuple(WINDOWS_S))

DEPENDENCY_UP = Gauge(
    name="vane_dependency_up",
    unit="0 or 1",
    meaning="1 where the server answered the last probe.",
    processes=MONITOR,
    labels=(Label("server", "which", SERVERS),),
)
PROBE_SECONDS = Gauge(
    name="vane_dependency_probe_seconds",
    unit="seconds",
    meaning="Time of the last probe of the server that was answered.",
    processes=MONITOR,
    labels=(Label("server", "which", SERVERS),),
)
LOG_LAG_EVENTS = Gauge(
    name="vane_log_lag_events",
    unit="offsets",
    meaning="Offsets between what is committed and the end of the partition, as Kafka tells it or"
    " as the flow has seen it, whichever is further. Right also while the flow is not running.",
    processes=MONITOR,
    labels=STREAM,
)
LOG_LAG_SECONDS = Gauge(
    name="vane_log_lag_seconds",
    unit="seconds",
    meaning="How long ago the monitor first saw that the log went on behind what is committed.",
    processes=MONITOR,
    labels=STREAM,
)
LOG_STALLED_SECONDS = Gauge(
    name="vane_log_stalled_seconds",
    unit="seconds",
    meaning="For how long a partition with waiting messages has not moved; 0: it moves.",
    processes=MONITOR,
    labels=STREAM,
)
LOG_EPOCH = Gauge(
    name="vane_log_epoch",
    unit="count",
    meaning="How often a worker has taken the partition; each time fences off the one before.",
    processes=MONITOR,
    labels=STREAM,
)
LOG_FENCED = Counter(
    name="vane_log_fenced_total",
    unit="count",
    meaning="Workers that found the partition taken by another one, and ended without a trace of"
    " what they were about to write. They count themselves in the table of positions.",
    processes=MONITOR,
    labels=STREAM,
)
LOG_GAP_EVENTS = Gauge(
    name="vane_log_gap_events",
    unit="offsets",
    meaning="Messages that Kafka's retention deleted before the flow had read them.",
    processes=MONITOR,
    labels=STREAM,
)
LOG_MESSAGES = Counter(
    name="vane_log_messages_total",
    unit="messages",
    meaning="What became of all messages ever, over all logs, by the table of positions: it"
    " outlives every process. `clamped` are among `applied`.",
    processes=MONITOR,
    labels=(STREAM[0], Label("outcome", "what became", OUTCOMES)),
)
READER_LAG_EVENTS = Gauge(
    name="vane_reader_lag_events",
    unit="offsets",
    meaning="Offsets of the committed log that flow trends has not stored yet: the slowest of its"
    " slots. Right also while it is not running.",
    processes=MONITOR,
    labels=_READER,
)
READER_LAG_SECONDS = Gauge(
    name="vane_reader_lag_seconds",
    unit="seconds",
    meaning="How long ago the monitor first saw that these were committed.",
    processes=MONITOR,
    labels=_READER,
)
LOG_AGE = Gauge(
    name="vane_log_age_seconds",
    unit="seconds",
    meaning="Since the start of the oldest month of which the interaction log has rows; 0: none.",
    processes=MONITOR,
)
LOG_CHECKPOINT_AGE = Gauge(
    name="vane_log_checkpoint_age_seconds",
    unit="seconds",
    meaning="Since the trends were kept as they were, before months of the log went; 0: never.",
    processes=MONITOR,
)
TRENDS_LAG = Gauge(
    name="vane_trends_lag_events",
    unit="events",
    meaning="Committed events that trends or neighbours do not hold yet.",
    processes=MONITOR,
)
PENDING = Gauge(
    name="vane_pending_events",
    unit="events",
    meaning="Events that wait for their item.",
    processes=MONITOR,
)
PENDING_SECONDS = Gauge(
    name="vane_pending_oldest_seconds",
    unit="seconds",
    meaning="For how long the oldest of them has been waiting.",
    processes=MONITOR,
)
ITEMS = Gauge(
    name="vane_items",
    unit="count",
    meaning="Items of the catalogue.",
    processes=MONITOR,
    labels=(Label("state", "of the item", ("available", "unavailable", "without_text")),),
)
USERS = Gauge(
    name="vane_users",
    unit="count",
    meaning="Users with a state, by the planner's estimate.",
    processes=MONITOR,
)
TASTE_DRIFT = Gauge(
    name="vane_taste_drift",
    unit="count",
    meaning="Mean of 1 - cosine between the short and the long vector of a sample of users: how far"
    " sessions are from what people used to like. A jump means that traffic or embeddings changed.",
    processes=MONITOR,
)
VECTOR_LENGTH = Gauge(
    name="vane_vector_length",
    unit="count",
    meaning="Mean length of these vectors as they are stored: decayed to each user's newest event.",
    processes=MONITOR,
    labels=(Label("vectors", "which", ("long", "short")),),
)
VECTOR_SHIFT = Gauge(
    name="vane_vector_shift",
    unit="count",
    meaning="1 - cosine between the mean direction of a sample of vectors now and a while ago, at"
    " most since the monitor began. Samples differ: with few users it is never quite 0.",
    processes=MONITOR,
    labels=(Label("vectors", "which", ("long", "short", "items")), _WINDOW),
)
MODEL_SHIFT = Gauge(
    name="vane_model_shift",
    unit="count",
    meaning="Distance of the serving weights from those of a while ago, at most since the monitor"
    " began, as a share of the length of those.",
    processes=MONITOR,
    labels=(Label("part", "kind of model", ("linear", "network")), _WINDOW),
)
COVERAGE = Gauge(
    name="vane_coverage_ratio",
    unit="count",
    meaning="Available items that lists for users, feeds and lists for baskets have shown, as a"
    " share of all. Counted by sketches in Redis with an error of 0.8 %, in slots of ten minutes.",
    processes=MONITOR,
    labels=(_WINDOW,),
)
MODEL_AGE = Gauge(
    name="vane_model_age_seconds",
    unit="seconds",
    meaning="Since the serving part of the ranking was activated.",
    processes=MONITOR,
    labels=(Label("part", "kind of model", ("linear", "network")),),
)
AUDITED_USERS = Counter(
    name="vane_audited_users_total",
    unit="count",
    meaning="Users whose state was recomputed from the log and compared.",
    processes=MONITOR,
    labels=(Label("result", "of the comparison", ("equal", "different")),),
)
AUDIT_TIME = Gauge(
    name="vane_audit_last_timestamp_seconds",
    unit="seconds",
    meaning="When the last audit ended, or before that the monitor began, in seconds since 1970.",
    processes=MONITOR,
)
CANARY_SECONDS = Histogram(
    name="vane_canary_seconds",
    unit="seconds",
    meaning="The whole way of an event of the canary user: until the API has it from Kafka's"
    " acknowledgement (`accepted`), and until a list that holds it is answered (`served`).",
    processes=MONITOR,
    labels=(Label("stage", "how far it has come", ("accepted", "served")),),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 15.0),
)
CANARY_RUNS = Counter(
    name="vane_canary_runs_total",
    unit="count",
    meaning="Events of the canary: shown in time, shown late (later than the limit), or failed.",
    processes=MONITOR,
    labels=(Label("result", "of the run", ("shown", "late", "failed")),),
)

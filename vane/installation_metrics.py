"""What no single process knows, as `vane monitor` exposes it: part of the one list in `metrics`."""

from vane.meter import Counter, Gauge, Histogram, Label, Process

_MONITOR: tuple[Process, ...] = ("monitor",)
OUTCOMES = ("applied", "dead_lettered", "duplicates", "erased", "empty", "skipped", "clamped")
TABLES = (
    "user_preference",
    "item",
    "interaction",
    "item_trend",
    "item_neighbour",
    "pending",
    "dead_letter",
    "stream_position",
)
SERVERS = ("postgres", "redis", "kafka", "api")
_STREAM = (
    Label("flow", "that reads it", ("interactions", "catalog", "commands")),
    Label("partition", "of its topic"),
)
_TABLE = (Label("table", "with its partitions", TABLES),)

DEPENDENCY_UP = Gauge(
    name="vane_dependency_up",
    unit="0 or 1",
    meaning="1 where the server answered the last probe.",
    processes=_MONITOR,
    labels=(Label("server", "which", SERVERS),),
)
PROBE_SECONDS = Gauge(
    name="vane_dependency_probe_seconds",
    unit="seconds",
    meaning="Time of the last probe of the server that was answered.",
    processes=_MONITOR,
    labels=(Label("server", "which", SERVERS),),
)
LOG_LAG_EVENTS = Gauge(
    name="vane_log_lag_events",
    unit="offsets",
    meaning="Offsets between what is committed and the end of the partition, as Kafka tells it or"
    " as the flow has seen it, whichever is further. Right also while the flow is not running.",
    processes=_MONITOR,
    labels=_STREAM,
)
LOG_LAG_SECONDS = Gauge(
    name="vane_log_lag_seconds",
    unit="seconds",
    meaning="How long ago the monitor first saw that the log went on behind what is committed.",
    processes=_MONITOR,
    labels=_STREAM,
)
LOG_STALLED_SECONDS = Gauge(
    name="vane_log_stalled_seconds",
    unit="seconds",
    meaning="For how long a partition with waiting messages has not moved; 0: it moves.",
    processes=_MONITOR,
    labels=_STREAM,
)
LOG_EPOCH = Gauge(
    name="vane_log_epoch",
    unit="count",
    meaning="How often a worker has taken the partition; each time fences off the one before.",
    processes=_MONITOR,
    labels=_STREAM,
)
LOG_FENCED = Counter(
    name="vane_log_fenced_total",
    unit="count",
    meaning="Workers that found the partition taken by another one, and ended without a trace of"
    " what they were about to write. They count themselves in the table of positions.",
    processes=_MONITOR,
    labels=_STREAM,
)
LOG_GAP_EVENTS = Gauge(
    name="vane_log_gap_events",
    unit="offsets",
    meaning="Messages that Kafka's retention deleted before the flow had read them.",
    processes=_MONITOR,
    labels=_STREAM,
)
LOG_MESSAGES = Counter(
    name="vane_log_messages_total",
    unit="messages",
    meaning="What became of all messages ever, over all logs, by the table of positions: it"
    " outlives every process. `clamped` are among `applied`.",
    processes=_MONITOR,
    labels=(_STREAM[0], Label("outcome", "what became", OUTCOMES)),
)
TRENDS_LAG = Gauge(
    name="vane_trends_lag_events",
    unit="events",
    meaning="Committed events that trends or neighbours do not hold yet.",
    processes=_MONITOR,
)
PENDING = Gauge(
    name="vane_pending_events",
    unit="events",
    meaning="Events that wait for their item.",
    processes=_MONITOR,
)
PENDING_SECONDS = Gauge(
    name="vane_pending_oldest_seconds",
    unit="seconds",
    meaning="Age of the oldest of them, by its own time.",
    processes=_MONITOR,
)
ITEMS = Gauge(
    name="vane_items",
    unit="count",
    meaning="Items of the catalogue.",
    processes=_MONITOR,
    labels=(Label("state", "of the item", ("available", "unavailable", "without_text")),),
)
USERS = Gauge(
    name="vane_users",
    unit="count",
    meaning="Users with a state, by the planner's estimate.",
    processes=_MONITOR,
)
TASTE_DRIFT = Gauge(
    name="vane_taste_drift",
    unit="count",
    meaning="Mean of 1 - cosine between the short and the long vector of a sample of users: how far"
    " sessions are from what people used to like. A jump means that traffic or embeddings changed.",
    processes=_MONITOR,
)
MODEL_AGE = Gauge(
    name="vane_model_age_seconds",
    unit="seconds",
    meaning="Since the serving part of the ranking was activated.",
    processes=_MONITOR,
    labels=(Label("part", "kind of model", ("linear", "network")),),
)
AUDITED_USERS = Counter(
    name="vane_audited_users_total",
    unit="count",
    meaning="Users whose state was recomputed from the log and compared.",
    processes=_MONITOR,
    labels=(Label("result", "of the comparison", ("equal", "different")),),
)
AUDIT_TIME = Gauge(
    name="vane_audit_last_timestamp_seconds",
    unit="seconds",
    meaning="When the last audit ended, in seconds since 1970.",
    processes=_MONITOR,
)
CANARY_SECONDS = Histogram(
    name="vane_canary_seconds",
    unit="seconds",
    meaning="The whole way of an event of the canary user: until the API has it from Kafka's"
    " acknowledgement (`accepted`), and until a list that holds it is answered (`served`).",
    processes=_MONITOR,
    labels=(Label("stage", "how far it has come", ("accepted", "served")),),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 15.0),
)
CANARY_RUNS = Counter(
    name="vane_canary_runs_total",
    unit="count",
    meaning="Events of the canary: shown in time, shown late (later than the limit), or failed.",
    processes=_MONITOR,
    labels=(Label("result", "of the run", ("shown", "late", "failed")),),
)
TABLE_ROWS = Gauge(
    name="vane_table_rows",
    unit="count",
    meaning="Rows by the statistics of PostgreSQL; `dead` ones wait for vacuum.",
    processes=_MONITOR,
    labels=(*_TABLE, Label("state", "of the row", ("live", "dead"))),
)
TABLE_BYTES = Gauge(
    name="vane_table_bytes",
    unit="bytes",
    meaning="Size on disk with indexes.",
    processes=_MONITOR,
    labels=_TABLE,
)
TABLE_VACUUM_SECONDS = Gauge(
    name="vane_table_vacuum_age_seconds",
    unit="seconds",
    meaning="Since the last vacuum, by hand or by itself; absent where there was none.",
    processes=_MONITOR,
    labels=_TABLE,
)
TABLE_UPDATES = Counter(
    name="vane_table_updates_total",
    unit="count",
    meaning="Updated rows; `hot` ones touched no index.",
    processes=_MONITOR,
    labels=(*_TABLE, Label("kind", "of update", ("hot", "indexed"))),
)
INDEX_SCANS = Counter(
    name="vane_hnsw_scans_total",
    unit="count",
    meaning="Scans of the HNSW index of items.",
    processes=_MONITOR,
)
INDEX_TUPLES = Counter(
    name="vane_hnsw_tuples_total",
    unit="count",
    meaning="Entries that these scans read.",
    processes=_MONITOR,
)
INDEX_BYTES = Gauge(
    name="vane_hnsw_bytes",
    unit="bytes",
    meaning="Size of the HNSW index; it should fit into shared_buffers.",
    processes=_MONITOR,
)
POSTGRES_TRANSACTIONS = Counter(
    name="vane_postgres_transactions_total",
    unit="count",
    meaning="Transactions of the database.",
    processes=_MONITOR,
    labels=(Label("end", "how they ended", ("commit", "rollback")),),
)
POSTGRES_BLOCKS = Counter(
    name="vane_postgres_blocks_total",
    unit="count",
    meaning="Pages that were needed: found in shared_buffers, or asked of the system.",
    processes=_MONITOR,
    labels=(Label("result", "of the look-up", ("hit", "read")),),
)
POSTGRES_DEADLOCKS = Counter(
    name="vane_postgres_deadlocks_total", unit="count", meaning="Deadlocks.", processes=_MONITOR
)
POSTGRES_CONNECTIONS = Gauge(
    name="vane_postgres_connections",
    unit="count",
    meaning="Connections to the database.",
    processes=_MONITOR,
    labels=(Label("state", "of the connection", ("active", "idle", "idle_in_transaction")),),
)
POSTGRES_CONNECTIONS_MAX = Gauge(
    name="vane_postgres_connections_max",
    unit="count",
    meaning="`max_connections` of the server.",
    processes=_MONITOR,
)
POSTGRES_BYTES = Gauge(
    name="vane_postgres_database_bytes",
    unit="bytes",
    meaning="Size of the database.",
    processes=_MONITOR,
)
POSTGRES_WAL = Counter(
    name="vane_postgres_wal_bytes_total",
    unit="bytes",
    meaning="Position in the write-ahead log: how much was ever written.",
    processes=_MONITOR,
)
POSTGRES_LONGEST = Gauge(
    name="vane_postgres_longest_transaction_seconds",
    unit="seconds",
    meaning="Age of the oldest open transaction; it holds vacuum back.",
    processes=_MONITOR,
)
POSTGRES_WAITING = Gauge(
    name="vane_postgres_waiting_locks",
    unit="count",
    meaning="Sessions that wait for a lock.",
    processes=_MONITOR,
)
POSTGRES_FROZEN = Gauge(
    name="vane_postgres_wraparound_ratio",
    unit="count",
    meaning="Age of the oldest transaction id as a share of what forces a shutdown, 2^31.",
    processes=_MONITOR,
)
REDIS_MEMORY = Gauge(
    name="vane_redis_memory_bytes",
    unit="bytes",
    meaning="Memory that Redis uses.",
    processes=_MONITOR,
)
REDIS_CLIENTS = Gauge(
    name="vane_redis_clients",
    unit="count",
    meaning="Connections to Redis.",
    processes=_MONITOR,
)
REDIS_COMMANDS = Counter(
    name="vane_redis_commands_total",
    unit="count",
    meaning="Commands that Redis has carried out.",
    processes=_MONITOR,
)
KAFKA_BROKERS = Gauge(
    name="vane_kafka_brokers",
    unit="count",
    meaning="Brokers of the cluster.",
    processes=_MONITOR,
)
KAFKA_END = Counter(
    name="vane_kafka_messages_total",
    unit="messages",
    meaning="End offset of each partition of the topics that flows read.",
    processes=_MONITOR,
    labels=_STREAM,
)

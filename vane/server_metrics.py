"""How the servers are, as `vane monitor` exposes it: part of the one list in `metrics`."""

from vane.installation_metrics import MONITOR, STREAM
from vane.meter import Counter, Gauge, Label

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
_TABLE = (Label("table", "with its partitions", TABLES),)

TABLE_ROWS = Gauge(
    name="vane_table_rows",
    unit="count",
    meaning="Rows by the statistics of PostgreSQL; `dead` ones wait for vacuum.",
    processes=MONITOR,
    labels=(*_TABLE, Label("state", "of the row", ("live", "dead"))),
)
TABLE_BYTES = Gauge(
    name="vane_table_bytes",
    unit="bytes",
    meaning="Size on disk with indexes.",
    processes=MONITOR,
    labels=_TABLE,
)
TABLE_VACUUM_SECONDS = Gauge(
    name="vane_table_vacuum_age_seconds",
    unit="seconds",
    meaning="Since the last vacuum, by hand or by itself; absent where there was none.",
    processes=MONITOR,
    labels=_TABLE,
)
TABLE_UPDATES = Counter(
    name="vane_table_updates_total",
    unit="count",
    meaning="Updated rows; `hot` ones touched no index.",
    processes=MONITOR,
    labels=(*_TABLE, Label("kind", "of update", ("hot", "indexed"))),
)
INDEX_SCANS = Counter(
    name="vane_hnsw_scans_total",
    unit="count",
    meaning="Scans of the HNSW index of items.",
    processes=MONITOR,
)
INDEX_TUPLES = Counter(
    name="vane_hnsw_tuples_total",
    unit="count",
    meaning="Entries that these scans read.",
    processes=MONITOR,
)
INDEX_BYTES = Gauge(
    name="vane_hnsw_bytes",
    unit="bytes",
    meaning="Size of the HNSW index; it should fit into shared_buffers.",
    processes=MONITOR,
)
PROBE_ROWS = Gauge(
    name="vane_hnsw_probe_rows",
    unit="count",
    meaning="What one search for the 40 nearest items to a random one read: rows that the index"
    " gave, and those of them that no list may show.",
    processes=MONITOR,
    labels=(Label("result", "of a row", ("kept", "removed")),),
)
PROBE_PAGES = Gauge(
    name="vane_hnsw_probe_pages",
    unit="count",
    meaning="Pages that this search touched: found in shared_buffers, or asked of the system.",
    processes=MONITOR,
    labels=(Label("result", "of the look-up", ("hit", "read")),),
)
PROBE_INDEXED = Gauge(
    name="vane_hnsw_probe_indexed",
    unit="0 or 1",
    meaning="1 where PostgreSQL chose the index for it; a small catalogue is read as a whole.",
    processes=MONITOR,
)
POSTGRES_TRANSACTIONS = Counter(
    name="vane_postgres_transactions_total",
    unit="count",
    meaning="Transactions of the database.",
    processes=MONITOR,
    labels=(Label("end", "how they ended", ("commit", "rollback")),),
)
POSTGRES_BLOCKS = Counter(
    name="vane_postgres_blocks_total",
    unit="count",
    meaning="Pages that were needed: found in shared_buffers, or asked of the system.",
    processes=MONITOR,
    labels=(Label("result", "of the look-up", ("hit", "read")),),
)
POSTGRES_DEADLOCKS = Counter(
    name="vane_postgres_deadlocks_total", unit="count", meaning="Deadlocks.", processes=MONITOR
)
POSTGRES_CONNECTIONS = Gauge(
    name="vane_postgres_connections",
    unit="count",
    meaning="Connections to the database.",
    processes=MONITOR,
    labels=(Label("state", "of the connection", ("active", "idle", "idle_in_transaction")),),
)
POSTGRES_CONNECTIONS_MAX = Gauge(
    name="vane_postgres_connections_max",
    unit="count",
    meaning="`max_connections` of the server.",
    processes=MONITOR,
)
POSTGRES_BYTES = Gauge(
    name="vane_postgres_database_bytes",
    unit="bytes",
    meaning="Size of the database.",
    processes=MONITOR,
)
POSTGRES_WAL = Counter(
    name="vane_postgres_wal_bytes_total",
    unit="bytes",
    meaning="Position in the write-ahead log: how much was ever written.",
    processes=MONITOR,
)
POSTGRES_LONGEST = Gauge(
    name="vane_postgres_longest_transaction_seconds",
    unit="seconds",
    meaning="Age of the oldest open transaction; it holds vacuum back.",
    processes=MONITOR,
)
POSTGRES_WAITING = Gauge(
    name="vane_postgres_waiting_locks",
    unit="count",
    meaning="Sessions that wait for a lock.",
    processes=MONITOR,
)
POSTGRES_FROZEN = Gauge(
    name="vane_postgres_wraparound_ratio",
    unit="count",
    meaning="Age of the server's oldest transaction id as a share of what forces a shutdown, 2^31.",
    processes=MONITOR,
)
REDIS_MEMORY = Gauge(
    name="vane_redis_memory_bytes",
    unit="bytes",
    meaning="Memory that Redis uses.",
    processes=MONITOR,
)
REDIS_CLIENTS = Gauge(
    name="vane_redis_clients",
    unit="count",
    meaning="Connections to Redis.",
    processes=MONITOR,
)
REDIS_COMMANDS = Counter(
    name="vane_redis_commands_total",
    unit="count",
    meaning="Commands that Redis has carried out.",
    processes=MONITOR,
)
KAFKA_BROKERS = Gauge(
    name="vane_kafka_brokers",
    unit="count",
    meaning="Brokers of the cluster.",
    processes=MONITOR,
)
KAFKA_END = Counter(
    name="vane_kafka_messages_total",
    unit="messages",
    meaning="End offset of each partition of the topics that flows read.",
    processes=MONITOR,
    labels=STREAM,
)

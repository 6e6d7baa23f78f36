"""PostgreSQL, Redis and Kafka."""

from grafana.panels import Dashboard, Panel, Query
from grafana.queries import RATE, largest, rate

SERVERS = Dashboard(
    "vane-servers",
    "Vane / PostgreSQL, Redis, Kafka",
    "The servers as far as Vane depends on them.",
    {
        "PostgreSQL": [
            Panel("Transactions", "By their end.", "ops",
                  [rate("vane_postgres_transactions_total", "end")]),
            Panel("Pages found in memory", "Share of look-ups.", "percentunit",
                  [Query(f'sum(rate(vane_postgres_blocks_total{{result="hit"}}{RATE}))'
                         f" / sum(rate(vane_postgres_blocks_total{RATE}))", "hits")],
                  limit=0.95, low=True),
            Panel("Write-ahead log", "Bytes a second.", "Bps",
                  [Query(f"rate(vane_postgres_wal_bytes_total{RATE})", "WAL")]),
            Panel("Connections", "By state, and how many there may be.", "short",
                  [largest("vane_postgres_connections", "state"),
                   Query("max(vane_postgres_connections_max)", "most")]),
            Panel("Waiting for locks, deadlocks", "Sessions; deadlocks in the last minutes.",
                  "short", [Query("max(vane_postgres_waiting_locks)", "waiting"),
                            Query(f"increase(vane_postgres_deadlocks_total{RATE})", "deadlocks")]),
            Panel("Oldest transaction", "It holds vacuum back.", "s",
                  [Query("max(vane_postgres_longest_transaction_seconds)", "oldest")], limit=600),
        ],
        "Tables": [
            Panel("Size", "On disk with indexes.", "bytes",
                  [largest("vane_table_bytes", "table"),
                   Query("max(vane_postgres_database_bytes)", "database")]),
            Panel("Age of the log", "Since its oldest month; since the checkpoint before months"
                  " went; 0: none.", "s",
                  [Query("max(vane_log_age_seconds)", "oldest month"),
                   Query("max(vane_log_checkpoint_age_seconds)", "checkpoint")]),
            Panel("Dead rows", "Share of all rows; vacuum takes them away.", "percentunit",
                  [Query('max by (table) (vane_table_rows{state="dead"})'
                         " / (sum by (table) (vane_table_rows) > 0)", "{{table}}")]),
            Panel("Since vacuum", "By hand or by itself.", "s",
                  [largest("vane_table_vacuum_age_seconds", "table")]),
            Panel("Updates", "HOT ones touch no index.", "ops",
                  [rate("vane_table_updates_total", "table, kind")]),
            Panel("HNSW index", "Scans of the index of items, and the entries that they read.",
                  "ops", [Query(f"sum(rate(vane_hnsw_scans_total{RATE}))", "scans"),
                          Query(f"sum(rate(vane_hnsw_tuples_total{RATE}))", "entries")]),
            Panel("One search", "For the 40 nearest to a random item: rows of the index that lists"
                  " may show, and others.", "short",
                  [largest("vane_hnsw_probe_rows", "result"),
                   Query("max(vane_hnsw_probe_indexed)", "index used")]),
            Panel("Pages of one search", "Found in shared_buffers, or asked of the system.",
                  "short", [largest("vane_hnsw_probe_pages", "result")]),
            Panel("HNSW size", "It should fit into shared_buffers.", "bytes",
                  [Query("max(vane_hnsw_bytes)", "index")]),
            Panel("Wraparound", "Age of the oldest transaction id, as a share of the limit.",
                  "percentunit", [Query("max(vane_postgres_wraparound_ratio)", "age")], limit=0.5),
        ],
        "Redis and Kafka": [
            Panel("Redis memory", "Pub/sub needs little.", "bytes",
                  [Query("max(vane_redis_memory_bytes)", "memory")]),
            Panel("Redis commands", "Hints and probes.", "ops",
                  [Query(f"sum(rate(vane_redis_commands_total{RATE}))", "commands")]),
            Panel("Redis clients", "Connections.", "short",
                  [Query("max(vane_redis_clients)", "clients")]),
            Panel("Kafka brokers", "That answer.", "short",
                  [Query("max(vane_kafka_brokers)", "brokers")]),
            Panel("Kafka messages", "Growth of each partition that a flow reads.", "cps",
                  [rate("vane_kafka_messages_total", "flow, partition")]),
            Panel("Time of probes", "How soon each server answers.", "s",
                  [largest("vane_dependency_probe_seconds", "server")]),
        ],
    },
)  # fmt: skip

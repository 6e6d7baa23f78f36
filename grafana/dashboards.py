"""The five dashboards."""

from grafana.panels import Dashboard, Panel, Query, Unit

RATE = "[$__rate_interval]"


def _quantiles(metric: str, by: str = "", labels: str = "") -> list[Query]:
    """Median and 99th percentile of a histogram, by a label or in all."""
    name = "{{" + by + "}} " if by else ""
    group = f"le, {by}" if by else "le"
    selector = f"{metric}_bucket{{{labels}}}" if labels else f"{metric}_bucket"
    return [
        Query(f"histogram_quantile({q}, sum by ({group}) (rate({selector}{RATE})))", f"{name}{p}")
        for q, p in ((0.5, "p50"), (0.99, "p99"))
    ]


def _rate(metric: str, by: str, labels: str = "") -> Query:
    selector = f"{metric}{{{labels}}}" if labels else metric
    return Query(f"sum by ({by}) (rate({selector}{RATE}))", "{{" + by.replace(", ", "}} {{") + "}}")


def _stat(title: str, description: str, unit: Unit, expression: str, **rest: object) -> Panel:
    query = [Query(expression, title)]
    return Panel(title, description, unit, query, "stat", width=4, height=4, **rest)  # type: ignore[arg-type]


SHOWN = (
    'sum(rate(vane_canary_runs_total{result="shown"}[$__range]))'
    " / sum(rate(vane_canary_runs_total[$__range]))"
)
ANSWERED = (
    '1 - (sum(rate(vane_api_requests_total{status=~"5.."}[$__range])) or vector(0))'
    " / sum(rate(vane_api_requests_total[$__range]))"
)
FAST = (
    'sum(rate(vane_api_request_seconds_bucket{le="0.1"}[$__range]))'
    " / sum(rate(vane_api_request_seconds_count[$__range]))"
)

OVERVIEW = Dashboard(
    "vane-overview",
    "Vane / Overview",
    "Whether the promises are kept, and where to look if not.",
    {
        "Service levels over the chosen time": [
            _stat("Fresh", "Events of the canary that a list showed in time. Promised: 99 %.",
                  "percentunit", SHOWN, limit=0.99, low=True),
            _stat("Available", "Requests that were not answered with 5xx. Promised: 99.9 %.",
                  "percentunit", ANSWERED, limit=0.999, low=True),
            _stat("Fast", "Requests answered within 100 ms. Promised: 99 %.",
                  "percentunit", FAST, limit=0.99, low=True),
            _stat("Worst lag", "Age of the oldest message that no flow has committed.",
                  "s", "max(vane_log_lag_seconds)", limit=60),
            _stat("Audit", "Users whose state differed from the log. Must be 0.",
                  "short", 'sum(increase(vane_audited_users_total{result="different"}[$__range]))'
                  " or vector(0)", limit=1),
            _stat("Servers up", "PostgreSQL, Redis, Kafka and the API, as the monitor sees them.",
                  "percentunit", "avg(vane_dependency_up)", limit=1, low=True),
        ],
        "From a click to a changed list": [
            Panel("Canary", "Time until Kafka has an event, and until a list holds it.", "s",
                  _quantiles("vane_canary_seconds", "stage"), limit=1),
            Panel("Freshness of all events", "From an event's own time until it is committed,"
                  " pushed and served; late events count as late.", "s",
                  _quantiles("vane_freshness_seconds", "stage")),
            Panel("Lag", "Age of the oldest message that is not committed.", "s",
                  [Query("max by (flow) (vane_log_lag_seconds)", "{{flow}}")], limit=60),
        ],
        "Traffic": [
            Panel("Events", "Messages that flows committed.", "cps",
                  [_rate("vane_flow_messages_total", "flow")]),
            Panel("Requests", "Answers of the API by status.", "reqps",
                  [_rate("vane_api_requests_total", "status")]),
            Panel("Dead letters", "Messages that could not be applied, by field.", "cps",
                  [_rate("vane_flow_dead_letters_total", "flow, field"),
                   _rate("vane_log_messages_total", "flow", 'outcome="dead_lettered"')]),
        ],
        "Processes": [
            Panel("CPU", "Cores that each process uses.", "short",
                  [Query(f"rate(process_cpu_seconds_total{RATE})", "{{job}} {{instance}}")]),
            Panel("Memory", "Resident memory of each process.", "bytes",
                  [Query("process_resident_memory_bytes", "{{job}} {{instance}}")]),
            Panel("Servers", "1 where the server answered the last probe.", "short",
                  [Query("min by (server) (vane_dependency_up)", "{{server}}")], limit=1, low=True),
        ],
    },
)  # fmt: skip

DATAFLOW = Dashboard(
    "vane-dataflow",
    "Vane / Dataflow",
    "From Kafka to committed vectors: how far, how fast, what bounds it.",
    {
        "How far": [
            Panel("Lag by partition", "Messages between what is committed and the end of the log.",
                  "short", [Query("max by (flow, partition) (vane_log_lag_events)",
                                  "{{flow}} {{partition}}")]),
            Panel("Lag in time", "Age of the oldest message that is not committed.", "s",
                  [Query("max by (flow, partition) (vane_log_lag_seconds)",
                         "{{flow}} {{partition}}")], limit=60),
            Panel("Stalled", "How long a partition with waiting messages has not moved.", "s",
                  [Query("max by (flow, partition) (vane_log_stalled_seconds)",
                         "{{flow}} {{partition}}")], limit=120),
            Panel("Lag as each flow sees it", "Rows and messages that a flow still has to take.",
                  "short", [Query("sum by (flow) (vane_flow_lag_events)", "{{flow}}")]),
            Panel("Lag in time as each flow sees it", "By the flow's own clock.", "s",
                  [Query("max by (flow) (vane_flow_lag_seconds)", "{{flow}}")], limit=60),
            Panel("Trends behind", "Committed events that trends or neighbours do not hold.",
                  "short", [Query("max(vane_trends_lag_events)", "events")]),
        ],
        "How fast": [
            Panel("Messages", "Committed, by what became of them.", "cps",
                  [_rate("vane_flow_messages_total", "flow, outcome")]),
            Panel("Messages in a transaction", "Grows with lag, shrinks when caught up.", "short",
                  _quantiles("vane_flow_transaction_messages", "flow")),
            Panel("Produced", "Growth of the topics that flows read.", "cps",
                  [_rate("vane_kafka_messages_total", "flow")]),
            Panel("Where a transaction's time goes", "Seconds a second of each part of flow"
                  " interactions; the tallest one bounds it.", "short",
                  [_rate("vane_flow_transaction_seconds_sum", "part", 'flow="interactions"')],
                  width=12),
            Panel("Parts of the other flows", "Seconds a second.", "short",
                  [_rate("vane_flow_transaction_seconds_sum", "flow, part",
                         'flow!="interactions"')], width=12),
        ],
        "Exactly once": [
            Panel("What became of all messages", "Since the beginning, over all restarts.", "short",
                  [Query("max by (flow, outcome) (vane_log_messages_total)",
                         "{{flow}} {{outcome}}")]),
            Panel("Owners of partitions", "Raised each time a worker takes a partition.", "short",
                  [Query("max by (flow, partition) (vane_log_epoch)", "{{flow}} {{partition}}"),
                   Query("max by (flow, partition) (vane_flow_epoch)",
                         "{{flow}} {{partition}} by itself")]),
            Panel("Fenced", "Workers that were refused: another has the partition.", "short",
                  [Query("sum by (flow) (vane_log_fenced_total)", "{{flow}}")]),
            Panel("Gap", "Messages that retention deleted before they were read. Must be 0.",
                  "short", [Query("max by (flow) (vane_log_gap_events)", "{{flow}}")], limit=1),
            Panel("Refused states, retries", "Another writer was faster; computed again.", "cps",
                  [Query(f"sum(rate(vane_interactions_refused_states_total{RATE}))", "refused"),
                   _rate("vane_interactions_retries_total", "reason")]),
            Panel("Waiting for their item", "Events on items that nobody has sent yet.", "short",
                  [Query("max(vane_pending_events)", "waiting"),
                   _rate("vane_interactions_pending_events_total", "change")]),
            Panel("Oldest waiting event", "By its own time.", "s",
                  [Query("max(vane_pending_oldest_seconds)", "oldest")]),
        ],
        "Inside": [
            Panel("Caches of the workers", "Share of look-ups that were found.", "percentunit",
                  [Query('sum by (cache) (rate(vane_interactions_cache_lookups_total{result="hit"}'
                         f"{RATE})) / sum by (cache)"
                         f" (rate(vane_interactions_cache_lookups_total{RATE}))", "{{cache}}")]),
            Panel("Clamped times", "Applied events whose time was too far ahead.", "cps",
                  [Query(f"sum(rate(vane_interactions_clamped_events_total{RATE}))", "clamped")]),
            Panel("Hints", "To Redis; a lost one costs at most the cache's time to live.", "cps",
                  [_rate("vane_flow_hints_total", "result")]),
            Panel("Embedded texts", "Of the catalogue.", "cps",
                  [Query(f"sum(rate(vane_catalog_embedded_texts_total{RATE}))", "texts")]),
        ],
    },
)  # fmt: skip

API = Dashboard(
    "vane-api",
    "Vane / API",
    "What callers see.",
    {
        "Callers": [
            Panel("Requests", "By route.", "reqps", [_rate("vane_api_requests_total", "route")]),
            Panel("Time to answer", "By route, 99th percentile.", "s",
                  _quantiles("vane_api_request_seconds", "route")[1:], limit=0.1),
            Panel("Errors", "Share of requests answered with 5xx and with 4xx.", "percentunit",
                  [Query(f'(sum(rate(vane_api_requests_total{{status=~"{n}.."}}{RATE}))'
                         f" or vector(0)) / sum(rate(vane_api_requests_total{RATE}))", f"{n}xx")
                   for n in (5, 4)], limit=0.001),
        ],
        "Answers": [
            Panel("Cache", "Look-ups by result.", "ops", [_rate("vane_api_cache_total", "result")]),
            Panel("Hit ratio", "Share of answers that were ready.", "percentunit",
                  [Query(f'sum(rate(vane_api_cache_total{{result="hit"}}{RATE}))'
                         f" / sum(rate(vane_api_cache_total{RATE}))", "hits")]),
            Panel("Entries", "Answers in memory.", "short",
                  [Query("sum by (instance) (vane_api_cache_entries)", "{{instance}}")]),
            Panel("Fallbacks", "Answers that are not what was asked for. Must be 0.", "ops",
                  [_rate("vane_api_fallbacks_total", "kind")]),
            Panel("Distribution", "Times to answer, all routes.", "s",
                  [Query(f"sum by (le) (increase(vane_api_request_seconds_bucket{RATE}))",
                         "{{le}}")], "heatmap", width=16),
        ],
        "Events and hints": [
            Panel("Events by POST", "By the result of the check.", "cps",
                  [_rate("vane_api_events_total", "result")]),
            Panel("Hints", "From Redis, by kind.", "cps", [_rate("vane_api_hints_total", "kind")]),
            Panel("Logged lists", "To the topic recommendation-log.", "ops",
                  [_rate("vane_api_lists_logged_total", "kind")]),
            Panel("Delay of hints", "From push to the API.", "s",
                  _quantiles("vane_api_hint_delay_seconds")),
            Panel("Redis", "1 while hints can arrive.", "short",
                  [Query("min by (instance) (vane_api_redis_connected)", "{{instance}}")],
                  limit=1, low=True),
            Panel("Settings", "1 while the stored settings cannot be read.", "short",
                  [Query("max by (instance) (vane_api_settings_broken)", "{{instance}}")], limit=1),
        ],
        "Streams": [
            Panel("Open", "Streams of lists by instance.", "short",
                  [Query("sum by (instance) (vane_api_streams)", "{{instance}}")]),
            Panel("Lists sent", "Over streams.", "ops",
                  [Query(f"sum(rate(vane_api_stream_lists_total{RATE}))", "lists")]),
            Panel("Ends", "Of streams, by reason.", "ops",
                  [_rate("vane_api_stream_ends_total", "reason")]),
        ],
    },
)  # fmt: skip

QUALITY = Dashboard(
    "vane-quality",
    "Vane / Recommendation quality",
    "Whether lists are made from what they should be made from.",
    {
        "Learning": [
            Panel("Age of the ranking", "Since each part was activated.", "s",
                  [Query("max by (part) (vane_model_age_seconds)", "{{part}}")]),
            Panel("Learned events", "Log rows that flow learning has taken.", "cps",
                  [_rate("vane_flow_messages_total", "flow", 'flow="learning"')]),
            Panel("Time of learning", "Seconds a second of each part.", "short",
                  [_rate("vane_flow_transaction_seconds_sum", "part", 'flow="learning"')]),
        ],
        "Tastes and catalogue": [
            Panel("Drift of tastes", "Mean of 1 - cosine of short and long vectors, of a sample.",
                  "short", [Query("max(vane_taste_drift)", "drift")]),
            Panel("Items", "By state.", "short",
                  [Query("max by (state) (vane_items)", "{{state}}")]),
            Panel("Users", "With a state.", "short", [Query("max(vane_users)", "users")]),
        ],
        "Right": [
            Panel("Audited users", "Recomputed from the log and compared.", "short",
                  [Query("sum by (result) (increase(vane_audited_users_total[$__range]))",
                         "{{result}}")]),
            Panel("Last audit", "Seconds since it ended.", "s",
                  [Query("time() - max(vane_audit_last_timestamp_seconds)", "age")], limit=600),
            Panel("Canary", "Its events by result.", "cps",
                  [_rate("vane_canary_runs_total", "result")]),
        ],
    },
)  # fmt: skip

SERVERS = Dashboard(
    "vane-servers",
    "Vane / PostgreSQL, Redis, Kafka",
    "The servers as far as Vane depends on them.",
    {
        "PostgreSQL": [
            Panel("Transactions", "By their end.", "ops",
                  [_rate("vane_postgres_transactions_total", "end")]),
            Panel("Pages found in memory", "Share of look-ups.", "percentunit",
                  [Query(f'sum(rate(vane_postgres_blocks_total{{result="hit"}}{RATE}))'
                         f" / sum(rate(vane_postgres_blocks_total{RATE}))", "hits")],
                  limit=0.95, low=True),
            Panel("Write-ahead log", "Bytes a second.", "Bps",
                  [Query(f"rate(vane_postgres_wal_bytes_total{RATE})", "WAL")]),
            Panel("Connections", "By state, and how many there may be.", "short",
                  [Query("max by (state) (vane_postgres_connections)", "{{state}}"),
                   Query("max(vane_postgres_connections_max)", "most")]),
            Panel("Waiting for locks, deadlocks", "Sessions; deadlocks in the last minutes.",
                  "short", [Query("max(vane_postgres_waiting_locks)", "waiting"),
                            Query(f"increase(vane_postgres_deadlocks_total{RATE})", "deadlocks")]),
            Panel("Oldest transaction", "It holds vacuum back.", "s",
                  [Query("max(vane_postgres_longest_transaction_seconds)", "oldest")], limit=600),
        ],
        "Tables": [
            Panel("Size", "On disk with indexes.", "bytes",
                  [Query("max by (table) (vane_table_bytes)", "{{table}}"),
                   Query("max(vane_postgres_database_bytes)", "database")]),
            Panel("Dead rows", "Share of all rows; vacuum takes them away.", "percentunit",
                  [Query('max by (table) (vane_table_rows{state="dead"})'
                         " / (sum by (table) (vane_table_rows) > 0)", "{{table}}")]),
            Panel("Since vacuum", "By hand or by itself.", "s",
                  [Query("max by (table) (vane_table_vacuum_age_seconds)", "{{table}}")]),
            Panel("Updates", "HOT ones touch no index.", "ops",
                  [_rate("vane_table_updates_total", "table, kind")]),
            Panel("HNSW index", "Scans of the index of items.", "ops",
                  [Query(f"sum(rate(vane_hnsw_scans_total{RATE}))", "scans"),
                   Query(f"sum(rate(vane_hnsw_tuples_total{RATE}))", "entries")]),
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
            Panel("Time of probes", "How soon each server answers.", "s",
                  [Query("max by (server) (vane_dependency_probe_seconds)", "{{server}}")]),
        ],
    },
)  # fmt: skip

DASHBOARDS = (OVERVIEW, DATAFLOW, API, QUALITY, SERVERS)

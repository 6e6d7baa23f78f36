"""What callers see."""

from grafana.panels import Dashboard, Panel, Query
from grafana.queries import RATE, hits, largest, quantiles, rate

API = Dashboard(
    "vane-api",
    "Vane / API",
    "What callers see.",
    {
        "Callers": [
            Panel("Requests", "By route.", "reqps", [rate("vane_api_requests_total", "route")]),
            Panel("Time to answer", "By route, 99th percentile.", "s",
                  quantiles("vane_api_request_seconds", "route")[1:], limit=0.1),
            Panel("Errors", "Share of requests answered with 5xx and with 4xx.", "percentunit",
                  [Query(f'(sum(rate(vane_api_requests_total{{status=~"{n}.."}}{RATE}))'
                         f" or vector(0)) / sum(rate(vane_api_requests_total{RATE}))", f"{n}xx")
                   for n in (5, 4)], limit=0.001),
        ],
        "Answers": [
            Panel("Cache", "Look-ups by result.", "ops", [rate("vane_api_cache_total", "result")]),
            Panel("Hit ratio", "Share of answers that were ready.", "percentunit",
                  [Query(f'sum(rate(vane_api_cache_total{{result="hit"}}{RATE}))'
                         f" / sum(rate(vane_api_cache_total{RATE}))", "hits")]),
            Panel("Entries", "Answers in memory.", "short",
                  [Query("sum by (instance) (vane_api_cache_entries)", "{{instance}}")]),
            Panel("Fallbacks", "Answers that are not what was asked for. Must be 0.", "ops",
                  [rate("vane_api_fallbacks_total", "kind")]),
            Panel("Distribution", "Times to answer, all routes.", "s",
                  [Query(f"sum by (le) (increase(vane_api_request_seconds_bucket{RATE}))",
                         "{{le}}")], "heatmap", width=16),
        ],
        "Lists that are computed": [
            Panel("Where their time goes", "Seconds a second of each stage; the tallest one bounds"
                  " what a process can compute.", "short",
                  [rate("vane_api_stage_seconds_sum", "stage")]),
            Panel("Time of stages", "99th percentile of each; points are recorded traces.", "s",
                  quantiles("vane_api_stage_seconds", "stage")[1:]),
            Panel("Memory", "Share of look-ups of items that were found in the process.",
                  "percentunit", [hits("vane_api_memory_lookups_total", "cache")]),
            Panel("Lists", "For users, by whether anything that they did is in it.", "ops",
                  [rate("vane_api_lists_total", "strategy")]),
            Panel("Searches of the text index", "Short ones gave fewer rows than asked for: the"
                  " scan ran out of tuples, or not so many items are left.", "ops",
                  [rate("vane_api_hnsw_searches_total", "result")]),
            Panel("Rows of these searches", "Returned; what they read is with PostgreSQL.", "ops",
                  [Query(f"sum(rate(vane_api_hnsw_rows_total{RATE}))", "rows")]),
        ],
        "Events and hints": [
            Panel("Events by POST", "By the result of the check.", "cps",
                  [rate("vane_api_events_total", "result")]),
            Panel("Hints", "From Redis, by kind.", "cps", [rate("vane_api_hints_total", "kind")]),
            Panel("Logged lists", "To the topic recommendation-log.", "ops",
                  [rate("vane_api_lists_logged_total", "kind")]),
            Panel("Delay of hints", "From push to the API.", "s",
                  quantiles("vane_api_hint_delay_seconds")),
            Panel("Redis", "1 while hints can arrive.", "short",
                  [Query("min by (instance) (vane_api_redis_connected)", "{{instance}}")],
                  limit=1, low=True),
            Panel("Settings", "1 while the stored settings cannot be read.", "short",
                  [largest("vane_api_settings_broken", "instance")], limit=1),
        ],
        "Streams": [
            Panel("Open", "Streams of lists by instance.", "short",
                  [Query("sum by (instance) (vane_api_streams)", "{{instance}}")]),
            Panel("Lists sent", "Over streams.", "ops",
                  [Query(f"sum(rate(vane_api_stream_lists_total{RATE}))", "lists")]),
            Panel("Ends", "Of streams, by reason.", "ops",
                  [rate("vane_api_stream_ends_total", "reason")]),
        ],
    },
)  # fmt: skip

"""Whether the promises are kept."""

from grafana.panels import Dashboard, Panel, Query
from grafana.queries import RATE, largest, quantiles, rate, stat

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
            stat("Fresh", "Events of the canary that a list showed in time. Promised: 99 %.",
                  "percentunit", SHOWN, limit=0.99, low=True),
            stat("Available", "Requests that were not answered with 5xx. Promised: 99.9 %.",
                  "percentunit", ANSWERED, limit=0.999, low=True),
            stat("Fast", "Requests answered within 100 ms. Promised: 99 %.",
                  "percentunit", FAST, limit=0.99, low=True),
            stat("Worst lag", "Age of the oldest message that no flow has committed.",
                  "s", "max(vane_log_lag_seconds)", limit=60),
            stat("Audit", "Users whose state differed from the log. Must be 0.",
                  "short", 'sum(increase(vane_audited_users_total{result="different"}[$__range]))'
                  " or vector(0)", limit=1),
            stat("Servers up", "PostgreSQL, Redis, Kafka and the API, as the monitor sees them.",
                  "percentunit", "avg(vane_dependency_up)", limit=1, low=True),
        ],
        "From a click to a changed list": [
            Panel("Canary", "Time until Kafka has an event, and until a list holds it.", "s",
                  quantiles("vane_canary_seconds", "stage"), limit=1),
            Panel("Freshness of all events", "From an event's own time until it is committed,"
                  " pushed and served; late events count as late.", "s",
                  quantiles("vane_freshness_seconds", "stage")),
            Panel("Lag", "Age of the oldest message that is not committed.", "s",
                  [largest("vane_log_lag_seconds", "flow")], limit=60),
        ],
        "Traffic": [
            Panel("Events", "Messages that flows committed.", "cps",
                  [rate("vane_flow_messages_total", "flow")]),
            Panel("Requests", "Answers of the API by status.", "reqps",
                  [rate("vane_api_requests_total", "status")]),
            Panel("Dead letters", "Messages that could not be applied, by what is wrong.", "cps",
                  [rate("vane_flow_dead_letters_total", "flow, field, reason"),
                   rate("vane_log_messages_total", "flow", 'outcome="dead_lettered"')]),
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

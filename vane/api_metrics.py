"""What every process of the API exposes: part of the one list in `metrics`."""

from vane.meter import OTHER, SHORT_S, Counter, Gauge, Histogram, Label

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)

API_REQUESTS = Counter(
    name="vane_api_requests_total",
    unit="count",
    meaning="Answered requests.",
    processes=("api",),
    labels=(
        Label("method", "of HTTP", METHODS),
        Label("route", "pattern of the path, `unmatched` where there is none"),
        Label("status", "of HTTP"),
    ),
)
API_REQUEST_SECONDS = Histogram(
    name="vane_api_request_seconds",
    unit="seconds",
    meaning="Time to answer a request.",
    processes=("api",),
    labels=(Label("route", "pattern of the path"),),
    buckets=SHORT_S,
)
API_CACHE = Counter(
    name="vane_api_cache_total",
    unit="count",
    meaning="Look-ups of ready answers; `overtaken`: a fill that a hint overtook; `last_known`: an"
    " old answer, as PostgreSQL was away.",
    processes=("api",),
    labels=(Label("result", "of the look-up", ("hit", "miss", "overtaken", "last_known")),),
)
API_CACHE_ENTRIES = Gauge(
    name="vane_api_cache_entries",
    unit="count",
    meaning="Answers in the cache.",
    processes=("api",),
)
API_FALLBACKS = Counter(
    name="vane_api_fallbacks_total",
    unit="count",
    meaning="Answers that are not what was asked for, as PostgreSQL was away: the last known one,"
    " or what was popular.",
    processes=("api",),
    labels=(Label("kind", "what was given instead", ("last_known", "popular")),),
)
API_EVENTS = Counter(
    name="vane_api_events_total",
    unit="events",
    meaning="Events by POST.",
    processes=("api",),
    labels=(Label("result", "of the check", ("accepted", "rejected")),),
)
API_LISTS = Counter(
    name="vane_api_lists_logged_total",
    unit="count",
    meaning="Records for topic recommendation-log: lists that users saw, and lists that were served"
    " and dropped, as Kafka had no room.",
    processes=("api",),
    labels=(Label("kind", "what became of it", ("seen", "dropped")),),
)
API_HINTS = Counter(
    name="vane_api_hints_total",
    unit="count",
    meaning="Hints from Redis; `Connected`: the subscription began again, hints may be missing.",
    processes=("api",),
    labels=(
        Label(
            "kind",
            "of hint",
            ("PreferenceHint", "CatalogHint", "TrendsHint", "SettingsHint", "Connected"),
        ),
    ),
)
API_HINT_DELAY_SECONDS = Histogram(
    name="vane_api_hint_delay_seconds",
    unit="seconds",
    meaning="From when a hint about users was pushed until the API has taken it.",
    processes=("api",),
    buckets=SHORT_S,
)
API_SETTINGS_BROKEN = Gauge(
    name="vane_api_settings_broken",
    unit="0 or 1",
    meaning="1 while the settings in the database cannot be used, and the last good ones go on.",
    processes=("api",),
)
API_STREAMS = Gauge(
    name="vane_api_streams",
    unit="count",
    meaning="Open streams of lists.",
    processes=("api",),
)
API_STREAM_LISTS = Counter(
    name="vane_api_stream_lists_total",
    unit="count",
    meaning="Lists pushed to streams.",
    processes=("api",),
)
API_STREAM_ENDS = Counter(
    name="vane_api_stream_ends_total",
    unit="count",
    meaning="Streams that ended: the client went, it did not read, its token expired, or the"
    " process ended.",
    processes=("api",),
    labels=(Label("reason", "why", ("client", "slow", "expired", "shutdown")),),
)
API_REDIS_CONNECTED = Gauge(
    name="vane_api_redis_connected",
    unit="0 or 1",
    meaning="1 while hints can arrive.",
    processes=("api",),
)

"""What every process of the API exposes: part of the one list in `metrics`."""

from vane.meter import OTHER, SHORT_S, Counter, Gauge, Histogram, Label
from vane.reasons import Code

STAGES = (
    "wait",
    "user",
    "candidates",
    "contents",
    "features",
    "ranking",
    "diversity",
    "details",
    "encoding",
)
"""What the time of a list is split into, in this order."""
CACHES = ("neighbours", "nearest", "contents", "details")
REASONS: tuple[Code, ...] = ("because", "together", "popular", "new", "explore")
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
API_STAGE_SECONDS = Histogram(
    name="vane_api_stage_seconds",
    unit="seconds",
    meaning="Time of each stage of a list that was computed: `wait` for a turn, `user` and what is"
    " nearest to the user's vectors from PostgreSQL, `candidates` of all sources, their `contents`,"
    " `features`, `ranking`, `diversity`, `details` that the list shows with reasons, `encoding`."
    " Requests take turns, so a stage may include a while of another request.",
    processes=("api",),
    labels=(Label("stage", "of the way", STAGES),),
    buckets=SHORT_S,
)
API_LISTS_MADE = Counter(
    name="vane_api_lists_total",
    unit="count",
    meaning="Lists for users that were computed. `trending`: nothing that the user did is in it.",
    processes=("api",),
    labels=(Label("strategy", "of the list", ("personal", "trending")),),
)
API_LISTED_ITEMS = Counter(
    name="vane_api_listed_items_total",
    unit="count",
    meaning="Items of computed lists, feeds and lists for baskets, by the reason that they give.",
    processes=("api",),
    labels=(Label("reason", "code of the reason", REASONS),),
)
API_MEMORY = Counter(
    name="vane_api_memory_lookups_total",
    unit="count",
    meaning="Look-ups of items in the memory of the process: the rows of their neighbours, what is"
    " nearest to them, their contents, what lists show of them.",
    processes=("api",),
    labels=(
        Label("cache", "which", CACHES),
        Label("result", "whether it was there", ("hit", "miss")),
    ),
)
API_NEAR_SEARCHES = Counter(
    name="vane_api_hnsw_searches_total",
    unit="count",
    meaning="Searches of the HNSW index. `short`: fewer rows came than were asked for; the scan ran"
    " out of tuples (`hnsw.max_scan_tuples`), or not so many items are left.",
    processes=("api",),
    labels=(Label("result", "of the search", ("full", "short")),),
)
API_NEAR_ROWS = Counter(
    name="vane_api_hnsw_rows_total",
    unit="count",
    meaning="Rows that these searches returned; `vane_hnsw_tuples_total` is what they read.",
    processes=("api",),
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

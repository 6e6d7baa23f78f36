"""What the API counts. Labels never hold an id of a user or an item."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "vane_api_requests",
            "Answered requests.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "vane_api_request_seconds",
            "Time to answer a request.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.cache = Counter(
            "vane_api_cache",
            "Cache look-ups: hit, miss, overtaken (a fill that a hint overtook), last_known.",
            ["result"],
            registry=self.registry,
        )
        self.cache_entries = Gauge(
            "vane_api_cache_entries", "Answers in the cache.", registry=self.registry
        )
        self.events = Counter(
            "vane_api_events", "Events by POST, by result.", ["result"], registry=self.registry
        )
        self.hints = Counter("vane_api_hints", "Hints, by kind.", ["kind"], registry=self.registry)
        self.redis_connected = Gauge(
            "vane_api_redis_connected", "1 while hints can arrive.", registry=self.registry
        )

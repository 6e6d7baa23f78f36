"""What the API counts."""

from vane.api_metrics import (
    API_CACHE,
    API_CACHE_ENTRIES,
    API_EVENTS,
    API_FALLBACKS,
    API_HINT_DELAY_SECONDS,
    API_HINTS,
    API_LISTS,
    API_REDIS_CONNECTED,
    API_REQUEST_SECONDS,
    API_REQUESTS,
    API_SETTINGS_BROKEN,
    API_STREAM_ENDS,
    API_STREAM_LISTS,
    API_STREAMS,
    METHODS,
)
from vane.meter import OTHER, Count, Counter, Spread
from vane.metrics import FRESHNESS, meter_of


class Metrics:
    """The numbers of one application; those with one label are here by its value."""

    def __init__(self) -> None:
        self.numbers = numbers = meter_of("api")

        def by_value(metric: Counter) -> dict[str, Count]:
            return {value: numbers.counter(metric, value) for value in metric.labels[0].values}

        self.cache, self.fallbacks = by_value(API_CACHE), by_value(API_FALLBACKS)
        self.events, self.hints = by_value(API_EVENTS), by_value(API_HINTS)
        self.settings_broken = numbers.gauge(API_SETTINGS_BROKEN)
        self.stream_ends = by_value(API_STREAM_ENDS)
        self.stream_lists = numbers.counter(API_STREAM_LISTS)
        self.streams = numbers.gauge(API_STREAMS)
        self.lists = by_value(API_LISTS)
        self.hint_delay = numbers.histogram(API_HINT_DELAY_SECONDS)
        self.served = numbers.histogram(FRESHNESS, "served")
        self.cache_entries = numbers.gauge(API_CACHE_ENTRIES)
        self.redis_connected = numbers.gauge(API_REDIS_CONNECTED)
        self._requests: dict[tuple[str, str, int], tuple[Count, Spread]] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; clients may send any method."""
        cells = self._requests.get((method, route, status))
        if cells is None:
            known = method if method in METHODS else OTHER
            cells = (
                self.numbers.counter(API_REQUESTS, known, route, str(status)),
                self.numbers.histogram(API_REQUEST_SECONDS, route),
            )
            if known == method:  # of other methods there is no end
                self._requests[method, route, status] = cells
        cells[0].add()
        cells[1].observe(seconds)

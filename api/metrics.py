"""What the API counts."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from schemas.responses import ListedItem
from vane.api_metrics import (
    API_CACHE,
    API_CACHE_ENTRIES,
    API_EVENTS,
    API_FALLBACKS,
    API_HINT_DELAY_SECONDS,
    API_HINTS,
    API_LISTED_ITEMS,
    API_LISTS,
    API_LISTS_MADE,
    API_MEMORY,
    API_NEAR_ROWS,
    API_NEAR_SEARCHES,
    API_REDIS_CONNECTED,
    API_REQUEST_SECONDS,
    API_REQUESTS,
    API_SETTINGS_BROKEN,
    API_STAGE_SECONDS,
    API_STREAM_ENDS,
    API_STREAM_LISTS,
    API_STREAMS,
    CACHES,
    METHODS,
    STAGES,
)
from vane.meter import OTHER, Count, Counter, Meter, Spread, Stopwatch
from vane.metrics import FRESHNESS, meter_of
from vane.store.serving import IndexScans
from vane.traces import current_trace_id


class ListMeter:
    """What making lists measures.

    Attributes:
        stages: the time of each stage of a list.
        lookups: in the memory of the process.
        scans: of the HNSW index.
        shown: is told of the items of every list.
    """

    def __init__(self, numbers: Meter) -> None:
        self.stages = {stage: numbers.histogram(API_STAGE_SECONDS, stage) for stage in STAGES}
        self.lookups = {cache: numbers.lookups(API_MEMORY, cache) for cache in CACHES}
        self.scans = IndexScans(
            numbers.counter(API_NEAR_SEARCHES, "full"),
            numbers.counter(API_NEAR_SEARCHES, "short"),
            numbers.counter(API_NEAR_ROWS),
        )
        self.shown: Callable[[Iterable[str]], None] = lambda _items: None
        self._lists = _by_value(numbers, API_LISTS_MADE)
        self._items = _by_value(numbers, API_LISTED_ITEMS)

    def made(self, strategy: str) -> None:
        """A list for a user."""
        self._lists[strategy].add()

    def listed(self, items: Sequence[ListedItem]) -> None:
        """A list of these items."""
        for item in items:
            self._items[item.reason.code].add()
        self.shown(item.item_id for item in items)

    def stopwatch(self) -> Stopwatch:
        """Over the stages of a list."""
        return Stopwatch(self.stages)


class Metrics:
    """The numbers of one application; those with one label are here by its value."""

    def __init__(self) -> None:
        self.numbers = numbers = meter_of("api")
        by_value = partial(_by_value, numbers)
        self.making = ListMeter(numbers)
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
        cells[1].observe(seconds, 1, current_trace_id())


def _by_value(numbers: Meter, metric: Counter) -> dict[str, Count]:
    """The cells of a counter by the value of its label."""
    return {value: numbers.counter(metric, value) for value in metric.labels[0].values}

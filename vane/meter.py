"""What a metric is, and the numbers of one process.

The cells are plain numbers without locks, as they lie on hot paths: each costs a sixth of
prometheus_client's own. That library renders them, also while another thread adds to them.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from vane.errors import UsageError
from vane.traces import lap

Unit = Literal["seconds", "bytes", "events", "messages", "offsets", "count", "0 or 1"]
Process = Literal["api", "interactions", "catalog", "trends", "learning", "commands", "monitor"]

OTHER = "other"
"""Stands for every value of a label that is not in its set."""

SHORT_S = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LONG_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3_600.0)
SIZES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0)


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a metric.

    Attributes:
        meaning: after "label is …".
        values: all that it can have; none: as many as `meaning` says.
    """

    name: str
    meaning: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """What a number means, and which processes expose it."""

    kind: ClassVar[str]
    name: str
    unit: Unit
    meaning: str
    processes: tuple[Process, ...]
    labels: tuple[Label, ...] = ()


class Counter(Metric):
    """Only grows, from 0 at the start of the process."""

    __slots__ = ()
    kind = "counter"


class Gauge(Metric):
    """Goes up and down."""

    __slots__ = ()
    kind = "gauge"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histogram(Metric):
    """How often values were at most each of `buckets`."""

    kind = "histogram"
    buckets: tuple[float, ...]


class Count:
    """A cell of a counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        """Grow."""
        self.value += amount


class Level:
    """A cell of a gauge: holds what was set, or asks at every scrape."""

    __slots__ = ("_read",)

    def __init__(self) -> None:
        self.set(0.0)

    @property
    def value(self) -> float:
        """As it is now."""
        return self._read()

    def set(self, value: float) -> None:
        """Hold a value."""
        self._read: Callable[[], float] = lambda: value

    def follow(self, read: Callable[[], float]) -> None:
        """Ask `read` from now on."""
        self._read = read


class Spread:
    """A cell of a histogram; each bucket keeps the newest value whose trace is recorded."""

    __slots__ = ("_bounds", "_counts", "_exemplars", "_total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds, self._counts, self._total = bounds, [0] * (len(bounds) + 1), 0.0
        self._exemplars: dict[int, Exemplar] = {}

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self._counts)

    def observe(self, value: float, times: int = 1, trace_id: str | None = None) -> None:
        """Count a value, which may stand for several.

        Args:
            value: in the unit of the metric.
            times: how many it stands for.
            trace_id: of the trace that it is from; None where it is not kept.
        """
        place = bisect_left(self._bounds, value)
        self._counts[place] += times
        self._total += value * times
        if trace_id:
            self._exemplars[place] = Exemplar({"trace_id": trace_id}, value, time.time())

    def buckets(self) -> tuple[list[tuple[str, float] | tuple[str, float, Exemplar]], float]:
        """Cumulative counts by upper bound, as text, with exemplars, and the sum of the values."""
        counts, exemplars, below = list(self._counts), dict(self._exemplars), 0
        shown: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for place, bound in enumerate((*self._bounds, float("inf"))):
            below += counts[place]
            upper, found = "+Inf" if bound == float("inf") else str(bound), exemplars.get(place)
            shown.append((upper, float(below), found) if found else (upper, float(below)))
        return shown, self._total


class Stopwatch:
    """Splits the time since it was made into parts that follow each other."""

    __slots__ = ("_parts", "_since")

    def __init__(self, parts: Mapping[str, Spread]) -> None:
        self._parts, self._since = parts, time.perf_counter()

    def lap(self, part: str) -> None:
        """What was done since the last call, or since the start, was this part."""
        now = time.perf_counter()
        self._parts[part].observe(now - self._since, 1, lap(part, self._since, now))
        self._since = now


class Lookups:
    """Of one cache."""

    __slots__ = ("_hits", "_misses")

    def __init__(self, hits: Count, misses: Count) -> None:
        self._hits, self._misses = hits, misses

    def count(self, asked: int, missing: int) -> None:
        """So many keys were asked for, of which some were not there."""
        self._hits.add(asked - missing)
        self._misses.add(missing)


Cell = TypeVar("Cell", Count, Level, Spread)


class Meter(Collector):
    """The numbers of one process."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        """Args: what this process exposes."""
        self._cells: dict[Metric, dict[tuple[str, ...], Count | Level | Spread]] = {
            metric: {} for metric in metrics
        }
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def counter(self, metric: Counter, *values: str) -> Count:
        """The cell for these values of the labels."""
        return self._cell(metric, values, Count)

    def gauge(self, metric: Gauge, *values: str) -> Level:
        """The cell for these values of the labels."""
        return self._cell(metric, values, Level)

    def histogram(self, metric: Histogram, *values: str) -> Spread:
        """The cell for these values of the labels."""
        return self._cell(metric, values, lambda: Spread(metric.buckets))

    def lookups(self, metric: Counter, *values: str) -> Lookups:
        """The cells of a cache: the last label of its metric is `result`, hit or miss."""
        return Lookups(self.counter(metric, *values, "hit"), self.counter(metric, *values, "miss"))

    def text(self) -> bytes:
        """All numbers in Prometheus' text format, which has no exemplars."""
        return generate_latest(self.registry)

    def exposed(self, accept: str) -> tuple[bytes, str]:
        """All numbers for a scraper by its `Accept`, and their media type.

        OpenMetrics, with exemplars, where it takes that; else Prometheus' text format.
        """
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        """For prometheus_client: one family for each metric that has a cell."""
        for metric, cells in self._cells.items():
            names = [label.name for label in metric.labels]
            found = list(cells.items())
            if isinstance(metric, Histogram):
                spreads = HistogramMetricFamily(metric.name, metric.meaning, labels=names)
                for values, cell in found:
                    assert isinstance(cell, Spread)
                    spreads.add_metric(values, *cell.buckets())
                yield spreads
                continue
            family = CounterMetricFamily if isinstance(metric, Counter) else GaugeMetricFamily
            numbers = family(metric.name, metric.meaning, labels=names)
            for values, cell in found:
                assert not isinstance(cell, Spread)
                numbers.add_metric(values, cell.value)
            yield numbers

    def _cell(self, metric: Metric, values: tuple[str, ...], make: Callable[[], Cell]) -> Cell:
        cells = self._cells[metric]
        cell = cells.get(values)
        if cell is None:
            for label, value in zip(metric.labels, values, strict=True):
                assert not label.values or value in label.values, f"{metric.name}: {value}"
            cell = cells[values] = make()
        return cell  # type: ignore[return-value]


def serve_metrics(meter: Meter, host: str, port: int) -> None:
    """Serve `/metrics` in a thread until the process ends.

    Raises:
        UsageError: something listens on the port, or we may not.
    """
    try:
        start_http_server(port, host, meter.registry)
    except OSError as error:
        raise UsageError(
            f"metrics on {host} port {port}: {error.strerror}; choose another one with "
            "--metrics-port (0: none)"
        ) from error

"""What a metric is, and the numbers of one process.

The cells are plain numbers without locks, as they lie on hot paths: each costs a sixth of
prometheus_client's own. That library renders them, also while another thread adds to them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from vane.errors import UsageError

Unit = Literal["seconds", "bytes", "events", "messages", "offsets", "count", "0 or 1"]
Process = Literal["api", "interactions", "catalog", "trends", "learning", "commands", "monitor"]


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
    """A cell of a histogram."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds, self._counts, self._total = bounds, [0] * (len(bounds) + 1), 0.0

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self._counts)

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, which may stand for several."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._total += value * times

    def buckets(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative counts by upper bound, as text, and the sum of the values."""
        counts, below, shown = list(self._counts), 0, []
        for bound, count in zip((*self._bounds, float("inf")), counts, strict=True):
            below += count
            shown.append(("+Inf" if bound == float("inf") else str(bound), float(below)))
        return shown, self._total


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

    def text(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self.registry)

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

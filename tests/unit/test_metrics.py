"""The list of all metrics keeps Prometheus' conventions, and the cells count right."""

import re
import time
from typing import Any, get_args

import msgspec
import pytest
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from flows.meter import FlowMeter, Lag
from schemas.events import InteractionEvent
from vane.errors import InvalidEvent
from vane.interaction import check_text, parse_interaction
from vane.meter import OTHER, Counter, Gauge, Histogram, Label, Meter, Metric, Process
from vane.metrics import (
    DEAD_LETTER_FIELDS,
    DEAD_LETTER_REASONS,
    FLOW_LAG_SECONDS,
    METRICS,
    PARTS,
    PROCESSES,
    STANDARD,
    dead_letter_field,
    dead_letter_reason,
)

ALL = (*METRICS, *STANDARD)
UNBOUNDED = {"partition", "route", "status"}
"""Labels whose values are not listed: they grow with the topic, or with the code."""


def _name(metric: Metric) -> str:
    return metric.name


@pytest.mark.parametrize("metric", ALL, ids=_name)
def test_a_name_follows_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", metric.name)
    assert metric.name.startswith("process_" if metric in STANDARD else "vane_")
    assert metric.name.endswith("_total") == isinstance(metric, Counter)
    assert ("seconds" in metric.name) == (metric.unit == "seconds")
    assert ("bytes" in metric.name) == (metric.unit == "bytes")
    assert not re.search(r"_(count|sum|bucket|milliseconds|ms|percent)(_|$)", metric.name)


@pytest.mark.parametrize("metric", ALL, ids=_name)
def test_labels_are_bounded(metric: Metric) -> None:
    assert {label.name for label in metric.labels if not label.values} <= UNBOUNDED
    assert all(re.fullmatch(r"[a-z]+", label.name) for label in metric.labels)
    if isinstance(metric, Histogram):
        assert list(metric.buckets) == sorted(set(metric.buckets))


def test_names_are_given_once_and_every_process_is_known() -> None:
    assert len({metric.name for metric in ALL}) == len(ALL)
    assert set(get_args(Process)) == set(PROCESSES) == {"api", *PARTS, "monitor"}


def test_the_standard_ones_are_what_the_library_tells() -> None:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    told = {f"{family.name}_total" if family.type == "counter" else family.name
            for family in registry.collect()}  # fmt: skip
    assert told == {metric.name for metric in STANDARD}


REQUESTS = Counter(
    name="t_requests_total",
    unit="count",
    meaning="m",
    processes=("api",),
    labels=(Label("kind", "k", ("a", "b")),),
)
LEVEL = Gauge(name="t_level", unit="count", meaning="m", processes=("api",))
TIMES = Histogram(
    name="t_seconds", unit="seconds", meaning="m", processes=("api",), buckets=(0.1, 1.0)
)


def test_what_was_counted_is_exposed() -> None:
    meter, level = Meter([REQUESTS, LEVEL, TIMES]), [3.0]
    meter.counter(REQUESTS, "a").add()
    meter.counter(REQUESTS, "a").add(2)
    meter.counter(REQUESTS, "b")
    meter.gauge(LEVEL).follow(lambda: level[0])
    level[0] = 4.0
    for value in (0.05, 0.1, 0.2, 5.0):
        meter.histogram(TIMES).observe(value)
    meter.histogram(TIMES).observe(0.5, times=10)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(meter.text().decode())
        for sample in family.samples
        if sample.name.startswith("t_")
    }
    assert samples == {
        ("t_requests_total", "a"): 3,
        ("t_requests_total", "b"): 0,
        ("t_level",): 4,
        ("t_seconds_bucket", "0.1"): 2,
        ("t_seconds_bucket", "1.0"): 13,
        ("t_seconds_bucket", "+Inf"): 14,
        ("t_seconds_count",): 14,
        ("t_seconds_sum",): pytest.approx(10.35),
    }


OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def test_a_bucket_names_the_trace_of_its_newest_value_to_scrapers_of_openmetrics() -> None:
    meter, trace = Meter([TIMES]), "0af7651916cd43dd8448eb211c80319c"
    meter.histogram(TIMES).observe(0.06, trace_id="older")
    meter.histogram(TIMES).observe(0.07, trace_id=trace)
    meter.histogram(TIMES).observe(0.08)
    meter.histogram(TIMES).observe(0.5)
    text, media_type = meter.exposed(OPENMETRICS)
    assert media_type.startswith("application/openmetrics-text")
    exemplars = {
        sample.labels["le"]: (sample.exemplar.labels, sample.exemplar.value)
        for family in openmetrics_families(text.decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar
    }
    assert exemplars == {"0.1": ({"trace_id": trace}, 0.07)}, "none where no trace is recorded"
    text, media_type = meter.exposed("*/*")
    assert media_type.startswith("text/plain")
    assert trace not in text.decode()
    assert 't_seconds_bucket{le="0.1"} 3.0' in text.decode()


@pytest.mark.parametrize("values", [("c",), (), ("a", "b")])
def test_a_label_outside_of_its_set_is_a_defect(values: tuple[str, ...]) -> None:
    with pytest.raises((AssertionError, ValueError)):
        Meter([REQUESTS]).counter(REQUESTS, *values)


def test_a_metric_of_another_process_is_a_defect() -> None:
    with pytest.raises(KeyError):
        Meter([LEVEL]).counter(REQUESTS, "a")


def bad(**fields: Any) -> str:
    good = {"event_id": "e", "user_id": "u", "item_id": "i", "action": "view", "ts": 1}
    body: dict[str, Any] = good | fields
    raw = msgspec.json.encode({key: value for key, value in body.items() if value is not None})
    with pytest.raises(InvalidEvent) as error:
        parse_interaction(raw)
    return error.value.field


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (bad(user_id=None), "user_id"),
        (bad(user_id="x" * 200), "user_id"),
        (bad(event_id=None, specversion="1.0", data={"event_id": 7}), "event_id"),
        ("$", "$"),
        ("data.tags[...]", "tags"),
        ("stats.plays", "stats"),
        ("what a client may have named", OTHER),
        ("", OTHER),
    ],
)
def test_a_dead_letters_reason_is_one_of_a_set(path: str, field: str) -> None:
    assert dead_letter_field(path) == field
    assert field in DEAD_LETTER_FIELDS


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"event_id": "e"}', "missing"),
        (b'{"event_id": 7}', "type"),
        (b"{", "unreadable"),
        (b'{"other": ' + b"[" * 100_000, "unreadable"),
        (b'{"event_id": "", "user_id": "u", "item_id": "i", "action": "a", "ts": 1}', "value"),
        (
            b'{"event_id": "e", "user_id": "u\\u0000", "item_id": "i", "action": "a", "ts": 1}',
            "value",
        ),
    ],
)
def test_a_dead_letters_reason_in_a_word(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidEvent) as error:
        check_text(parse_interaction(raw))
    assert dead_letter_reason(error.value.reason) == reason
    assert reason in DEAD_LETTER_REASONS


def test_a_reason_in_a_word_of_what_the_tuning_does_not_know() -> None:
    assert dead_letter_reason("unknown action 'missing'") == "unknown"
    assert dead_letter_reason("message of 9 bytes, at most 5 are allowed") == "size"


def test_the_reasons_cover_the_fields_of_an_event() -> None:
    fields = {field.name for field in msgspec.structs.fields(InteractionEvent)}
    assert {dead_letter_field(name) for name in fields} == fields


def test_lag_counts_from_the_newest_committed_message() -> None:
    now = [100.0]
    lag = Lag(lambda: now[0])
    assert (lag.events, lag.seconds) == (0, 0.0)
    lag.end_at(10)
    now[0] = 107.0
    assert (lag.events, lag.seconds) == (10, 7.0)
    lag.reached(4, received_s=103.0)
    assert (lag.events, lag.seconds) == (6, 4.0)
    lag.reached(10, received_s=104.0)
    now[0] = 200.0
    assert (lag.events, lag.seconds) == (0, 0.0)
    lag.end_at(11)
    now[0] = 201.0
    assert (lag.events, lag.seconds) == (1, 94.0)


def test_an_idle_partition_that_is_looked_at_has_no_lag_to_remember() -> None:
    now = [100.0]
    lag = Lag(lambda: now[0])
    for now[0] in (110.0, 120.0):
        lag.reached(5)
    lag.end_at(6)
    now[0] = 121.0
    assert (lag.events, lag.seconds) == (1, 1.0)


def test_a_reader_that_keeps_up_without_ever_catching_up_has_no_growing_lag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    meter = FlowMeter("trends")
    seconds = meter.numbers.gauge(FLOW_LAG_SECONDS, "trends", "0")
    for step in range(100):
        now[0] += 1
        meter.progress({0: (10 * step, 10 * step + 10)})
    assert seconds.value == 0
    now[0] += 7
    assert seconds.value == 7, "it counts on while nobody looks"
    meter.progress({0: (1_000, 1_000)})
    assert seconds.value == 0


def test_two_partitions_have_lags_of_their_own() -> None:
    meter = FlowMeter("interactions")
    meter.lag(0).end_at(3)
    meter.lag(1).end_at(5)
    assert meter.lag(0) is meter.lag(0)
    text = meter.numbers.text().decode()
    assert 'vane_flow_lag_events{flow="interactions",partition="0"} 3.0' in text
    assert 'vane_flow_lag_events{flow="interactions",partition="1"} 5.0' in text

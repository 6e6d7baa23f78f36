"""What a process exposes, read as Prometheus would, and held against the list of all metrics."""

import re
from collections.abc import Collection

from prometheus_client.parser import text_string_to_metric_families

from vane.meter import Counter, Histogram, Metric
from vane.metrics import METRICS, STANDARD

OPEN = {
    "partition": re.compile(r"\d{1,5}"),
    "route": re.compile(r"unmatched|/[a-z0-9/._{}:-]*"),
    "status": re.compile(r"[1-5]\d\d"),
}
"""Labels whose values are not listed, and what these look like: nothing that a client chose."""

Samples = dict[tuple[str, ...], float]
"""Name and label values → value."""


def read_exposed(text: str, process: str) -> Samples:
    """The samples of a process, all of its metrics among them, and nothing else."""
    samples = read_samples(text, process)
    exposed = {_metric_name(name, _expected(process)) for name, *_ in samples}
    assert exposed == set(_expected(process)), "some are not exposed"
    return samples


def read_samples(text: str, process: str) -> Samples:
    """The samples of a process so far, after every one was found in the list."""
    expected = _expected(process)
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            metric = expected[_metric_name(sample.name, expected)]
            _check_labels(metric, sample.labels)
            samples[sample.name, *sample.labels.values()] = sample.value
    return samples


def _expected(process: str) -> dict[str, Metric]:
    return {each.name: each for each in (*METRICS, *STANDARD) if process in each.processes}


def _metric_name(sample: str, expected: Collection[str]) -> str:
    base = re.sub("_(bucket|sum|count)$", "", sample)
    found = sample if sample in expected else base
    assert found in expected, f"{sample} is not in the list"
    return found


def _check_labels(metric: Metric, labels: dict[str, str]) -> None:
    known = {label.name: label for label in metric.labels}
    extra = {"le"} if isinstance(metric, Histogram) else set()
    assert set(labels) - extra == set(known)
    for name, label in known.items():
        value = labels[name]
        allowed = value in label.values if label.values else OPEN[name].fullmatch(value)
        assert allowed, f"{metric.name}{{{name}={value!r}}}"


def total(samples: Samples, metric: Metric, *values: str) -> float:
    """The sum of a counter, or of how many values a histogram has, over the other labels."""
    suffix = "" if isinstance(metric, Counter) else "_count"
    return sum(
        value
        for (name, *labels), value in samples.items()
        if name == metric.name + suffix and set(values) <= set(labels)
    )

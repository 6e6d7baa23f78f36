"""Writes docs/metrics.md from the list of all metrics: `python scripts/metrics_table.py`."""

from pathlib import Path

from vane.meter import Histogram, Label, Metric
from vane.metrics import METRICS, PROCESSES, STANDARD

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
HEAD = """# Metrics

Every process serves these at `/metrics`, in Prometheus' text format;
[operations.md](operations.md#metrics) says where. No label holds an id of a user or an item. This
page is made from `vane/metrics.py` by `make schemas`.

A histogram has `_bucket` (cumulative, by the label `le`), `_sum` and `_count`.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(map(_section, (*METRICS, *STANDARD)))


def _section(metric: Metric) -> str:
    everywhere = metric.processes == PROCESSES
    where = "every process" if everywhere else ", ".join(f"`{name}`" for name in metric.processes)
    lines = [f"**Type**: {metric.kind}, in {metric.unit}. **Of**: {where}."]
    lines += [f"`{label.name}`: {_values(label)}." for label in metric.labels]
    if isinstance(metric, Histogram):
        lines.append(f"Buckets: {', '.join(f'{bound:g}' for bound in metric.buckets)}.")
    listed = "".join(f"- {line}\n" for line in lines)
    return f"\n## `{metric.name}`\n\n{metric.meaning}\n\n{listed}"


def _values(label: Label) -> str:
    values = ", ".join(f"`{value}`" for value in label.values)
    return f"{label.meaning}: {values}" if values else label.meaning


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

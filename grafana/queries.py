"""What many panels ask for."""

from grafana.panels import Panel, Query, Unit

RATE = "[$__rate_interval]"


def quantiles(metric: str, by: str = "", labels: str = "") -> list[Query]:
    """Median and 99th percentile of a histogram, by a label or in all."""
    name = "{{" + by + "}} " if by else ""
    group = f"le, {by}" if by else "le"
    selector = f"{metric}_bucket{{{labels}}}" if labels else f"{metric}_bucket"
    return [
        Query(f"histogram_quantile({q}, sum by ({group}) (rate({selector}{RATE})))", f"{name}{p}")
        for q, p in ((0.5, "p50"), (0.99, "p99"))
    ]


def rate(metric: str, by: str, labels: str = "") -> Query:
    """What a counter grows by a second, by labels."""
    selector = f"{metric}{{{labels}}}" if labels else metric
    return Query(f"sum by ({by}) (rate({selector}{RATE}))", _legend(by))


def share(metric: str, by: str, labels: str = "") -> Query:
    """What part of the growth of a counter is of each value of a label."""
    selector = f"{metric}{{{labels}}}" if labels else metric
    whole = f"scalar(sum(rate({selector}{RATE})))"
    return Query(f"sum by ({by}) (rate({selector}{RATE})) / {whole}", _legend(by))


def hits(metric: str, by: str) -> Query:
    """What part of the look-ups of each cache were found."""
    found = f'sum by ({by}) (rate({metric}{{result="hit"}}{RATE}))'
    return Query(f"{found} / sum by ({by}) (rate({metric}{RATE}))", _legend(by))


def largest(metric: str, by: str) -> Query:
    """A gauge by labels; of several processes the largest."""
    return Query(f"max by ({by}) ({metric})", _legend(by))


def stat(title: str, description: str, unit: Unit, expression: str, **rest: object) -> Panel:
    """A number, as it is now."""
    query = [Query(expression, title)]
    return Panel(title, description, unit, query, "stat", width=4, height=4, **rest)  # type: ignore[arg-type]


def _legend(by: str) -> str:
    return "{{" + by.replace(", ", "}} {{") + "}}"

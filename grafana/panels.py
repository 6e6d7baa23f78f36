"""Panels and dashboards as data, and the JSON that Grafana takes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Unit = Literal["s", "bytes", "short", "percentunit", "ops", "reqps", "cps", "Bps"]
Kind = Literal["timeseries", "stat", "bargauge", "heatmap"]

COLUMNS = 24
HEIGHT = 8
SCHEMA_VERSION = 39

_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_SELECTOR = re.compile(r"\b((?:vane|process)_\w+)(?:\{([^}]*)\})?")


@dataclass(frozen=True, slots=True)
class Query:
    """An expression over our metrics, and how its series are called.

    The matchers for job and instance are added to every selector.
    """

    expression: str
    legend: str

    @property
    def selected(self) -> str:
        """The expression over the jobs and instances that are chosen at the top of the page."""
        chosen = 'job=~"$job", instance=~"$instance"'
        return _SELECTOR.sub(
            lambda found: f"{found[1]}{{{', '.join(filter(None, (chosen, found[2])))}}}",
            self.expression,
        )


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture.

    Attributes:
        limit: drawn as a line, and colours what is beyond it.
        low: whether it is values below the limit that are bad.
    """

    title: str
    description: str
    unit: Unit
    queries: Sequence[Query]
    kind: Kind = "timeseries"
    width: int = 8
    limit: float | None = None
    low: bool = False
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page: rows of panels by their title."""

    uid: str
    title: str
    description: str
    rows: dict[str, Sequence[Panel]] = field(default_factory=dict)

    @property
    def panels(self) -> list[Panel]:
        """All panels in their order."""
        return [panel for row in self.rows.values() for panel in row]

    def json(self) -> dict[str, Any]:
        """What Grafana imports and provisions."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["vane"],
            "editable": False,
            "schemaVersion": SCHEMA_VERSION,
            "refresh": "10s",
            "time": {"from": "now-30m", "to": "now"},
            "timezone": "browser",
            "graphTooltip": 1,
            "links": [_LINK],
            "templating": {"list": _VARIABLES},
            "panels": _placed(self.rows),
        }


_LINK = {
    "type": "dashboards",
    "title": "Vane",
    "tags": ["vane"],
    "asDropdown": True,
    "keepTime": True,
    "includeVars": True,
}


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": _DATASOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
    }


_VARIABLES = [
    {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "current": {},
    },
    _variable("job", "Job", "label_values(process_start_time_seconds, job)"),
    _variable(
        "instance", "Instance", 'label_values(process_start_time_seconds{job=~"$job"}, instance)'
    ),
]


def _placed(rows: dict[str, Sequence[Panel]]) -> list[dict[str, Any]]:
    """Each row under its title, from left to right, wrapping."""
    placed: list[dict[str, Any]] = []
    y = 0
    for title, panels in rows.items():
        place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        heading = {"type": "row", "title": title, "collapsed": False, "panels": []}
        placed.append({"id": len(placed) + 1, "gridPos": place, **heading})
        x, y = 0, y + 1
        for panel in panels:
            if x + panel.width > COLUMNS:
                x, y = 0, y + panels[0].height
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            placed.append({"id": len(placed) + 1, "gridPos": place, **_drawn(panel)})
            x += panel.width
        y += panels[-1].height
    return placed


def _drawn(panel: Panel) -> dict[str, Any]:
    heat = panel.kind == "heatmap"
    targets = [
        {
            "refId": chr(ord("A") + place),
            "datasource": _DATASOURCE,
            "expr": query.selected,
            "legendFormat": query.legend,
            "format": "heatmap" if heat else "time_series",
            "exemplar": "_bucket" in query.expression,
        }
        for place, query in enumerate(panel.queries)
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }


def _field(panel: Panel) -> dict[str, Any]:
    good, bad = ("red", "green") if panel.low else ("green", "red")
    steps: list[dict[str, Any]] = [{"color": good, "value": None}]
    if panel.limit is not None:
        steps.append({"color": bad, "value": panel.limit})
    style = "line" if panel.limit is not None else "off"
    return {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": {
            "drawStyle": "line",
            "fillOpacity": 8,
            "showPoints": "never",
            "thresholdsStyle": {"mode": style},
        },
    }


def _options(panel: Panel) -> dict[str, Any]:
    match panel.kind:
        case "stat" | "bargauge":
            return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
        case "heatmap":
            return {"calculate": False, "yAxis": {"unit": panel.unit}}
        case "timeseries":
            legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}

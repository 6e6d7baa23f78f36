"""Dashboards and rules: in step with their code, by the linter's rules, over real metrics."""

import re
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.dashboards import DASHBOARDS
from grafana.drawing import told
from grafana.generate import files
from grafana.panels import Dashboard, Panel
from grafana.rules import all_alerts, groups
from vane.meter import Histogram
from vane.metrics import METRICS, STANDARD

ROOT = Path(__file__).resolve().parents[2]
PROMTOOL = ROOT / "build" / "bin" / "promtool"
SAMPLES = set(
    chain.from_iterable(
        [f"{m.name}{end}" for end in ("_bucket", "_sum", "_count")]
        if isinstance(m, Histogram)
        else [m.name]
        for m in (*METRICS, *STANDARD)
    )
)
PICTURE_BYTES_MAX = 200_000
PANELS = [(page, panel) for page in DASHBOARDS for panel in page.panels]

pytestmark = pytest.mark.ops


def name(value: Any) -> str | None:
    return getattr(value, "title", None)


def expressions() -> list[str]:
    drawn = [query.selected for _, panel in PANELS for query in panel.queries]
    ruled = [rule["expr"] for group in groups()["groups"] for rule in group["rules"]]
    return [*drawn, *ruled]


def test_what_is_committed_is_what_the_code_makes() -> None:
    for path, content in files().items():
        assert path.read_text(encoding="utf-8") == content, f"make dashboards: {path.name}"
    made = {path.name for path in files() if path.suffix == ".json"}
    assert {path.name for path in (ROOT / "grafana" / "dashboards").iterdir()} == made


@pytest.mark.parametrize("page", DASHBOARDS, ids=name)
def test_a_dashboard_keeps_the_rules_of_grafanas_linter(page: Dashboard) -> None:
    variables = {v["name"]: v for v in page.json()["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance"]
    assert variables["datasource"]["query"] == "prometheus"
    for each in ("job", "instance"):
        assert variables[each]["multi"]
        assert variables[each]["allValue"] == ".+"
    assert not page.json()["editable"]
    ids = [panel["id"] for panel in page.json()["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(("page", "panel"), PANELS, ids=name)
def test_a_panel_keeps_the_rules_of_grafanas_linter(page: Dashboard, panel: Panel) -> None:
    drawn = next(each for each in page.json()["panels"] if each["title"] == panel.title)
    assert panel.title
    assert panel.description.endswith(".")
    assert drawn["fieldConfig"]["defaults"]["unit"]
    for target in drawn["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        assert target["legendFormat"]
        selectors = re.findall(r"\b(?:vane|process)_\w+(\{[^}]*\})?", target["expr"])
        assert selectors
        assert all('job=~"$job", instance=~"$instance"' in each for each in selectors)
        ranges = re.findall(r"(rate|increase)\([^)\[]*\[([^\]]+)\]", target["expr"])
        assert {window for _, window in ranges} <= {"$__rate_interval", "$__range"}


def test_panels_do_not_overlap() -> None:
    for page in DASHBOARDS:
        cells: set[tuple[int, int]] = set()
        for panel in page.json()["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            own = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not own & cells, f"{page.title}: {panel['title']}"
            cells |= own


def test_every_expression_is_promql_over_metrics_that_exist(tmp_path: Path) -> None:
    rules = []
    for place, expression in enumerate(expressions()):
        names = set(re.findall(r"\b(?:vane|process)_\w+", expression))
        assert names <= SAMPLES, names - SAMPLES
        plain = expression.replace("$__rate_interval", "1m").replace("$__range", "5m")
        rules.append({"record": f"checked:{place}", "expr": plain})
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "checked", "rules": rules}]}))
    done = subprocess.run([PROMTOOL, "check", "rules", path], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_wrong_expression_would_be_found(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    wrong = {"record": "checked:0", "expr": "sum by (flow (rate(vane_flow_lag_events[1m]))"}
    path.write_text(yaml.safe_dump({"groups": [{"name": "checked", "rules": [wrong]}]}))
    assert subprocess.run(
        [PROMTOOL, "check", "rules", path], capture_output=True, check=False
    ).returncode


def test_every_metric_is_on_a_dashboard_or_in_a_rule() -> None:
    shown = set(re.findall(r"\b(?:vane|process)_\w+", " ".join(expressions())))
    bases = {re.sub(r"_(bucket|sum|count)$", "", each) for each in shown}
    assert {metric.name for metric in METRICS} <= bases


@pytest.mark.parametrize("page", DASHBOARDS, ids=name)
def test_every_dashboard_has_a_picture_on_its_page(page: Dashboard) -> None:
    picture = Path("images", "dashboards", f"{page.uid}.png")
    assert f"({picture})" in (ROOT / "docs" / "dashboards.md").read_text()
    assert (ROOT / "docs" / picture).stat().st_size < PICTURE_BYTES_MAX


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.9912, "percentunit", "99.12 %"),
        (0.0123, "s", "12.3 ms"),
        (0.0, "s", "0 s"),
        (7_300.0, "s", "2.03 h"),
        (90.0, "s", "90 s"),
        (2.5e6, "bytes", "2.5 MB"),
        (1_200.0, "Bps", "1.2 kB/s"),
        (12.5, "cps", "12.5/s"),
        (31.0, "short", "31"),
        (float("nan"), "short", "no data"),
    ],
)
def test_pictures_tell_values_in_units(value: float, unit: str, said: str) -> None:
    assert told(value, unit) == said


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    pages = {path.stem: path.read_text() for path in (ROOT / "docs" / "runbooks").glob("Vane*.md")}
    assert pages.keys() == set(all_alerts())
    for alert, text in pages.items():
        for heading in ("## What it means", "## What to do", "## Seen"):
            assert heading in text, f"{alert}: {heading}"

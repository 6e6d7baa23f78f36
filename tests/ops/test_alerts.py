"""Every alert fires on the trouble that it names, and on nothing while all is well."""

import subprocess
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from grafana.generate import RULES
from grafana.rules import all_alerts

ROOT = Path(__file__).resolve().parents[2]
PROMTOOL = ROOT / "build" / "bin" / "promtool"

pytestmark = pytest.mark.ops

Series = dict[str, str]
"""Selector → values a minute apart, in promtool's notation."""

CANARY = 'vane_canary_runs_total{result="%s",job="vane-monitor"}'
REQUESTS = 'vane_api_requests_total{status="%s",route="/",method="GET",job="vane-api"}'
MESSAGES = 'vane_log_messages_total{flow="interactions",outcome="%s"}'
STREAM = '{flow="interactions",partition="0"}'
CACHE = 'vane_api_cache_total{result="%s"}'
ROWS = 'vane_table_rows{table="user_preference",state="%s"}'
DISK = '{fstype="ext4",mountpoint="/",instance="a"}'
LONG = 5_000
"""Minutes; more than three days."""

CALM: Series = {
    'up{job="vane-api"}': "1x5000",
    'vane_dependency_up{server="postgres"}': "1x5000",
    f"vane_log_lag_seconds{STREAM}": "2x5000",
    f"vane_log_stalled_seconds{STREAM}": "0x5000",
    f"vane_log_gap_events{STREAM}": "0x5000",
    f"vane_log_epoch{STREAM}": "1x5000",
    MESSAGES % "applied": "0+6000x5000",
    MESSAGES % "dead_lettered": "0+1x5000",
    MESSAGES % "clamped": "0+1x5000",
    'vane_audited_users_total{result="equal"}': "0+20x5000",
    'vane_audited_users_total{result="different"}': "0x5000",
    "vane_audit_last_timestamp_seconds": "0+60x5000",
    "vane_trends_lag_events": "100x5000",
    "vane_pending_oldest_seconds": "60x5000",
    CACHE % "hit": "0+900x5000",
    CACHE % "miss": "0+100x5000",
    'vane_api_fallbacks_total{kind="popular"}': "0x5000",
    "vane_api_settings_broken": "0x5000",
    'vane_flow_hints_total{flow="interactions",result="lost"}': "0x5000",
    ROWS % "live": "1000000x5000",
    ROWS % "dead": "150000x5000",
    "vane_postgres_wraparound_ratio": "0.1x5000",
    "vane_postgres_longest_transaction_seconds": "1x5000",
    'vane_postgres_connections{state="idle"}': "20x5000",
    "vane_postgres_connections_max": "200x5000",
    f"node_filesystem_avail_bytes{DISK}": "500x5000",
    f"node_filesystem_size_bytes{DISK}": "1000x5000",
    CANARY % "shown": "0+60x5000",
    CANARY % "failed": "0x5000",
    REQUESTS % "200": "0+6000x5000",
    REQUESTS % "503": "0x5000",
}


class Trouble(NamedTuple):
    """What is different from a calm installation, and when the alert must be firing."""

    series: Series
    after: str = "60m"


TROUBLES = {
    "VaneTargetDown": Trouble({'up{job="vane-api"}': "1x10 0x60"}, "13m"),
    "VaneAbsent": Trouble({'up{job="vane-api"}': "1x10 _x60"}, "30m"),
    "VaneMonitorAbsent": Trouble({'vane_dependency_up{server="postgres"}': "1x10 _x60"}, "30m"),
    "VaneDependencyDown": Trouble({'vane_dependency_up{server="postgres"}': "1x10 0x60"}, "13m"),
    "VaneLag": Trouble({f"vane_log_lag_seconds{STREAM}": "2x10 70x60"}, "14m"),
    "VanePartitionStuck": Trouble({f"vane_log_stalled_seconds{STREAM}": "0x10 60+60x60"}, "15m"),
    "VaneLogGap": Trouble({f"vane_log_gap_events{STREAM}": "0x10 5x60"}, "12m"),
    "VaneDeadLetters": Trouble({MESSAGES % "dead_lettered": "0+300x100"}),
    "VaneFencing": Trouble({f"vane_log_epoch{STREAM}": "1x30 2+1x60"}, "45m"),
    "VaneAuditMismatch": Trouble({'vane_audited_users_total{result="different"}': "0x30 1x100"}),
    "VaneAuditStale": Trouble({"vane_audit_last_timestamp_seconds": "0x100"}),
    "VaneTrendsBehind": Trouble({"vane_trends_lag_events": "200000x100"}),
    "VanePendingOld": Trouble({"vane_pending_oldest_seconds": "90000x100"}),
    "VaneClamped": Trouble({MESSAGES % "clamped": "0+300x100"}),
    "VaneCacheCollapse": Trouble(
        {CACHE % "hit": "0+900x600 540000+50x200", CACHE % "miss": "0+100x600 60000+950x200"},
        "660m",
    ),
    "VaneFallbacks": Trouble({'vane_api_fallbacks_total{kind="popular"}': "0+10x100"}),
    "VaneSettingsBroken": Trouble({"vane_api_settings_broken": "1x100"}),
    "VaneHintsLost": Trouble(
        {'vane_flow_hints_total{flow="interactions",result="lost"}': "0+10x100"}
    ),
    "VanePostgresBloat": Trouble({ROWS % "dead": "900000x100"}),
    "VanePostgresWraparound": Trouble({"vane_postgres_wraparound_ratio": "0.6x100"}),
    "VanePostgresLongTransaction": Trouble(
        {"vane_postgres_longest_transaction_seconds": "1000x100"}
    ),
    "VanePostgresConnections": Trouble({'vane_postgres_connections{state="idle"}': "180x100"}),
    "VaneDiskFull": Trouble({f"node_filesystem_avail_bytes{DISK}": "50x100"}),
    "VaneFreshnessFast": Trouble({CANARY % "failed": "0+20x200"}, "70m"),
    "VaneFreshnessSlow": Trouble({CANARY % "failed": "0+6x500"}, "400m"),
    "VaneFreshnessLeak": Trouble({CANARY % "failed": f"0+1x{LONG}"}, f"{LONG - 10}m"),
    "VaneAvailabilityFast": Trouble({REQUESTS % "503": "0+200x200"}, "70m"),
    "VaneAvailabilitySlow": Trouble({REQUESTS % "503": "0+60x500"}, "400m"),
    "VaneAvailabilityLeak": Trouble({REQUESTS % "503": f"0+10x{LONG}"}, f"{LONG - 10}m"),
}

ABSENCES = {"VaneAbsent", "VaneMonitorAbsent"}
"""Alerts that fire because there is no series."""


def firing(alert: str, after: str, times: int) -> dict[str, Any]:
    """How many of an alert must be firing at that moment."""
    expression = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)'
    return {"expr": expression, "eval_time": after, "exp_samples": [{"value": times}]}


def run(tmp_path: Path, tests: list[dict[str, Any]]) -> "subprocess.CompletedProcess[str]":
    path = tmp_path / "alerts.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": tests}))
    command: list[str | Path] = [PROMTOOL, "test", "rules", path]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def world(series: Series, checks: list[dict[str, Any]]) -> dict[str, Any]:
    given = [{"series": name, "values": values} for name, values in series.items()]
    return {"interval": "1m", "input_series": given, "promql_expr_test": checks}


def test_every_alert_is_tried() -> None:
    assert TROUBLES.keys() == set(all_alerts())


@pytest.mark.parametrize("alert", TROUBLES)
def test_an_alert_fires_on_its_trouble_alone(alert: str, tmp_path: Path) -> None:
    series, after = TROUBLES[alert]
    family = alert.removesuffix("Fast").removesuffix("Slow").removesuffix("Leak")
    others = [name for name in TROUBLES if not name.startswith(family)]
    checks = [firing(alert, after, 1), *(firing(name, after, 0) for name in others)]
    done = run(tmp_path, [world({**CALM, **series}, checks)])
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_fires_while_all_is_well(tmp_path: Path) -> None:
    moments = [firing(name, after, 0) for name in TROUBLES for after in ("60m", f"{LONG - 10}m")]
    done = run(tmp_path, [world(CALM, moments)])
    assert done.returncode == 0, done.stdout + done.stderr


def test_where_nothing_is_scraped_only_its_absence_fires(tmp_path: Path) -> None:
    checks = [firing(name, "60m", int(name in ABSENCES)) for name in TROUBLES]
    done = run(tmp_path, [world({}, checks)])
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_alert_whose_series_are_absent_stays_silent(tmp_path: Path) -> None:
    """All else is calm; what is about absence fires, and nothing else does."""
    tests = []
    for alert, trouble in TROUBLES.items():
        gone = {metric(selector) for selector in trouble.series}
        left = {
            selector: values for selector, values in CALM.items() if metric(selector) not in gone
        }
        assert len(left) < len(CALM), alert
        tests.append(world(left, [firing(alert, "60m", int(alert in ABSENCES))]))
    done = run(tmp_path, tests)
    assert done.returncode == 0, done.stdout + done.stderr


def metric(selector: str) -> str:
    """Its name without labels."""
    return selector.partition("{")[0]


def test_the_harness_can_fail(tmp_path: Path) -> None:
    done = run(tmp_path, [world(CALM, [firing("VaneLag", "60m", 1)])])
    assert done.returncode != 0
    assert "VaneLag" in "".join(chain(done.stdout, done.stderr))

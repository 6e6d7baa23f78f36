"""Recording rules and alerts, as Prometheus takes them.

Burn rates over several windows: Beyer et al., "The Site Reliability Workbook", chapter 5.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["page", "ticket"]
RUNBOOKS = "docs/runbooks"


@dataclass(frozen=True, slots=True)
class Objective:
    """A promise, as the share of what went wrong.

    Attributes:
        allowed: share of what may go wrong.
        bad, all: selectors of counters; their rates' ratio is the share.
    """

    name: str
    title: str
    allowed: float
    bad: str
    all: str


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that fires; its runbook is `docs/runbooks/<name>.md`.

    Attributes:
        meaning: what is the matter, with the labels of the expression.
        hold: how long it must hold before it fires.
    """

    name: str
    expression: str
    severity: Severity
    hold: str
    meaning: str


OBJECTIVES = (
    Objective(
        "freshness",
        "Freshness",
        0.01,
        'vane_canary_runs_total{result!="shown"}',
        "vane_canary_runs_total",
    ),
    Objective(
        "availability",
        "Availability",
        0.001,
        'vane_api_requests_total{status=~"5.."}',
        "vane_api_requests_total",
    ),
)

WINDOWS = ("5m", "30m", "1h", "6h", "3d")
BURNS: tuple[tuple[str, float, str, str, Severity, str], ...] = (
    ("Fast", 14.4, "1h", "5m", "page", "2m"),
    ("Slow", 6.0, "6h", "30m", "page", "15m"),
    ("Leak", 1.0, "3d", "6h", "ticket", "1h"),
)
"""Name, times the allowed rate, long and short window, severity, hold."""

ALERTS = (
    Alert("VaneTargetDown", 'up{job=~"vane.*"} == 0', "page", "1m",
          "{{ $labels.job }} at {{ $labels.instance }} is not scraped"),
    Alert("VaneAbsent", 'absent(up{job=~"vane.*"})', "page", "5m",
          "Prometheus knows of no process of Vane"),
    Alert("VaneMonitorAbsent", "absent(vane_dependency_up)", "page", "5m",
          "vane monitor does not run: lag, audits and the canary are not seen"),
    Alert("VaneDependencyDown", "vane_dependency_up == 0", "page", "1m",
          "{{ $labels.server }} does not answer"),
    Alert("VaneLag", "max by (flow, partition) (vane_log_lag_seconds) > 60", "page", "2m",
          "flow {{ $labels.flow }} is {{ $value | humanizeDuration }} behind in partition"
          " {{ $labels.partition }}"),
    Alert("VanePartitionStuck", "max by (flow, partition) (vane_log_stalled_seconds) > 120",
          "page", "1m",
          "nothing was committed of partition {{ $labels.partition }} by flow {{ $labels.flow }}"
          " for {{ $value | humanizeDuration }}, and messages wait"),
    Alert("VaneLogGap", "max by (flow, partition) (vane_log_gap_events) > 0", "page", "0m",
          "{{ $value }} messages of partition {{ $labels.partition }} were deleted by retention"
          " before flow {{ $labels.flow }} had read them"),
    Alert("VaneDeadLetters",
          'sum by (flow) (rate(vane_log_messages_total{outcome="dead_lettered"}[5m]))'
          ' / sum by (flow) (rate(vane_log_messages_total{outcome!="clamped"}[5m])) > 0.01',
          "ticket", "5m",
          "{{ $value | humanizePercentage }} of the messages of flow {{ $labels.flow }} are dead"
          " letters"),
    Alert("VaneFencing", "changes(vane_log_epoch[15m]) > 3", "page", "0m",
          "partition {{ $labels.partition }} of flow {{ $labels.flow }} changed its owner"
          " {{ $value }} times in 15 minutes: two workers fight, or one dies again and again"),
    Alert("VaneAuditMismatch",
          'increase(vane_audited_users_total{result="different"}[1h]) > 0', "page", "0m",
          "the stored state of a user differs from what the log gives"),
    Alert("VaneAuditStale", "time() - max(vane_audit_last_timestamp_seconds) > 900", "ticket", "5m",
          "no audit has ended for {{ $value | humanizeDuration }}"),
    Alert("VaneTrendsBehind", "max(vane_trends_lag_events) > 100000", "ticket", "10m",
          "trends and neighbours are {{ $value }} events behind"),
    Alert("VanePendingOld", "max(vane_pending_oldest_seconds) > 86400", "ticket", "10m",
          "an event has been waiting for its item for {{ $value | humanizeDuration }}"),
    Alert("VaneClamped",
          'sum(rate(vane_log_messages_total{outcome="clamped"}[10m]))'
          ' / sum(rate(vane_log_messages_total{flow="interactions",outcome="applied"}[10m]))'
          " > 0.01", "ticket", "10m",
          "{{ $value | humanizePercentage }} of the events come from the future: a wrong clock"),
    Alert("VaneCacheCollapse",
          'sum(rate(vane_api_cache_total{result="hit"}[10m]))'
          " / sum(rate(vane_api_cache_total[10m])) < 0.5 *"
          ' sum(rate(vane_api_cache_total{result="hit"}[1d]))'
          " / sum(rate(vane_api_cache_total[1d]))", "ticket", "15m",
          "the API finds {{ $value | humanizePercentage }} of the answers ready, less than half of"
          " the day's share"),
    Alert("VaneFallbacks", "sum by (kind) (rate(vane_api_fallbacks_total[5m])) > 0", "page", "5m",
          "the API answers with {{ $labels.kind }} instead of what is asked for"),
    Alert("VaneSettingsBroken", "max(vane_api_settings_broken) > 0", "ticket", "1m",
          "the stored settings cannot be read; the last good ones go on"),
    Alert("VaneHintsLost", 'sum by (flow) (rate(vane_flow_hints_total{result="lost"}[5m])) > 0',
          "ticket", "5m", "Redis does not take the hints of flow {{ $labels.flow }}"),
    Alert("VanePostgresBloat",
          'max by (table) (vane_table_rows{state="dead"}) > 100000 and on (table)'
          ' max by (table) (vane_table_rows{state="dead"})'
          " / sum by (table) (vane_table_rows) > 0.4", "ticket", "30m",
          "{{ $value }} dead rows in {{ $labels.table }}: vacuum does not keep up"),
    Alert("VanePostgresWraparound", "max(vane_postgres_wraparound_ratio) > 0.5", "page", "10m",
          "the oldest transaction id is at {{ $value | humanizePercentage }} of the limit"),
    Alert("VanePostgresLongTransaction", "max(vane_postgres_longest_transaction_seconds) > 900",
          "ticket", "5m", "a transaction has been open for {{ $value | humanizeDuration }}"),
    Alert("VanePostgresConnections",
          "sum(vane_postgres_connections) / max(vane_postgres_connections_max) > 0.85",
          "ticket", "10m", "{{ $value | humanizePercentage }} of the connections are in use"),
    Alert("VaneDiskFull",
          'node_filesystem_avail_bytes{fstype!~"tmpfs|overlay"} / node_filesystem_size_bytes < 0.1',
          "page", "5m",
          "{{ $labels.mountpoint }} at {{ $labels.instance }} has {{ $value | humanizePercentage }}"
          " left"),
)  # fmt: skip


def groups() -> dict[str, Any]:
    """The rules file."""
    return {
        "groups": [
            {"name": "vane-objectives", "rules": [*_recorded(), *_burns()]},
            {"name": "vane", "rules": [_rule(alert) for alert in ALERTS]},
        ]
    }


def all_alerts() -> list[str]:
    """Names of all alerts."""
    return [rule["alert"] for group in groups()["groups"] for rule in group["rules"]
            if "alert" in rule]  # fmt: skip


def _recorded() -> Iterator[dict[str, Any]]:
    """The share of what went wrong, of each objective over each window; 0 where nothing did."""
    for objective in OBJECTIVES:
        for window in WINDOWS:
            bad, total = (f"sum(rate({s}[{window}]))" for s in (objective.bad, objective.all))
            yield {
                "record": f"vane:{objective.name}_errors:ratio_rate{window}",
                "expr": f"({bad} or 0 * {total}) / ({total} > 0)",
            }


def _burns() -> Iterator[dict[str, Any]]:
    for objective in OBJECTIVES:
        for name, times, long, short, severity, hold in BURNS:
            limit = f"{times * objective.allowed:g}"
            series = f"vane:{objective.name}_errors:ratio_rate"
            meaning = (
                f"{objective.title}: {{{{ $value | humanizePercentage }}}} went wrong within"
                f" {long}, {times:g} times what is allowed"
            )
            expression = f"{series}{long} > {limit} and {series}{short} > {limit}"
            yield _rule(Alert(f"Vane{objective.title}{name}", expression, severity, hold, meaning))


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.hold,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.meaning,
            "runbook": f"{RUNBOOKS}/{alert.name}.md",
        },
    }

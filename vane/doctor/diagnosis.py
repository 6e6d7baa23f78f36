"""All checks over all that is known."""

from typing import Any, NamedTuple

from vane.doctor import flows, kafka, postgres, redis, site
from vane.doctor.check import Check, Finding, Severity, run
from vane.doctor.facts import Facts, Streams

GROUPS: tuple[tuple[str, tuple[Check[Any], ...]], ...] = (
    ("Everything", site.CHECKS),
    ("PostgreSQL", postgres.CHECKS),
    ("Kafka", kafka.CHECKS),
    ("Positions in Kafka's logs", kafka.STREAM_CHECKS),
    ("Redis", redis.CHECKS),
    ("Vane's tables", flows.CHECKS),
)
_ORDER = list(Severity)


class Diagnosis(NamedTuple):
    """What was found, the worst first; and the checks that could not be made."""

    findings: list[Finding]
    checked: list[str]
    not_checked: list[str]

    @property
    def well(self) -> bool:
        """Whether there are hints at most."""
        return all(finding.severity is Severity.HINT for finding in self.findings)


def diagnose(facts: Facts) -> Diagnosis:
    """Judge an installation by what is known of it."""
    findings: list[Finding] = []
    checked: list[str] = []
    not_checked: list[str] = []
    for (_, checks), known in zip(GROUPS, _parts(facts), strict=True):
        names = [check.name for check in checks]
        if known is None:
            not_checked += names
        else:
            checked += names
            findings += run(checks, known)
    findings.sort(key=lambda finding: _ORDER.index(finding.severity))
    return Diagnosis(findings, checked, not_checked)


def _parts(facts: Facts) -> tuple[object, ...]:
    """What each group looks at, None where it is not known."""
    streams = None
    if facts.kafka is not None and facts.contents is not None:
        streams = Streams(facts.kafka, facts.contents, facts.lags)
    return facts, facts.server, facts.kafka, streams, facts.redis, facts.contents

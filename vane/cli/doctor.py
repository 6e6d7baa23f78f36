"""`vane doctor`: what is wrong with an installation, in words."""

from dataclasses import replace

from vane.cli.context import DataDir, Json, command_settings, data_folder
from vane.cli.output import console, print_json
from vane.doctor.check import Severity
from vane.doctor.diagnosis import Diagnosis, diagnose
from vane.doctor.look import look

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.HINT: "cyan"}


def doctor(data_dir: DataDir = None, as_json: Json = False) -> int:  # noqa: FBT002 - a flag
    """Say what is wrong with an installation, and what to do.

    PostgreSQL, Kafka, Redis, their settings, and Vane's own tables; with VANE_API_URL the API, too.
    It only reads. Exit code 0: hints at most; 1: errors or warnings. docs/doctor.md lists the
    checks.

    Example: `vane doctor --json`
    """
    settings = command_settings(data_dir)
    if not settings.api_url:
        endpoints = data_folder(data_dir).read_endpoints()
        if endpoints is not None and endpoints.postgres == settings.database_url:
            settings = replace(settings, api_url=endpoints.api)
    found = diagnose(look(settings))
    if as_json:
        findings = [finding._asdict() for finding in found.findings]
        print_json({"well": found.well, **found._asdict(), "findings": findings})
    else:
        _show(found)
    return 0 if found.well else 1


def _show(found: Diagnosis) -> None:
    screen = console()
    for finding in found.findings:
        severity = finding.severity
        screen.print(f"{severity:8} {finding.check}: {finding.says}", style=STYLES[severity])
        screen.print(f"         → {finding.do}")
        screen.print(f"           docs/{finding.page}", style="dim")
    if found.not_checked:
        screen.print(f"not checked: {', '.join(found.not_checked)}", style="yellow")
    counts = [
        f"{sum(finding.severity is severity for finding in found.findings)} {severity}s"
        for severity in Severity
    ]
    verdict = f"{len(found.checked)} checks: {', '.join(counts)}"
    screen.print(verdict, style="bold green" if found.well else "bold red")

"""Logs, traces and reports of errors of a process, begun and ended together."""

from vane import logs, reports, traces
from vane.settings import Settings


def begin(settings: Settings, process: str) -> None:
    """From now on this process tells what it does, as the settings want.

    Args:
        settings: where to, and how much.
        process: which this is, one of `vane.metrics.PROCESSES` or the name of a command.

    Raises:
        SettingError: an address is none.
    """
    logs.begin(settings.log_format, settings.log_level, process)
    logs.add(reports.begin(settings.sentry_dsn, process))
    traces.begin(settings.otlp_endpoint, settings.trace_sample, process)


def end() -> None:
    """Send and write what waits; a few seconds at most, whatever does not answer."""
    logs.end()
    traces.end()
    reports.end()

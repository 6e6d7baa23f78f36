"""`vane monitor`: what no single process knows, for Prometheus."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread
from typing import Annotated

import typer

from vane import telemetry
from vane.canary import Canary
from vane.child import announce_ready, watch_parent
from vane.cli.context import DataDir, command_settings
from vane.client import Vane
from vane.errors import UsageError
from vane.meter import Meter, serve_metrics
from vane.metrics import meter_of
from vane.monitor import Monitor
from vane.retention import retain_now
from vane.settings import Settings

SURVEY_S = 30.0
AUDIT_S = 60.0
API_TIMEOUT_S = 5.0
RETENTION_S = 86_400.0


@dataclass(slots=True)
class Job:
    """Something to do again and again; times on the monotonic clock."""

    do: Callable[[], None]
    every_s: float
    due_s: float = 0.0


def monitor(
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65_500, help="Port of /metrics, not VANE_METRICS_PORT."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Watch the whole installation, for Prometheus.

    Lag from outside, servers, tables, audits, and a canary; served at /metrics. One for an
    installation is enough; it only reads, but for the events of the canary and, with
    VANE_LOG_RETENTION_DAYS, old months of the log, which go once a day.

    Example: `vane monitor --metrics-port 9405`
    """
    settings = command_settings(data_dir, needs=["kafka_bootstrap", "database_url", "redis_url"])
    telemetry.begin(settings, "monitor")
    port = metrics_port or settings.metrics_port
    if port == 0:
        raise UsageError("vane monitor needs a port for /metrics: --metrics-port 9405")
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watch_parent()
    numbers = meter_of("monitor")
    serve_metrics(numbers, settings.metrics_host, port)
    watch = Monitor(settings, numbers)
    pace_s = settings.monitor_interval_ms / 1e3
    looks = [
        Job(watch.look_at_streams, pace_s),
        Job(watch.look_at_servers, pace_s),
        Job(watch.survey, SURVEY_S),
        Job(watch.audit, AUDIT_S),
    ]
    announce_ready()
    with _canary(settings, numbers, stop), _retention(settings, stop):
        run_jobs(looks, stop)
    watch.close()


@contextmanager
def _canary(settings: Settings, numbers: Meter, stop: Event) -> Iterator[None]:
    """Within, the canary runs in a thread; not on old logs, whose time is not ours."""
    off = settings.canary_interval_ms == 0 or settings.clock == "event"
    if off or not settings.api_url:
        yield
        return
    api = Vane(settings.api_url, api_key=settings.api_key, timeout_s=API_TIMEOUT_S)
    canary = Canary(api, numbers, settings.canary_limit_ms / 1e3)
    job = Job(canary.run, settings.canary_interval_ms / 1e3)
    thread = Thread(target=run_jobs, args=([job], stop), name="canary", daemon=True)
    thread.start()
    yield
    thread.join(API_TIMEOUT_S)
    api.close()


@contextmanager
def _retention(settings: Settings, stop: Event) -> Iterator[None]:
    """Within, old months of the log go once a day, in a thread, where they shall."""
    if settings.log_retention_days == 0 or settings.clock == "event":
        yield
        return
    job = Job(partial(retain_now, settings), RETENTION_S)
    Thread(target=run_jobs, args=([job], stop), name="retention", daemon=True).start()
    yield  # it may be cut off anywhere: the next run goes on


def run_jobs(jobs: list[Job], stop: Event) -> None:
    """Do each job when it is due, one after another, until `stop` is set."""
    while not stop.is_set():
        for job in jobs:
            if time.monotonic() >= job.due_s and not stop.is_set():
                job.do()
                job.due_s = time.monotonic() + job.every_s
        stop.wait(max(0.0, min(job.due_s for job in jobs) - time.monotonic()))

"""Runs one flow in this process until it is told to stop, or until it must not go on."""

import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from threading import Event

from bytewax.run import cli_main

from flows.cluster import run_in_cluster
from flows.kafka import Share
from flows.meter import FlowMeter
from vane import telemetry
from vane.child import announce_ready, watch_parent
from vane.errors import Fenced, Unavailable, VaneError
from vane.settings import Settings
from vane.store.connection import connect, translated
from vane.store.positions import note_fenced

EPOCH_INTERVAL = timedelta(milliseconds=500)


def run_flow(name: str, settings: Settings, share: Share, cluster: Sequence[str] = ()) -> None:
    """Build and run a flow; SIGTERM and SIGINT end it cleanly, behind a committed chunk.

    Args:
        name: one of `vane.metrics.FLOWS`.
        settings: of the servers and the flow.
        share: what this process reads.
        cluster: `host:port` of all processes of a Bytewax cluster, this one's at `share.index`;
            none: this process knows of no others.

    Raises:
        VaneError: what ended the flow, without the wrappers that Bytewax puts around it.
    """
    telemetry.begin(settings, name)
    watch_parent()
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    meter = FlowMeter(name)
    meter.serve(settings.metrics_host, settings.metrics_port)
    flow = import_module(f"flows.{name}").build(settings, share, stop, meter)
    announce_ready()
    try:
        if cluster:
            run_in_cluster(flow, share.index, cluster, EPOCH_INTERVAL)
        else:
            cli_main(flow, epoch_interval=EPOCH_INTERVAL)  # type: ignore[no-untyped-call]
    except BaseException as error:
        own = _own(error)
        if isinstance(own, Fenced):
            _note(own, settings)
        if own is None:
            raise
        raise own from error


def _note(fenced: Fenced, settings: Settings) -> None:
    """No scrape meets a fenced worker: it is counted where others look."""
    with suppress(Unavailable), connect(settings, "vane fenced") as connection, translated():
        note_fenced(connection, fenced)


def _own(error: BaseException | None) -> VaneError | None:
    """Our own error inside the wrappers that Bytewax puts around it."""
    while error is not None and not isinstance(error, VaneError):
        error = error.__cause__ or error.__context__
    return error

"""`vane flow`: run one flow."""

import signal
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from vane.child import watch_parent
from vane.cli.context import DataDir, command_settings, own_command
from vane.cli.fleet import Fleet
from vane.cli.memory import settle_memory
from vane.cli.peers import end_on_change, wait_for_place
from vane.errors import UsageError
from vane.metrics import FLOWS

SINGLE = {
    "learning": "it learns from one list after another",
    "commands": "it does one command after another",
}

MetricsPort = Annotated[
    int | None,
    typer.Option(min=0, max=65_500, help="Serve /metrics there, not on VANE_METRICS_PORT; 0: not."),
]


def flow(
    name: Annotated[
        str,
        typer.Argument(
            help="interactions, catalog, trends, learning or commands",
            autocompletion=lambda: list(FLOWS),
        ),
    ],
    processes: Annotated[
        int, typer.Option(min=1, help="Share the partitions between this many processes.")
    ] = 1,
    share: Annotated[
        str,
        typer.Option(help="One share: INDEX/COUNT, such as 1/2, or INDEX/NAME of their addresses."),
    ] = "0/1",
    process_id: Annotated[
        int, typer.Option("--process-id", "-i", min=0, help="Place of this process in --addresses.")
    ] = 0,
    addresses: Annotated[
        str,
        typer.Option(
            "--addresses", "-a", help="Run as one of a Bytewax cluster: host:port;host:port;…"
        ),
    ] = "",
    metrics_port: MetricsPort = None,
    data_dir: DataDir = None,
) -> None:
    """Run one flow: interactions, catalog, trends, learning or commands.

    SIGTERM and Ctrl-C end it behind a committed chunk. Exit code 75: another worker took over a
    partition; 78: a person must decide, the message names the command. With several processes,
    one that ends is started again alone; in a cluster all end with the first one.

    Example: `vane flow interactions --processes 2`
    """
    settle_memory()
    from flows.kafka import Share  # noqa: PLC0415 - slow to import, needed by this command alone
    from flows.run import run_flow  # noqa: PLC0415

    if name not in FLOWS:
        raise UsageError(f"there is no flow {name!r}: choose from {', '.join(FLOWS)}")
    index, count = _parse_share(share)
    cluster = addresses.split(";") if addresses else []
    if (processes > 1) + (count > 1) + bool(cluster) > 1:
        raise UsageError("--processes, --share and --addresses exclude each other")
    if process_id >= max(len(cluster), 1):
        raise UsageError(f"--process-id {process_id} is not a place in --addresses {addresses!r}")
    if name in SINGLE and (processes > 1 or count > 1 or cluster):
        raise UsageError(f"flow {name} runs in one process: {SINGLE[name]}")
    settings = command_settings(data_dir)
    if metrics_port is not None:
        settings = replace(settings, metrics_port=metrics_port)
    if processes > 1:
        _run_fleet(name, processes, settings.metrics_port, data_dir)
    elif cluster:
        run_flow(name, settings, Share(process_id, len(cluster)), cluster)
    else:
        run_flow(name, settings, Share(index, count))


def _parse_share(share: str) -> tuple[int, int]:
    """Index and count; where the count is a name, its addresses are counted and watched."""
    index, _, count = share.partition("/")
    if index.isdecimal() and count and not count.isdecimal():
        processes = wait_for_place(count, int(index))
        end_on_change(count, processes)
        return int(index), processes
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UsageError(f"--share {share!r} is not INDEX/COUNT with INDEX below COUNT")
    return int(index), int(count)


def _run_fleet(name: str, processes: int, metrics_port: int, data_dir: Path | None) -> None:
    folder = ["--data-dir", str(data_dir)] if data_dir else []
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watch_parent()
    commands = []
    for index in range(processes):
        port = str(metrics_port + index if metrics_port else 0)
        options = ["--share", f"{index}/{processes}", "--metrics-port", port, *folder]
        commands.append(own_command("flow", name, *options))
    Fleet(commands).run(stop)

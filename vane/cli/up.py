"""`vane up`: everything on this machine."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from vane.cli.context import data_folder, refuse_event_clock
from vane.cli.demo import DemoLoader
from vane.cli.machine import Machine
from vane.cli.ports import ACCESS, usable_port
from vane.embedded.broker import LOOPBACK
from vane.embedded.folder import DataFolder
from vane.errors import UsageError
from vane.metrics import FLOWS
from vane.settings import Settings, load_settings, with_access
from vane.store.accounts import create_demo_accounts
from vane.store.connection import connect

SIMULATED_RATE = 20.0


def up(
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="VANE_DATA_DIR", help="Folder of the state.", show_default="vane-data"),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the API; 0: any free one.")
    ] = 8000,
    demo: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--demo/--no-demo", help="With a demo catalogue, loaded once.")
    ] = True,
    simulate: Annotated[  # noqa: FBT002
        bool, typer.Option("--simulate", help="With simulated users, RATE events a second.")
    ] = False,
    rate: Annotated[
        float | None,
        typer.Argument(min=0.01, max=1e6, help="Goes with --simulate.", show_default="20"),
    ] = None,
    flows: Annotated[
        str, typer.Option(help="Flows to run, comma-separated.", metavar="NAMES")
    ] = ",".join(FLOWS),
) -> None:
    """Run everything on this machine, with servers of its own.

    Ctrl-C stops it and loses nothing; a second start goes on with the same state. The embedded
    broker keeps messages in memory, so they are read to the end before it stops: killing
    `vane up` with -9 can lose messages that were acknowledged and not read yet.

    Example: `vane up --data-dir ~/shop --port 8000 --simulate 20`
    """
    settings = load_settings(os.environ)
    names, traffic = parse_flows(flows), _traffic(settings, rate, simulate=simulate)
    folder = data_folder(data_dir)
    folder.claim()
    screen = Screen()
    signals = StopSignals()
    free = usable_port(port)
    machine = Machine(folder, settings, flows=names, port=free, traffic=traffic, say=screen.say)
    loader = DemoLoader(machine.settings, folder.path, screen.say, screen.live_line, signals.stop)
    loads = demo and "catalog" in names
    try:
        with signals.interrupting():
            screen.say(f"Vane starts in {folder.path}")
            machine.supervisor.start()
            if demo:
                with connect(machine.settings, "vane up") as connection:
                    create_demo_accounts(connection)
        _serve(machine, folder, screen, signals, loader if loads else None)
    except KeyboardInterrupt:
        pass  # asked to stop before everything was up
    finally:
        folder.remove_endpoints()
        machine.supervisor.stop(signals.hurry)
    screen.say("Vane has stopped")


class StopSignals:
    """Ctrl-C, SIGTERM and a closed terminal mean stop; Ctrl-C after that means hurry.

    Plain flags: a handler that runs inside a lock of `threading.Event` would wait for itself.
    """

    def __init__(self) -> None:
        self._stop = self._hurry = self._interrupts = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._receive)

    def stop(self) -> bool:
        """Whether to stop."""
        return self._stop

    def hurry(self) -> bool:
        """Whether to stop without waiting for the flows."""
        return self._hurry

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Within, a signal also raises KeyboardInterrupt."""
        self._interrupts = True
        try:
            yield
        finally:
            self._interrupts = False

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._stop:
            self._hurry = self._hurry or number == signal.SIGINT
            return
        self._stop = True
        if self._interrupts:
            raise KeyboardInterrupt


class Screen:
    """The terminal; colours only where there is one, and a closed one stops nothing."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def say(self, text: str, style: str | None = None) -> None:
        """Write a line."""
        with contextlib.suppress(OSError, SystemExit):  # rich exits on a broken pipe
            self._console.print(text, style=style, markup=False)

    @contextlib.contextmanager
    def live_line(self) -> Iterator[Callable[[str], None]]:
        """A last line, written over each time, gone at the end; nothing where is no terminal."""
        if not self._console.is_terminal:
            yield lambda _text: None
            return
        with self._live() as live:

            def write(text: str) -> None:
                with contextlib.suppress(OSError, SystemExit):
                    live.update(Text(text, style="cyan"), refresh=True)

            yield write

    def _live(self) -> Live:
        return Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def show_addresses(self, machine: Machine, folder: Path) -> None:
        """Tell where everything serves."""
        endpoints = machine.endpoints
        self.say("Vane is ready", "bold green")
        self.say(f"  Page, API   {endpoints.api}", "bold")
        if endpoints.grpc:
            self.say(f"  gRPC        {endpoints.grpc}")
        self.say(f"  Kafka       {endpoints.kafka}")
        self.say(f"  PostgreSQL  {endpoints.postgres}")
        self.say(f"  Redis       {endpoints.redis}")
        self.say(f"  Admin key   {folder / 'admin.key'}")
        self.say(f"  Access      {ACCESS[with_access(machine.settings, LOOPBACK).access]}")
        self.say(f"  Logs        {folder / 'logs'}")
        self.say("Ctrl-C stops everything and loses nothing", "dim")


def _serve(
    machine: Machine,
    folder: DataFolder,
    screen: Screen,
    signals: StopSignals,
    loader: DemoLoader | None,
) -> None:
    """Publish the addresses of a machine that is ready, and watch over it until it shall stop."""
    folder.write_endpoints(machine.endpoints)
    screen.show_addresses(machine, folder.path)
    with loader.running() if loader else contextlib.nullcontext():
        machine.supervisor.watch(signals.stop)


def _traffic(settings: Settings, rate: float | None, *, simulate: bool) -> float | None:
    """Simulated events a second; None: without simulation."""
    if not simulate:
        if rate is not None:
            raise UsageError(f"{rate:g} is the RATE of --simulate, which is missing")
        return None
    refuse_event_clock(settings)
    return SIMULATED_RATE if rate is None else rate


def parse_flows(text: str) -> list[str]:
    """The flows named in `text`, comma-separated.

    Raises:
        UsageError: there is no such flow.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := sorted(set(names) - set(FLOWS)):
        raise UsageError(f"--flows: no flow {unknown[0]!r}; there are {', '.join(FLOWS)}")
    return names

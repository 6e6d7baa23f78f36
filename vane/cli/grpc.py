"""`vane grpc`: the API for back ends."""

import asyncio
from typing import Annotated

import typer

from vane import telemetry
from vane.child import announce_ready, watch_parent
from vane.cli.context import DataDir, command_settings
from vane.cli.output import note
from vane.settings import Settings


def grpc(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")] = 50_051,
    data_dir: DataDir = None,
) -> None:
    """Run the API for back ends over gRPC.

    SIGTERM and Ctrl-C end it behind the calls in flight. TLS: VANE_GRPC_TLS_CERT and _KEY.

    Example: `vane grpc --port 50051`
    """
    from api.grpc_server import serve_grpc  # noqa: PLC0415 - slow to import, only needed here
    from vane.cli.ports import usable_port  # noqa: PLC0415

    watch_parent()
    settings = command_settings(data_dir)
    telemetry.begin(settings, "grpc")
    free = usable_port(port)
    asyncio.run(serve_grpc(settings, host, free, lambda: _announce(settings, host, free)))


def _announce(settings: Settings, host: str, port: int) -> None:
    note(settings, f"serving gRPC on {host}:{port}")
    announce_ready()

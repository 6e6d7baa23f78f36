"""`vane flow`: run one flow."""

from typing import Annotated

import typer

from vane.cli.context import DataDir, command_settings
from vane.errors import UsageError


def flow(
    name: Annotated[str, typer.Argument(help="interactions, catalog or trends")],
    share: Annotated[
        str,
        typer.Option(help="This process's share: INDEX/COUNT, such as 0/2 and 1/2 for two."),
    ] = "0/1",
    data_dir: DataDir = None,
) -> None:
    """Run one flow: interactions, catalog or trends.

    SIGTERM and Ctrl-C end it behind a committed chunk. Exit code 75: another worker took over a
    partition; 78: a person must decide, the message names the command.

    [dim]$[/] vane flow interactions
    [dim]$[/] vane flow interactions --share 0/2
    """
    from flows.kafka import Share  # noqa: PLC0415 - slow to import, needed by this command alone
    from flows.run import FLOWS, run_flow  # noqa: PLC0415

    if name not in FLOWS:
        raise UsageError(f"there is no flow {name!r}: choose from {', '.join(FLOWS)}")
    index, _, count = share.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UsageError(f"--share {share!r} is not INDEX/COUNT with INDEX below COUNT")
    run_flow(name, command_settings(data_dir), Share(int(index), int(count)))

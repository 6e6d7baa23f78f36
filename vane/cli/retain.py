"""`vane retain`: drops old months of the interaction log, while everything goes on."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from vane.cli.context import DataDir, Json, command_settings
from vane.cli.output import print_json
from vane.cli.progress import progress
from vane.errors import UsageError
from vane.retention import APPLICATION, Retired, days_ago
from vane.retention import retain as retire
from vane.store.connection import connect


def retain(
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
    days: Annotated[
        int | None, typer.Option(min=1, help="Rather than VANE_LOG_RETENTION_DAYS.")
    ] = None,
) -> None:
    """Drop old months of the log, behind a checkpoint.

    Those that ended more than so many days ago: the trends are kept as they are, then every user's
    events of these months become one sum, then the months go. Everything goes on meanwhile, and
    `vane verify` and `vane rebuild` stay exact. Killed or called again, it goes on. What has gone
    does not come back: half-lives that change later decay it from its newest event on.

    Example: `vane retain --days 90`
    """
    settings = command_settings(data_dir, needs=["database_url"])
    chosen = days or settings.log_retention_days
    if not chosen:
        raise UsageError("the log is kept for ever: set VANE_LOG_RETENTION_DAYS, or --days 90")
    with connect(settings, APPLICATION) as connection, progress() as bars:
        task = bars.add_task("rows of the log", total=None)
        done = retire(
            connection,
            days_ago(chosen, datetime.now(UTC)),
            lambda rows: bars.advance(task, rows),
        )
    if as_json:
        print_json(done)
    else:
        _tell(done)


def _tell(done: Retired) -> None:
    if done.history_from is None:
        typer.echo("Nothing to drop: no month of the log is that old")
        return
    gone = ", ".join(done.dropped) or "no month"
    typer.echo(
        f"{done.rows:,} events became part of their users' sums; dropped: {gone}; the log begins "
        f"with {done.history_from:%Y-%m-%d}"
    )
    if done.left:
        typer.echo(f"Empty, and in use: {', '.join(done.left)}; the next run drops them")

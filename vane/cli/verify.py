"""`vane verify`: recompute everything from the log and compare."""

from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from vane.audit import Report, audit_all, audit_user, logged_events
from vane.cli.context import DataDir, Json, command_settings
from vane.errors import NotFound
from vane.store.connection import connect
from vane.store.tuning import read_tuning
from vane.store.verification import Snapshot, open_snapshot

HalfLives = tuple[float, float]


def verify(
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
    user: Annotated[str | None, typer.Option("--user", help="Only this user.")] = None,
) -> int:
    """Recompute users, trends and positions from the log and compare; 1 if anything differs.

    Counts and hashes must be equal, vectors and scores within the bound of their rounding errors.
    It reads one snapshot, so the flows may go on meanwhile.

    Example: [cyan]vane verify --user alice[/]
    """
    settings = command_settings(data_dir, needs=["database_url"])
    with connect(settings, "vane verify") as connection:
        tuning, _ = read_tuning(connection)
        half_lives_s = tuning.half_life_long_s, tuning.half_life_short_s
        with open_snapshot(connection) as snapshot:
            if user is None:
                report = _audit_with_progress(snapshot, half_lives_s)
            else:
                report = audit_user(snapshot, half_lives_s, user)
    if user is not None and report == Report():
        raise NotFound(f"user {user!r} is neither in the log nor stored")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        _show(report)
    return 1 if report.mismatches else 0


def _audit_with_progress(snapshot: Snapshot, half_lives_s: HalfLives) -> Report:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        passes = 2  # by user and by item
        task = progress.add_task("log rows", total=passes * logged_events(snapshot))
        return audit_all(snapshot, half_lives_s, lambda rows: progress.advance(task, rows))


class _RateColumn(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


def _show(report: Report) -> None:
    table = Table("", "checked", "worst error as a share of its bound", box=None, pad_edge=False)
    table.add_row("users", f"{report.users:,}", f"{report.worst_user_error:.3g}")
    table.add_row("trends of items", f"{report.trend_items:,}", f"{report.worst_trend_error:.3g}")
    table.add_row("events", f"{report.events:,}", "")
    table.add_row("partitions", f"{report.partitions:,}", "")
    console = Console(highlight=False)
    console.print(table)
    for mismatch in report.listed:
        console.print(f"{mismatch.subject}: {mismatch.difference}", markup=False, soft_wrap=True)
    hidden = report.mismatches - len(report.listed)
    if hidden:
        console.print(f"… and {hidden:,} more")
    verdict = f"{report.mismatches:,} mismatches" if report.mismatches else "everything agrees"
    console.print(verdict)

"""`vane verify`: recompute everything from the log and compare."""

from datetime import datetime
from typing import Annotated

import typer

from vane.audit import audit_all, audit_user, logged_events
from vane.audit_report import Report
from vane.cli.context import DataDir, Json, Since, command_settings, parse_moment
from vane.cli.output import console, print_json, table
from vane.cli.progress import progress
from vane.errors import NotFound
from vane.store.connection import connect
from vane.store.tuning import read_tuning
from vane.store.verification import Snapshot, open_snapshot

HalfLives = tuple[float, float]


def verify(
    data_dir: DataDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
    since: Since = None,
    user: Annotated[str | None, typer.Option("--user", help="Only this user.")] = None,
) -> int:
    """Recompute users, trends and positions from the log and compare; 1 if anything differs.

    Counts and hashes must be equal, vectors and scores within the bound of their rounding errors.
    It reads one snapshot, so the flows may go on meanwhile. With --since, trends are left out.

    Example: `vane verify --user alice`
    """
    settings = command_settings(data_dir, needs=["database_url"])
    with connect(settings, "vane verify") as connection:
        tuning, _ = read_tuning(connection)
        half_lives_s = tuning.half_life_long_s, tuning.half_life_short_s
        with open_snapshot(connection) as snapshot:
            if user is None:
                report = _audit_with_progress(snapshot, half_lives_s, parse_moment(since))
            else:
                report = audit_user(snapshot, half_lives_s, user)
    if user is not None and report == Report():
        raise NotFound(f"user {user!r} is neither in the log nor stored")
    if as_json:
        print_json(report)
    else:
        _show(report)
    return 1 if report.mismatches else 0


def _audit_with_progress(
    snapshot: Snapshot, half_lives_s: HalfLives, since: datetime | None
) -> Report:
    passes = 3 if since is None else 1  # by user, by user's history, by item
    with progress() as bars:
        total = passes * logged_events(snapshot)
        task = bars.add_task("log rows", total=total)
        report = audit_all(snapshot, half_lives_s, lambda rows: bars.advance(task, rows), since)
        bars.update(task, completed=total)
    return report


def _show(report: Report) -> None:
    rows = table("", ">checked", ">worst error as a share of its bound")
    rows.add_row("users", f"{report.users:,}", f"{report.worst_user_error:.3g}")
    rows.add_row("trends of items", f"{report.trend_items:,}", f"{report.worst_trend_error:.3g}")
    rows.add_row(
        "neighbours of items", f"{report.neighbour_items:,}", f"{report.worst_neighbour_error:.3g}"
    )
    rows.add_row("events", f"{report.events:,}", "")
    rows.add_row("partitions", f"{report.partitions:,}", "")
    screen = console()
    screen.print(rows)
    for mismatch in report.listed:
        screen.print(f"{mismatch.subject}: {mismatch.difference}")
    hidden = report.mismatches - len(report.listed)
    if hidden:
        screen.print(f"… and {hidden:,} more")
    verdict = f"{report.mismatches:,} mismatches" if report.mismatches else "everything agrees"
    screen.print(verdict, style="bold red" if report.mismatches else "bold green")

"""What commands print on stdout: tables and JSON, with colours only where there is a terminal."""

import logging
from typing import Any

import msgspec
import typer
from rich.console import Console, JustifyMethod
from rich.table import Table

from vane.settings import Settings

PIPED_WIDTH = 10_000

_log = logging.getLogger(__name__)


def console() -> Console:
    """Stdout. In a pipe or a file, lines are as long as they must be, so that `grep` finds all."""
    screen = Console(highlight=False, markup=False)
    if not screen.is_terminal:
        screen.width = PIPED_WIDTH
    return screen


def table(*columns: str) -> Table:
    """An empty table; the columns named with a `>` are numbers, aligned right."""
    empty = Table(box=None, pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        justify: JustifyMethod = "right" if right else "left"
        empty.add_column(column.lstrip(">"), justify=justify, no_wrap=right, overflow="fold")
    return empty


def print_table(rows: Table, *, empty: str) -> None:
    """A table, or what to say where it has no rows."""
    console().print(rows if rows.row_count else empty)


def print_json(value: Any) -> None:
    """An answer of the API, or any value that msgspec encodes."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def note(settings: Settings, text: str, *, err: bool = False) -> None:
    """What a service says as it starts: to people, or as all its lines where they are JSON."""
    if settings.log_format == "json":
        _log.info("%s", text)
    else:
        typer.echo(text, err=err)

"""What commands print on stdout: tables and JSON, with colours only where there is a terminal."""

from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table


def console() -> Console:
    """Stdout; texts are printed as they are, long lines are left to the terminal."""
    return Console(highlight=False, markup=False, soft_wrap=True)


def table(*columns: str) -> Table:
    """An empty table; the columns named with a `>` are numbers, aligned right."""
    empty = Table(box=None, pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        empty.add_column(column.lstrip(">"), justify="right" if right else "left", no_wrap=right)
    return empty


def print_json(value: Any) -> None:
    """An answer of the API, or any value that msgspec encodes."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())

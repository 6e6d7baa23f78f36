"""The command `vane`.

Each command is a function with Typer annotations (or a Typer app with commands of its own) in a
module of this package, imported only when it is called: `vane --help` reads the table below. A
command returns None or its exit code; errors of `vane.errors` become one line on stderr.
"""

import sys
from importlib import import_module
from typing import Any, NamedTuple

import typer

from vane.errors import VaneError


class Command(NamedTuple):
    """Where a command is, and what `vane --help` says of it."""

    module: str
    attribute: str
    summary: str


COMMANDS = {
    "up": Command("up", "up", "Run everything on this machine, with servers of its own"),
    "load": Command("load", "app", "Load items or events from a file"),
    "recommend": Command(
        "ask", "recommend", "Recommendations for a user, with the reason for each"
    ),
    "profile": Command("ask", "profile", "What Vane knows of a user's taste"),
    "similar": Command("ask", "similar", "Items like an item"),
    "search": Command("search", "search", "Items that match some words"),
    "simulate": Command("simulate", "simulate", "Believable traffic, for demos, load and tests"),
    "status": Command("ask", "status", "How far each flow is, and what waits"),
    "verify": Command("verify", "verify", "Recompute users, trends and positions from the log"),
    "dead-letters": Command("dead_letters", "app", "Messages that could not be applied"),
    "rebuild": Command("rebuild", "rebuild", "Compute vectors and trends again from the log"),
    "config": Command(
        "config", "config", "Every setting with its value, its source and its meaning"
    ),
    "flow": Command("flow", "flow", "Run one flow: interactions, catalog or trends"),
    "api": Command("ask", "api", "Run the HTTP API"),
    "migrate": Command("migrate", "migrate", "Bring the database schema up to date"),
    "accept-gap": Command(
        "migrate", "accept_lost", "Let a flow go on behind messages that Kafka has deleted"
    ),
    "accept-log": Command(
        "migrate", "accept_log", "Start on a topic that was deleted and created again"
    ),
}


def build_app(called: str | None = None) -> typer.Typer:
    """The command line; only the command `called` is imported."""
    app = typer.Typer(
        name="vane",
        help="Recommendations that turn with every click.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    for name, command in COMMANDS.items():
        found = _load(command) if name == called else _not_imported
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, help=command.summary)
        else:
            summary = command.summary if found is _not_imported else None
            app.command(name, help=summary)(found)
    return app


def main() -> None:
    """Entry point of the console script and of `python -m vane`."""
    called = sys.argv[1] if len(sys.argv) > 1 else None
    try:
        status = build_app(called)(prog_name="vane", standalone_mode=False)
    except typer.TyperException as error:
        status = _tell(error.format_message(), error.exit_code)
    except VaneError as error:
        status = _tell(str(error), error.exit_code)
    except typer.Abort:
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status if isinstance(status, int) else 0)


def _tell(message: str, status: int) -> int:
    sys.stderr.write(f"vane: {message}\n")
    return status


def _load(command: Command) -> Any:
    return getattr(import_module(f"vane.cli.{command.module}"), command.attribute)


def _not_imported() -> None:
    """Stands for a command that was not called."""

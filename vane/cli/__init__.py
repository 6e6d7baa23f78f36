"""The command `vane`.

Each command is a function with Typer annotations (or a Typer app with commands of its own) in a
module of this package, imported only when it is called: `vane --help` reads the table below. A
command returns None or its exit code; errors of `vane.errors` become one line on stderr.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from logging import CRITICAL, ERROR, WARNING
from typing import Annotated, Any, NamedTuple

import typer

from vane.errors import Fenced, VaneError

COMPLETE = "_VANE_COMPLETE"
"""Set by the shell that asks for completions."""


ONE_THREAD = ("OPENBLAS_NUM_THREADS", "1")
"""Read when numpy is imported. Its products are small here: a list took three times the CPU with
two threads, which wait for each other by turning in circles. More cores take more processes."""


TELEMETRY = "vane.telemetry"
"""Imported by services alone, as it takes 50 ms."""
SERVICES = ("api", "flow", "grpc", "monitor", "migrate")
"""Commands whose every line is for a machine where `VANE_LOG_FORMAT=json`."""


class Command(NamedTuple):
    """Where a command is, and what `vane --help` says of it, in which group."""

    module: str
    attribute: str
    group: str
    summary: str


_RUN, _ASK, _DATA, _OPERATE = "Run", "Ask", "Data", "Operate"

COMMANDS = {
    "up": Command("up", "up", _RUN, "Run everything on this machine, with servers of its own"),
    "simulate": Command(
        "simulate", "simulate", _RUN, "Believable traffic, for demos, load and tests"
    ),
    "recommend": Command(
        "ask", "recommend", _ASK, "Recommendations for a user, with the reason for each"
    ),
    "search": Command("search", "search", _ASK, "Items that match some words"),
    "similar": Command("ask", "similar", _ASK, "Items like an item"),
    "profile": Command("ask", "profile", _ASK, "What Vane knows of a user's taste"),
    "status": Command("ask", "status", _ASK, "How far each flow is, and what waits"),
    "load": Command("load", "app", _DATA, "Load items or events from a file"),
    "verify": Command(
        "verify", "verify", _DATA, "Recompute users, trends and positions from the log"
    ),
    "rebuild": Command(
        "rebuild", "rebuild", _DATA, "Compute vectors and trends again from the log"
    ),
    "retain": Command("retain", "retain", _DATA, "Drop old months of the log, behind a checkpoint"),
    "merge": Command("merge", "merge", _DATA, "Give an account what an anonymous visitor did"),
    "erase": Command("privacy", "erase", _DATA, "Delete all that is known of a user"),
    "export": Command("privacy", "export", _DATA, "Everything that is stored of a user, as JSON"),
    "taxonomy": Command("taxonomy", "app", _DATA, "Categories for items that declare none"),
    "tune": Command("tune", "tune", _DATA, "Learn to rank from the log; activated only if better"),
    "retrain": Command("tune", "retrain", _DATA, "Fit the network of the ranking again"),
    "evaluate": Command(
        "evaluate", "evaluate", _DATA, "How good the lists are on a log, beside other recommenders"
    ),
    "dead-letters": Command("dead_letters", "app", _DATA, "Messages that could not be applied"),
    "flow": Command(
        "flow",
        "flow",
        _OPERATE,
        "Run one flow: interactions, catalog, trends, learning or commands",
    ),
    "api": Command("ask", "api", _OPERATE, "Run the HTTP API"),
    "monitor": Command(
        "monitor", "monitor", _OPERATE, "Watch the whole installation, for Prometheus"
    ),
    "doctor": Command(
        "doctor", "doctor", _OPERATE, "Say what is wrong with an installation, and what to do"
    ),
    "grpc": Command("grpc", "grpc", _OPERATE, "Run the API for back ends over gRPC"),
    "keys": Command("keys", "app", _OPERATE, "Keys of the HTTP API: make, list, rotate, revoke"),
    "migrate": Command("migrate", "migrate", _OPERATE, "Bring the database schema up to date"),
    "config": Command(
        "config", "config", _OPERATE, "Every setting with its value, its source and its meaning"
    ),
    "accept-gap": Command(
        "migrate",
        "accept_lost",
        _OPERATE,
        "Let a flow go on behind messages that Kafka has deleted",
    ),
    "accept-log": Command(
        "migrate", "accept_log", _OPERATE, "Start on a topic that was deleted and created again"
    ),
}


def _show_version(asked: bool) -> None:  # noqa: FBT001 - as Typer calls it
    if asked:
        typer.echo(f"vane {version('vane')}")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    """Options of `vane` itself."""


def build_app(called: str | None = None) -> typer.Typer:
    """The command line; only the command `called` is imported."""
    app = typer.Typer(
        name="vane",
        help="Recommendations that turn with every click. Begin with `vane up`.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(_root)
    for name, command in COMMANDS.items():
        found = _load(command) if name == called else _not_imported
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, help=command.summary, rich_help_panel=command.group)
        else:
            summary = command.summary if found is _not_imported else None
            app.command(name, help=summary, rich_help_panel=command.group)(found)
    return app


def called_command(arguments: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """The command that is called, or completed: a shell gives the line in a variable."""
    if COMPLETE in environ:
        line = environ.get("COMP_WORDS") or environ.get("_TYPER_COMPLETE_ARGS", "")
        arguments = line.split()
    return arguments[1] if len(arguments) > 1 else None


def main() -> None:
    """Entry point of the console script and of `python -m vane`."""
    os.environ.setdefault(*ONE_THREAD)
    try:
        app = build_app(called_command(sys.argv, os.environ))
        status = app(prog_name="vane", standalone_mode=False)
    except typer.TyperException as error:
        status = _tell(_with_hint(error), error.exit_code)
    except VaneError as error:
        status = _tell(str(error), error.exit_code)
    except typer.Abort:
        status = 1
    except KeyboardInterrupt:
        status = 130
    except Exception as error:
        if TELEMETRY not in sys.modules:
            raise  # a command of a person shows all there is
        import_module("vane.logs").last_word("ended by a defect", CRITICAL, error)
        status = 1
    finally:
        if TELEMETRY in sys.modules:
            import_module(TELEMETRY).end()
    sys.exit(status if isinstance(status, int) else 0)


def _with_hint(error: typer.TyperException) -> str:
    """One line that says what is wrong and where it is explained; empty where help was shown."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    if not message or context is None:
        return message
    return f"{message.rstrip('.')} (see {context.command_path} --help)"


def _tell(message: str, status: int) -> int:
    """Say why a command ends; a service in JSON, also where it has not read its settings yet."""
    service = called_command(sys.argv, os.environ)
    if message and service in SERVICES:
        logs = import_module("vane.logs")
        if not logs.begun():
            logs.begin(os.environ.get("VANE_LOG_FORMAT", "text"), "info", service)
        logs.last_word(message, WARNING if status == Fenced.exit_code else ERROR)
    elif message:
        sys.stderr.write(f"vane: {message}\n")
    return status


def _load(command: Command) -> Any:
    return getattr(import_module(f"vane.cli.{command.module}"), command.attribute)


def _not_imported() -> None:
    """Stands for a command that was not called."""

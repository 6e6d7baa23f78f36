"""Writes docs/cli.md from the commands themselves: `python -m scripts.cli_page`."""

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

import typer

from scripts.schema_words import cell
from vane.cli import COMMANDS, build_app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
HEAD = """# Command line

`vane COMMAND --help` says the same in the terminal. This page is made from the commands by
`make schemas`. Commands find a running `vane up` by `--data-dir`, or servers of your own by
[settings](settings.md). Errors are one line on stderr;
[exit codes](operations.md#exit-codes): 0 done, 1 failed check, 2 wrong use.
"""
KINDS = {bool: "flag", int: "whole number", float: "number", str: "text", Path: "path"}


def page() -> str:
    """The whole page, in the groups of `vane --help`."""
    parts, group = [HEAD], ""
    for name, listed in COMMANDS.items():
        if listed.group != group:
            group = listed.group
            parts.append(f"\n## {group}\n")
        root: Any = typer.main.get_command(build_app(name))
        for words, command in _commands(root.commands[name], ("vane", name)):
            parts.append(_section(" ".join(words), command))
    return "".join(parts)


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A command, or the commands of a group."""
    if below := getattr(command, "commands", None):
        for name, each in below.items():
            yield from _commands(each, (*words, name))
    else:
        yield words, command


def _section(words: str, command: Any) -> str:
    """One command: its help, arguments and options."""
    shown = [each for each in command.params if each.name != "help" and not each.hidden]
    options = [each for each in shown if each.param_type_name == "option"]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    usage = " ".join([words, *map(_placeholder, arguments), *(["[OPTIONS]"] if options else [])])
    lines = ["", f"### {words}", "", inspect.cleandoc(command.help or ""), "", "```text", usage]
    lines += ["```"]
    if shown:
        lines += ["", "| | type | default | |", "| --- | --- | --- | --- |"]
        lines += [_row(each) for each in (*arguments, *options)]
    return "\n".join(lines) + "\n"


def _placeholder(argument: Any) -> str:
    """An argument in the line of usage."""
    name = (argument.metavar or argument.name).upper().replace("_", "-").strip("{}[]")
    name += "…" if argument.nargs != 1 else ""
    return name if argument.required else f"[{name}]"


def _row(each: Any) -> str:
    """A row of the table of arguments and options."""
    if each.param_type_name == "argument":
        name = f"`{_placeholder(each)}`"
    else:
        name = ", ".join(f"`{spelled}`" for spelled in (*each.opts, *each.secondary_opts))
    said = each.help or ""
    if each.envvar:
        variables = [each.envvar] if isinstance(each.envvar, str) else each.envvar
        said += f" Or variable {', '.join(f'`{name}`' for name in variables)}."
    return f"| {name} | {_kind(each)} | {_default(each)} | {cell(said)} |"


def _kind(each: Any) -> str:
    """The type with its bounds, or the choices."""
    kind = each.type_descriptor.annotation
    many = "several of " if get_origin(kind) is list else ""
    kind = get_args(kind)[0] if many else kind
    if issubclass(kind, Enum):
        return many + ", ".join(f"`{choice.value}`" for choice in kind)
    if each.min is None and each.max is None:
        return many + KINDS[kind]
    bounds = [f"{bound:,.12g}" for bound in (each.min, each.max) if bound is not None]
    joined = " to ".join(bounds) if len(bounds) > 1 else f"at least {bounds[0]}"
    return f"{KINDS[kind]}, {joined}"


def _default(each: Any) -> str:
    """What holds where an option is left out."""
    if each.required:
        return "required"
    shown = each.show_default if isinstance(each.show_default, str) else each.default
    shown = each.opts[0] if shown is True else shown
    return f"`{shown}`" if shown not in (None, False, "") else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

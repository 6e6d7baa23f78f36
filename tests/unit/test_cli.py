import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib import import_module
from types import MappingProxyType

import pytest
import typer
from rich.console import Console

from vane.cli import COMMANDS, build_app, main
from vane.cli.context import parse_duration
from vane.cli.progress import progress
from vane.errors import Fenced, OperatorNeeded, UsageError
from vane.settings import Settings

EMPTY: Mapping[str, str] = MappingProxyType({})

HEAVY = ("psycopg", "confluent_kafka", "fastapi", "bytewax", "numpy", "redis")


def run_main(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, environ: Mapping[str, str] = EMPTY
) -> object:
    """Exit status of `vane` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["vane", *arguments])
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def leaf_commands() -> Iterator[tuple[str, ...]]:
    """Every command, those within `load` and `dead-letters` one by one."""
    for name, command in COMMANDS.items():
        found = getattr(import_module(f"vane.cli.{command.module}"), command.attribute)
        if isinstance(found, typer.Typer):
            for inner in found.registered_commands:
                assert inner.callback is not None
                yield name, inner.name or inner.callback.__name__
        else:
            yield (name,)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_begins_with_its_summary(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_app(name)([name, "--help"], standalone_mode=False) == 0
    assert COMMANDS[name].summary in capsys.readouterr().out


@pytest.mark.parametrize("words", list(leaf_commands()), ids=" ".join)
def test_every_help_has_an_example_and_json_where_there_is_an_answer(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_app(words[0])([*words, "--help"], standalone_mode=False) == 0
    text = capsys.readouterr().out
    assert re.search(rf"Example: .*vane {' '.join(words)}", text)
    without = {"up", "flow", "api", "grpc", "monitor", "export"}
    assert ("--json" in text) == (words[0] not in without)
    assert "[/" not in text
    assert "`" not in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fly"], "No such command 'fly' (see vane --help)"),
        (["rebiuld"], "No such command 'rebiuld'. Did you mean 'rebuild'? (see vane --help)"),
        (["status", "--jsn"], "No such option: --jsn (Possible options: --json) (see vane status"),
        (["load", "events"], "Missing argument 'file' (see vane load events --help)"),
        (["recommend", "a", "--limit", "0"], "Invalid value for '--limit': Input should be great"),
    ],
)
def test_wrong_use_is_a_line_with_a_hint(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    assert run_main(monkeypatch, *arguments) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"vane: {says}")
    assert told.err.count("\n") == 1
    assert told.out == ""


@pytest.mark.parametrize("arguments", [(), ("load",), ("dead-letters",)])
def test_nothing_asked_shows_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run_main(monkeypatch, *arguments) == 2
    told = capsys.readouterr()
    assert "Usage: vane" in told.out
    assert told.err == ""


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(monkeypatch, "--version") == 0
    assert re.fullmatch(r"vane \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("line", "finds"),
    [
        ("vane fl", ["flow"]),
        ("vane status --", ["--json", "--data-dir", "--help"]),
        ("vane load ", ["items", "events"]),
        ("vane load items --w", ["--wait"]),
        ("vane flow ", ["interactions", "catalog", "trends", "learning", "commands"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_complete_commands_options_and_names(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shell: str,
    line: str,
    finds: list[str],
) -> None:
    environ = {"_VANE_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        environ |= {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    else:
        environ |= {"_TYPER_COMPLETE_ARGS": line}
    assert run_main(monkeypatch, environ=environ) == 0
    told = capsys.readouterr().out
    found = told.split() if shell == "bash" else re.findall(r'"([a-z-]+)"(?::|\n|\))', told)
    assert found == finds


def test_shells_can_be_taught(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "--show-completion", "bash") == 0
    assert "_VANE_COMPLETE=complete_bash" in capsys.readouterr().out


@pytest.mark.parametrize("form", [[], ["--json"], ["--help"]])
def test_a_reader_that_goes_away_is_no_error(form: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "vane", "config", *form]
    done = subprocess.run(command, check=False, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.stderr == ""


def test_a_table_in_a_pipe_keeps_its_lines_whole_and_plain() -> None:
    command = [sys.executable, "-m", "vane", "config"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = done.stdout.splitlines()
    assert len(rows) == len(fields(Settings)) + 1
    column = rows[0].index("meaning")
    assert all(row[column - 1] == " " != row[column] for row in rows)
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals_that_want_them(*, no_color: str, coloured: bool) -> None:
    code = "from vane.cli.output import console; console().print('x', style='red')"
    environ = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": no_color}
    terminal, inner = os.openpty()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=inner, env=environ)
    os.close(inner)
    written = os.read(terminal, 1_024)
    os.close(terminal)
    assert (b"\x1b[31m" in written) == coloured


def test_progress_is_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as bars:
        bars.add_task("users", total=5)
    told = capsys.readouterr()
    assert told.out + told.err == ""


def test_progress_tells_rate_and_time_left() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=120)
    with progress(screen) as bars:
        task = bars.add_task("users", total=2_000, note="fine")
        bars.update(task, completed=500)
        time.sleep(0.01)
        bars.update(task, completed=1_000)
        bars.refresh()
    assert isinstance(screen.file, io.StringIO)
    written = re.sub(r"\x1b\[[0-9;?]*\w", "", screen.file.getvalue())
    assert re.search(r"users .*1,000/2,000 [1-9][\d,]*/s 0:00:0\d fine", written)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5m", 90), ("6h", 21_600), ("30d", 2_592_000)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration("--for", text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "5", "5x", "-3s", "s", "1e3s"])
def test_wrong_durations_are_named(text: str) -> None:
    with pytest.raises(UsageError, match=rf"--for '{text}': a number and a unit"):
        parse_duration("--for", text)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from vane.cli import build_app; build_app()(['--help'], standalone_mode=0)"
    code += f"; print('heavy:', [name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("heavy: []\n")


@pytest.mark.parametrize(
    ("raised", "status", "says"),
    [
        (OperatorNeeded("decide"), 78, "vane: decide\n"),
        (Fenced("not ours"), 75, "vane: not ours\n"),
        (
            typer.BadParameter("too long"),
            2,
            "vane: Invalid value: too long (see vane config --help)\n",
        ),
        (typer.Exit(1), 1, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_a_line_and_a_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: BaseException,
    status: int,
    says: str,
) -> None:
    def config() -> None:
        raise raised

    monkeypatch.setattr("vane.cli.config.config", config)
    monkeypatch.setattr(sys, "argv", ["vane", "config"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    assert capsys.readouterr().err == says


def test_status_of_a_command_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vane.cli.config.config", lambda: 1)
    monkeypatch.setattr(sys, "argv", ["vane", "config"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1


def test_no_running_up_says_what_to_do(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["vane", "migrate", "--data-dir", str(tmp_path)])
    for name in ("VANE_DATABASE_URL", "VANE_KAFKA_BOOTSTRAP", "VANE_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    line = f"vane: no vane up is running on {tmp_path}: start it, pass its --data-dir, or set "
    assert capsys.readouterr().err == line + "VANE_DATABASE_URL\n"

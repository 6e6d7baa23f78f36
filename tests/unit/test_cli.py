import subprocess
import sys

import pytest
import typer

from vane.cli import COMMANDS, build_app, main
from vane.errors import Fenced, OperatorNeeded

HEAVY = ("psycopg", "confluent_kafka", "fastapi", "bytewax", "numpy", "redis")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_begins_with_its_summary(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_app(name)([name, "--help"], standalone_mode=False) == 0
    assert COMMANDS[name].summary in capsys.readouterr().out


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
        (typer.BadParameter("too long"), 2, "vane: Invalid value: too long\n"),
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

"""What commands share: options, and the servers that a command talks to."""

import os
import re
import sys
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from vane.embedded.folder import DataFolder
from vane.errors import UsageError
from vane.settings import Settings, load_settings, variable

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="VANE_DATA_DIR",
        help="Data folder of the running `vane up` to talk to.",
        show_default="vane-data",
    ),
]
Since = Annotated[
    str | None, typer.Option(help="Only users with an event since then, such as 2026-01-31.")
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

FOREVER = "forever"
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

ADDRESSES = {"kafka_bootstrap": "kafka", "database_url": "postgres", "redis_url": "redis"}
"""Settings field of each server → its field in `endpoints.json`."""


def data_folder(data_dir: Path | None) -> DataFolder:
    """The data folder by option, by VANE_DATA_DIR or by default."""
    return DataFolder(data_dir or Path(load_settings(os.environ).data_dir))


def command_settings(data_dir: Path | None, needs: Collection[str] = tuple(ADDRESSES)) -> Settings:
    """Settings of this process; missing addresses come from the running `vane up`.

    Args:
        data_dir: its data folder; None: VANE_DATA_DIR or the default.
        needs: settings fields of the servers that the command talks to.

    Raises:
        UsageError: an address is in neither place.
        SettingError: a setting has a value that is not allowed.
    """
    settings = load_settings(os.environ)
    missing = [name for name in needs if not getattr(settings, name)]
    if not missing:
        return settings
    folder = data_folder(data_dir)
    endpoints = folder.read_endpoints()
    if endpoints is None:
        raise UsageError(
            f"no vane up is running on {folder.path}: start it, pass its --data-dir, or set "
            + " and ".join(variable(name) for name in missing)
        )
    found = {name: getattr(endpoints, ADDRESSES[name]) for name in missing}
    return replace(settings, admin_key=settings.admin_key or endpoints.admin_key, **found)


def refuse_event_clock(settings: Settings) -> None:
    """Simulated events happen now; a replay of an old log has another now.

    Raises:
        UsageError: VANE_CLOCK=event.
    """
    if settings.clock == "event":
        raise UsageError("VANE_CLOCK=event replays old logs: simulated events would be newer")


def parse_duration(option: str, text: str) -> float:
    """Seconds; `text` is a number and a unit, such as 30d, 6h, 45m or 10s.

    Raises:
        UsageError: it is not, or it is zero; names the option.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if match is None or float(match[1]) == 0:
        raise UsageError(f"{option} {text!r}: a number and a unit are allowed, such as 6h or 45m")
    return float(match[1]) * UNIT_SECONDS[match[2]]


def parse_moment(text: str | None) -> datetime | None:
    """A point in time of --since; UTC where it says no zone.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since {text!r} is no date or time, such as 2026-01-31") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def own_command(*arguments: str) -> list[str]:
    """The command line of `vane` with these arguments, in this very Python."""
    return [sys.executable, "-m", "vane", *arguments]

"""`vane config`: every setting with its value, where the value comes from, and what it means."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields

import msgspec

from vane.cli.context import ADDRESSES, DataDir, Json, data_folder
from vane.cli.output import console, print_json, table
from vane.embedded.folder import Endpoints
from vane.settings import Settings, load_settings, variable

HIDDEN = "***"
_PASSWORD = re.compile(r"(://[^:@/]*:|password=)[^@&]*")


class Row(msgspec.Struct, frozen=True):
    """One setting as it is shown; secrets are hidden."""

    name: str
    value: str | int
    source: str
    meaning: str


def config(data_dir: DataDir = None, as_json: Json = False) -> None:  # noqa: FBT002 - a flag
    """Every setting with its value, its source and its meaning; secrets are hidden.

    Settings are environment variables.

    Example: `VANE_CACHE_TTL_MS=1000 vane config`
    """
    rows = describe_settings(os.environ, data_folder(data_dir).read_endpoints())
    if as_json:
        print_json(rows)
        return
    shown = table("setting", "value", "source", "meaning")
    for row in rows:
        shown.add_row(row.name, str(row.value), row.source, row.meaning)
    console().print(shown)


def describe_settings(environ: Mapping[str, str], running: Endpoints | None) -> list[Row]:
    """All settings as commands would get them, in the order of `Settings`.

    Args:
        environ: environment variables.
        running: addresses of a running `vane up`, for what the environment leaves open.
    """
    settings = load_settings(environ)
    rows = []
    for spec in fields(Settings):
        name, value, source = variable(spec.name), getattr(settings, spec.name), "default"
        if name in environ:
            source = "environment"
        elif running is not None and spec.name in {*ADDRESSES, "admin_key"}:
            value, source = getattr(running, ADDRESSES.get(spec.name, spec.name)), "vane up"
        rows.append(Row(name, _hide(spec.name, value), source, spec.metadata["meaning"]))
    return rows


def _hide(name: str, value: str | int) -> str | int:
    """The value without passwords and keys."""
    if not isinstance(value, str) or not value:
        return value
    if name in {"admin_key", "jwt_secret"}:
        return HIDDEN
    if not name.endswith("_url"):
        return value
    return _PASSWORD.sub(rf"\1{HIDDEN}", value)

"""Writes docs/settings.md from the fields of `Settings`: `python scripts/settings_table.py`."""

import math
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from vane.settings import Settings, variable

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Environment variables, read once when a process starts. A value that is not allowed ends the process
with one line and exit code 2. This page is made from `vane/settings.py` by `make schemas`.

| variable | default | allowed | meaning |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(map(_row, fields(Settings)))


def _row(spec: Field[Any]) -> str:
    default = f"`{spec.default}`" if spec.default != "" else "none"
    meaning = spec.metadata["meaning"].replace("|", "\\|")
    return f"| `{variable(spec.name)}` | {default} | {_allowed(spec)} | {meaning} |\n"


def _allowed(spec: Field[Any]) -> str:
    if get_origin(spec.type) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(spec.type))
    low, high = spec.metadata["low"], spec.metadata["high"]
    return "text" if math.isinf(low) else f"{low:,.0f} to {high:,.0f}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

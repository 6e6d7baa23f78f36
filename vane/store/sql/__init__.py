"""All SQL of the store, by file and name: `-- name --`, a line or two of comment, the statement."""

import re
from collections.abc import Mapping
from importlib import resources

_HEADING = re.compile(r"^-- ([a-z_0-9]+) --$", re.MULTILINE)


def load_queries(name: str) -> dict[str, str]:
    """The named statements of `vane/store/sql/<name>.sql`."""
    text = resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    _, *parts = _HEADING.split(text)
    return dict(zip(parts[::2], (body.strip() for body in parts[1::2]), strict=True))


def fragment(queries: Mapping[str, str], name: str) -> str:
    """A part of statements that is written once, without its comment."""
    lines = queries[name].splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))

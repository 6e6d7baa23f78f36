"""The migrations as they are written: numbered SQL files, and what the first line says of each.

A first line `-- migration: after-deploy, alone` departs from the default, which is to run before
the deploy, as one transaction:

- `after-deploy`: what the code before this release could not live with, such as a dropped column.
- `alone`: each statement outside of any transaction, as `create index concurrently` asks.
- `repeated`: each statement in a transaction of its own, again and again until it changes no row.

Statements of the last two end with `;` at the end of a line. An applied file is never edited.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import Literal, get_args

Phase = Literal["before-deploy", "after-deploy"]
Mode = Literal["transaction", "alone", "repeated"]

_HEADER = re.compile(r"-- migration: (.*)\n")
_END = re.compile(r";[ \t]*(?:--.*)?$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `0013_name.sql` has version 13."""

    version: int
    name: str
    sql: str
    phase: Phase = "before-deploy"
    mode: Mode = "transaction"

    @property
    def label(self) -> str:
        """Version and name, as the file is called."""
        return f"{self.version:04d}_{self.name}"

    @property
    def sha256(self) -> str:
        """Of the file, by which an edited one is known."""
        return sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """What is run at once: the whole file, or each statement, without comments before it."""
        if self.mode == "transaction":
            return [self.sql]
        parts = (_COMMENT.sub("", part).strip() for part in _END.split(self.sql))
        return [part for part in parts if part]


def parse_migration(file_name: str, text: str) -> Migration:
    """A migration from the name and the text of its file.

    Raises:
        ValueError: its first line says what there is not.
    """
    header = _HEADER.match(text)
    words = header[1].split(", ") if header else []
    if unknown := set(words) - {*get_args(Phase), *get_args(Mode)}:
        raise ValueError(f"{file_name}: its first line says {', '.join(sorted(unknown))}")
    phase: Phase = "after-deploy" if "after-deploy" in words else "before-deploy"
    mode: Mode = "alone" if "alone" in words else "transaction"
    if "repeated" in words:
        mode = "repeated"
    return Migration(int(file_name[:4]), file_name[5:-4], text, phase, mode)


def migrations() -> list[Migration]:
    """All migrations, oldest first."""
    folder = resources.files("vane.store") / "migrations"
    files = sorted(f.name for f in folder.iterdir() if f.name.endswith(".sql"))
    return [parse_migration(name, (folder / name).read_text(encoding="utf-8")) for name in files]

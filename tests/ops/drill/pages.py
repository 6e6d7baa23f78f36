"""Runbook pages as the drill reads them: their commands are the ones that are carried out."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "docs" / "runbooks"
LOOK, DO, SEEN = "Where to look", "What to do", "Seen"

_BLOCK = re.compile(r"^ *```bash\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        sections: heading → text.
    """

    alert: str
    sections: dict[str, str]

    def commands(self, section: str) -> list[str]:
        """The bash blocks of a section, without the indentation of the list they stand in."""
        found = _BLOCK.findall(self.sections[section])
        return ["\n".join(line.strip() for line in block.splitlines()) for block in found]


def read_page(alert: str) -> Page:
    """The page of an alert."""
    _, *parts = re.split(r"^## ", (FOLDER / f"{alert}.md").read_text(), flags=re.MULTILINE)
    split = (part.partition("\n") for part in parts)
    return Page(alert, {heading: text.strip() for heading, _, text in split})


def fill(command: str, values: dict[str, str]) -> str:
    """A command with its placeholders, words in capitals, replaced."""
    for name, value in values.items():
        command = re.sub(rf"\b{name}\b", value.replace("\\", r"\\"), command)
    return command


def write_seen(alert: str, text: str) -> None:
    """Put what was seen onto the page, as its last section."""
    path = FOLDER / f"{alert}.md"
    before = path.read_text().partition(f"## {SEEN}")[0].rstrip()
    path.write_text(f"{before}\n\n## {SEEN}\n\n{text}\n")

"""What the listings of the demo catalogue say; fields in braces are filled in by `cars`."""

from functools import cache

from vane.demo.tables import read_table


def phrases(*group: str) -> list[str]:
    """The phrases of a group, as `phrases("opening", "young")`."""
    return _groups()[" ".join(group)]


@cache
def _groups() -> dict[str, list[str]]:
    groups = dict[str, list[str]]()
    for row in read_table("phrases"):
        groups.setdefault(row["group"], []).append(row["text"])
    return groups

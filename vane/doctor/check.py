"""What a check is, and what it finds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

Facts = TypeVar("Facts")


class Severity(StrEnum):
    """How bad it is: data is or will be wrong or lost; it will hurt; it could be better."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


class Fault(NamedTuple):
    """One thing that a check finds, and what to do about it."""

    severity: Severity
    says: str
    do: str


class Check(NamedTuple, Generic[Facts]):
    """A question to an installation.

    Attributes:
        name: by which it is known.
        looks_at: what is well, for the docs.
        page: of `docs/`, that says more.
        find: the faults in what is known.
    """

    name: str
    looks_at: str
    page: str
    find: Callable[[Facts], Iterable[Fault]]


class Finding(NamedTuple):
    """A fault, and the check that found it."""

    check: str
    severity: Severity
    says: str
    do: str
    page: str


def run(checks: Sequence[Check[Facts]], facts: Facts) -> Iterator[Finding]:
    """Ask every check."""
    for check in checks:
        for fault in check.find(facts):
            yield Finding(check.name, *fault, check.page)


def error(says: str, do: str) -> Fault:
    """Data is wrong or lost, or will be, or Vane does not work."""
    return Fault(Severity.ERROR, says, do)


def warning(says: str, do: str) -> Fault:
    """It hurts, or it will."""
    return Fault(Severity.WARNING, says, do)


def hint(says: str, do: str) -> Fault:
    """It could be better; it may be wanted so."""
    return Fault(Severity.HINT, says, do)


def bytes_text(size: float) -> str:
    """A size to read.

    >>> bytes_text(3 << 20)
    '3.0 MB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024 or unit == "GB":  # noqa: PLR2004 - of every unit
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError


def time_text(seconds: float) -> str:
    """A length of time to read.

    >>> time_text(7_300)
    '2 h'
    """
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"

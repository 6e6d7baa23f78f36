"""Dead letters as an operator sees them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Self

from vane.store.connection import Connection
from vane.store.sql import load_queries

_SQL = load_queries("dead_letters")


class LetterKey(NamedTuple):
    """Where the message was; written log/partition/offset."""

    log_id: int
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `str(key)`; ValueError for anything else."""
        log_id, partition, offset = (int(part) for part in text.split("/"))
        return cls(log_id, partition, offset)

    def __str__(self) -> str:
        return "/".join(map(str, self))


class Letter(NamedTuple):
    """Why a message could not be applied, and whether it was brought back since."""

    flow: str
    topic: str
    log_id: int
    partition: int
    offset: int
    field: str
    reason: str
    recorded_at: datetime
    retried_at: datetime | None
    key: bytes | None = None
    payload: bytes | None = None
    """None when it was empty, or purged."""

    @property
    def place(self) -> LetterKey:
        """Its key."""
        return LetterKey(self.log_id, self.partition, self.offset)


class Retryable(NamedTuple):
    """A letter with what it takes to bring it back."""

    place: LetterKey
    key: bytes | None
    payload: bytes


def list_letters(
    connection: Connection, *, flow: str | None, reason: str | None, retried: bool, limit: int
) -> list[Letter]:
    """Newest first, without their contents; `reason` is a part of "field: reason"."""
    fields = {"flow": flow, "reason": reason, "retried": retried, "limit": limit}
    return [Letter(*row) for row in connection.execute(_SQL["list_letters"], fields)]


def find_letter(connection: Connection, place: LetterKey) -> Letter | None:
    """One letter with its contents."""
    row = connection.execute(_SQL["show_letter"], place._asdict()).fetchone()
    return None if row is None else Letter(*row)


def retryable(
    connection: Connection, reason: str | None, after: LetterKey, limit: int
) -> Sequence[Retryable]:
    """The next letters of flows/interactions behind `after` that were not brought back."""
    fields = {"reason": reason, "limit": limit, **after._asdict()}
    rows = connection.execute(_SQL["retryable"], fields).fetchall()
    return [Retryable(LetterKey(*row[:3]), *row[3:]) for row in rows]


def purge_letters(connection: Connection, before: datetime) -> int:
    """Forget the contents of letters older than `before`; returns how many."""
    return connection.execute(_SQL["purge_letters"], {"before": before}).rowcount

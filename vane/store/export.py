"""What is stored of a user, as JSON; all reads of one export are of one moment."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from vane.interaction import named_users
from vane.store.connection import Connection, translated
from vane.store.erase import letters_with
from vane.store.sql import load_queries

_SQL = load_queries("export")

SINGLE = ("state", "older", "account")
LISTS = ("visitors", "events", "pending")
ROWS_AT_ONCE = 1_000


class UserExport:
    """Reads of one user."""

    def __init__(self, connection: Connection, user: str) -> None:
        self._connection, self._user = connection, user

    def single(self, part: str) -> str:
        """One of `SINGLE` as JSON, null where there is none."""
        row = self._connection.execute(_SQL[part], {"user": self._user}).fetchone()
        return "null" if row is None else str(row[0])

    def rows(self, part: str) -> Iterator[list[str]]:
        """The entries of one of `LISTS`, each as JSON, in blocks."""
        with self._connection.cursor(name=part) as cursor:
            cursor.execute(_SQL[part], {"user": self._user})
            while block := cursor.fetchmany(ROWS_AT_ONCE):
                yield [row for (row,) in block]

    def dead_letters(self) -> Iterator[list[str]]:
        """Messages that could not be applied and name the user, each as JSON."""
        for letter in letters_with(self._connection, self._user):
            if self._user in named_users(letter.key, letter.payload):
                yield [self._letter(letter.place._asdict(), letter.payload)]

    def _letter(self, place: dict[str, int], payload: bytes | None) -> str:
        row = self._connection.execute(_SQL["letter"], place).fetchone()
        assert row is not None
        field, reason, recorded_at = row
        message = None if payload is None else payload.decode(errors="replace")
        document = {"field": field, "reason": reason, "recorded_at": recorded_at}
        return msgspec.json.encode(document | {"message": message} | place).decode()


@contextmanager
def open_export(connection: Connection, user: str) -> Iterator[UserExport]:
    """Everything read within is of one moment."""
    with translated(), connection.transaction():
        connection.execute(_SQL["begin_snapshot"])
        yield UserExport(connection, user)

"""The tuning document in table `setting`."""

from collections.abc import Callable

import msgspec

from schemas.responses import SettingsVersion
from vane.errors import UnusableTuning, VersionMismatch
from vane.store.connection import Connection, translated
from vane.store.sql import load_queries
from vane.tuning import Tuning

_SQL = load_queries("tuning")


def read_tuning(connection: Connection) -> tuple[Tuning, int]:
    """The tuning and its version; the defaults are stored at the first call.

    Raises:
        UnusableTuning: what is stored is none.
    """
    with translated():
        row = connection.execute(_SQL["read_tuning"]).fetchone()
        if row is None:
            default = msgspec.json.encode(Tuning()).decode()
            connection.execute(_SQL["create_tuning"], {"value": default})
            row = connection.execute(_SQL["read_tuning"]).fetchone()
    assert row is not None
    try:
        return msgspec.convert(row[0], Tuning), row[1]
    except msgspec.ValidationError as error:
        raise UnusableTuning(f"settings version {row[1]} cannot be used: {error}") from None


def change_tuning(
    connection: Connection,
    change: Callable[[Tuning], Tuning],
    *,
    by: str,
    version: int | None = None,
) -> int:
    """Change the tuning; what it was stays known. One that changes nothing makes no version.

    Args:
        connection: maybe inside of a transaction, which this is a part of then.
        change: gives the new tuning for the present one.
        by: whose change this is.
        version: that the change was made for; None: for any.

    Returns:
        the version now.

    Raises:
        VersionMismatch: somebody else has changed it since.
    """
    while True:
        with translated(), connection.transaction():
            tuning, found = read_tuning(connection)
            if version is not None and version != found:
                raise VersionMismatch(f"the settings have version {found} by now, not {version}")
            wanted = change(tuning)
            if wanted == tuning:
                return found
            note_tuning(connection, "before")
            value = msgspec.json.encode(wanted).decode()
            fields = {"value": value, "version": found}
            row = connection.execute(_SQL["change_tuning"], fields).fetchone()
            if row is not None:
                note_tuning(connection, by)
                return int(row[0])


def note_tuning(connection: Connection, by: str) -> None:
    """Keep the present version, in the caller's transaction, where it is not kept yet."""
    connection.execute(_SQL["note_tuning"], {"by": by})


def tuning_history(connection: Connection, limit: int) -> list[SettingsVersion]:
    """The newest versions of the tuning, newest first."""
    with translated():
        rows = connection.execute(_SQL["tuning_history"], {"limit": limit}).fetchall()
    return [SettingsVersion(*row) for row in rows]

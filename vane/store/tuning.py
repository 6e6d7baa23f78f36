"""The tuning document in table `setting`."""

import msgspec

from vane.errors import UnusableTuning
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

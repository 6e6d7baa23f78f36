"""Everything that is stored of a user, as one JSON document in pieces."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from schemas.responses import Profile
from vane.erase import MergedAway
from vane.settings import Settings
from vane.store.connection import connect, translated
from vane.store.export import LISTS, SINGLE, open_export
from vane.store.merge import account_of


def export_user(settings: Settings, user: str, profile: Profile) -> Iterator[bytes]:
    """The document, line by line; of a user who is not known it is empty.

    Raises:
        MergedAway: the user was merged into another one.
        Unavailable: PostgreSQL does not answer; behind the first piece the document is broken off.
    """
    with connect(settings, "vane export") as connection:
        with translated():
            account = account_of(connection, user)
        if account != user:
            raise MergedAway(account)
        with open_export(connection, user) as found:
            yield from _head(user, profile)
            for part in SINGLE:
                yield f',\n"{part}":{found.single(part)}'.encode()
            for part in LISTS:
                yield from _array(part, found.rows(part))
            yield from _array("dead_letters", found.dead_letters())
    yield b"}\n"


def _head(user: str, profile: Profile) -> Iterator[bytes]:
    head = {"user_id": user, "exported_at": datetime.now(UTC), "profile": profile}
    yield msgspec.json.encode(head)[:-1]


def _array(name: str, blocks: Iterable[list[str]]) -> Iterator[bytes]:
    yield f',\n"{name}":['.encode()
    separator = "\n"
    for block in blocks:
        yield (separator + ",\n".join(block)).encode()
        separator = ",\n"
    yield b"]"

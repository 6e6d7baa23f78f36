"""What the erasure of a user locks, deletes and leaves, inside the caller's transaction."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from vane.store.base import delete_bases
from vane.store.connection import Connection
from vane.store.dead_letters import LetterKey
from vane.store.sql import load_queries

_SQL = load_queries("erase")

ADVISORY_LOCK = 0x65726173
"""Serialises erasures; the bytes spell "eras"."""

LETTERS_AT_ONCE = 1_000
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")


class Contents(NamedTuple):
    """What a dead letter holds."""

    place: LetterKey
    key: bytes | None
    payload: bytes | None


def begin_erasure(connection: Connection, user: str, log_id: int) -> int:
    """Keep everybody who writes from what is the user's in this log or was in others.

    Returns:
        the number of the erasure.
    """
    connection.execute(_SQL["lock_erasures"], {"lock": ADVISORY_LOCK})
    connection.execute(_SQL["lock_positions"], {"user": user, "log_id": log_id})
    row = connection.execute(_SQL["next_number"]).fetchone()
    assert row is not None
    return int(row[0])


def delete_of(connection: Connection, users: Sequence[str]) -> dict[str, int]:
    """Delete the users' log, waiting events and accounts; how many rows of each."""
    fields = {"users": list(users)}
    connection.execute(_SQL["fence_trends"], fields)
    delete_bases(connection, users)
    row = connection.execute(_SQL["delete_interactions"], fields).fetchone()
    assert row is not None
    return {
        "events": row[0],
        "pending": connection.execute(_SQL["delete_pending"], fields).rowcount,
        "accounts": connection.execute(_SQL["delete_account"], fields).rowcount,
    }


def letters_with(connection: Connection, user: str) -> Iterator[Contents]:
    """Dead letters that may name a user; whoever asks looks closer."""
    needle = max(_PLAIN.findall(user), key=len, default="")
    with connection.cursor(name="letters", binary=True) as cursor:
        cursor.itersize = LETTERS_AT_ONCE
        cursor.execute(_SQL["letters_with"], {"needle": needle.encode()})
        for log_id, partition, offset, key, payload in cursor:
            yield Contents(LetterKey(log_id, partition, offset), key, payload)


def forget_letters(connection: Connection, places: Sequence[LetterKey]) -> None:
    """Forget the contents of these dead letters."""
    logs, partitions, offsets = ([place[at] for place in places] for at in range(3))
    fields = {"logs": logs, "partitions": partitions, "offsets": offsets}
    connection.execute(_SQL["forget_letters"], fields)


def leave_tombstones(
    connection: Connection, users: Sequence[str], log_id: int, cuts: Mapping[int, int], number: int
) -> dict[str, int]:
    """Empty the users' states, and note from which offsets on their events count again.

    Returns:
        the version of each user's empty state.
    """
    fields = {
        "users": list(users),
        "log_id": log_id,
        "partitions": list(cuts),
        "cuts": list(cuts.values()),
        "number": number,
    }
    connection.execute(_SQL["note_erasure"], fields)
    return dict(connection.execute(_SQL["empty_users"], fields).fetchall())

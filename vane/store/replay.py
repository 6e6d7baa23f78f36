"""The interaction log as the terms of users' states, for replaying it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from vane.preference import Doubles, Floats
from vane.store import binary
from vane.store.connection import Connection
from vane.store.sql import load_queries
from vane.store.tuning import note_tuning

_SQL = load_queries("replay")

BLOCK_TERMS_MAX = 20_000

ItemVersion = tuple[str, int]


class Term(NamedTuple):
    """One event's share in its user's vectors."""

    user_id: str
    item_id: str
    item_version: int
    ts_us: int
    weight: float


class OlderSum(NamedTuple):
    """What months of the log that are gone left of a user, decayed to `as_of_us`."""

    user_id: str
    as_of_us: int
    vectors: Floats  # (2, d)
    masses: Doubles  # (2,)


def read_terms(
    connection: Connection, users: Sequence[str]
) -> Iterator[tuple[list[Term], list[OlderSum]]]:
    """The terms of these users in blocks, in no order; those of waiting events are not in yet."""
    with (
        connection.transaction(),
        connection.cursor(name="terms", binary=True) as cursor,
    ):
        cursor.execute(_SQL["user_terms"], {"users": list(users)})
        while rows := cursor.fetchmany(BLOCK_TERMS_MAX):
            yield (
                [Term(*row[:5]) for row in rows if row[1] is not None],
                [_older_sum(*row) for row in rows if row[1] is None],
            )


def _older_sum(*row: Any) -> OlderSum:
    user, _, _, as_of_us, _, long, short, *masses = row
    vectors = [np.frombuffer(cell, ">f4", offset=4) for cell in (long, short)]
    return OlderSum(user, as_of_us, np.array(vectors, np.float32), np.array(masses))


def read_contents(
    connection: Connection, versions: Sequence[ItemVersion], dimension: int
) -> tuple[dict[ItemVersion, int], Floats]:
    """Vectors of item versions, (k, dimension), and the row of each that has content."""
    items, numbers = [item for item, _ in versions], [number for _, number in versions]
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(
            _SQL["version_contents"], {"items": items, "versions": numbers}
        ).fetchall()
    vectors = binary.read_vectors([content for *_, content in rows], ">f2", dimension)
    return {(item, number): row for row, (item, number, _) in enumerate(rows)}, np.asarray(vectors)


def users_after(
    connection: Connection, after: str, since: datetime | None, limit: int
) -> list[str]:
    """The next users in key order; with `since` only those with an event at or after it."""
    fields = {"after": after, "since": since, "limit": limit}
    return [user for (user,) in connection.execute(_SQL["users_after"], fields)]


def count_users(connection: Connection, since: datetime | None) -> int:
    """How many users `users_after` lists in all."""
    row = connection.execute(_SQL["count_users"], {"since": since}).fetchone()
    return int(row[0]) if row else 0


def users_of_older_generations(connection: Connection, generation: int, limit: int) -> list[str]:
    """Users whose state is still decayed with former half-lives."""
    fields = {"generation": generation, "limit": limit}
    return [user for (user,) in connection.execute(_SQL["users_of_older_generations"], fields)]


def reset_trends(connection: Connection) -> None:
    """Forget all trends with their positions: flows/trends makes them anew from the log.

    They begin with what months that are gone had added.
    """
    with connection.transaction():
        connection.execute(_SQL["reset_trends"])
        for name in ("drop_trends", "restore_trends", "touch_trends"):
            connection.execute(_SQL[name])
        for name in ("drop_neighbours", "restore_neighbours"):
            connection.execute(_SQL[name])


def raise_generation(connection: Connection, long_s: float, short_s: float) -> None:
    """Change the half-lives: every state of the generation before must be replayed."""
    with connection.transaction():
        note_tuning(connection, "before")
        connection.execute(_SQL["raise_generation"], {"long": long_s, "short": short_s})
        note_tuning(connection, "rebuild")

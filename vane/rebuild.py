"""Rebuilds users' states from the interaction log while flows and serving go on."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np

from vane.replay import replay
from vane.store.connection import Connection
from vane.store.replay import raise_generation, users_after, users_of_older_generations
from vane.store.states import pack_states, read_states, vector_oid, write_states
from vane.store.tuning import read_tuning
from vane.tuning import Tuning

DIMENSION = 384
BATCH_USERS = 500

Changes = list[tuple[str, int]]
"""Users with the versions that were written for them."""


def rebuild_users(
    connection: Connection, tuning: Tuning, since: datetime | None
) -> Iterator[Changes]:
    """Rebuild all users, or those with an event at or after `since`, in key order.

    At the end those follow that a flow has written meanwhile with former half-lives.

    Yields:
        what was written, batch by batch.
    """
    after = ""
    while users := users_after(connection, after, since, BATCH_USERS):
        yield rebuild_these(connection, tuning, users)
        after = users[-1]
    while users := users_of_older_generations(connection, tuning.generation, BATCH_USERS):
        yield rebuild_these(connection, tuning, users)


def rebuild_these(connection: Connection, tuning: Tuning, users: Sequence[str]) -> Changes:
    """Rebuild these users; one whom others write meanwhile is tried again until it holds."""
    changes: Changes = []
    left = sorted(users)
    while left:
        base, *_ = read_states(connection, left, DIMENSION)
        known = np.flatnonzero(base.version > 0)
        names = [left[row] for row in known.tolist()]
        if not names:
            break
        states = replay(connection, names, base.take(known), tuning.half_lives_s)
        states.version += 1
        packed = pack_states(names, states, tuning.generation, vector_oid(connection))
        with connection.transaction():
            left = write_states(connection, packed)
        refused = set(left)
        written = zip(names, states.version.tolist(), strict=True)
        changes += [(name, version) for name, version in written if name not in refused]
    return changes


def change_half_lives(connection: Connection, long_s: float, short_s: float) -> Tuning:
    """Begin a new generation of states; from now on no state of a former one is written over."""
    raise_generation(connection, long_s, short_s)
    return read_tuning(connection)[0]

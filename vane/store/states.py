"""User states in PostgreSQL: read, and written each over the version that it was computed from."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vane.preference import HORIZON_EVENTS, Ints, States
from vane.store import binary
from vane.store.connection import Connection
from vane.store.sql import load_queries

ROWS_AT_ONCE = 1_000
"""States in one statement: its 4 MB stay in the processor's cache."""

_SQL = load_queries("states")
_NUMBERS = np.dtype(
    [
        ("masses", ">f8", 2),
        ("as_of", ">i8"),
        ("version", ">i8"),
        ("events", ">i8"),
        ("event_hash", ">u8"),
        ("generation", ">i4"),
    ]
)
"""As `read_states` puts them together."""


def vector_oid(connection: Connection) -> int:
    """The oid of pgvector's type in this database, for `pack_states`."""
    row = connection.execute(_SQL["vector_oid"]).fetchone()
    assert row is not None
    return int(row[0])


def read_states(
    connection: Connection, users: Sequence[str], dimension: int
) -> tuple[States, Ints, dict[str, str], int]:
    """The states of `users`, one row each in their order, the generation of each, and aliases.

    A new user's state is empty, its version and generation 0. Of the users who were merged into
    others, the third part says into whom; the last one is the number of the newest erasure that
    any of them had, 0 for none.
    """
    states, generation = States.empty(len(users), dimension), np.zeros(len(users), np.int64)
    with connection.cursor(binary=True) as cursor:
        row: Any = cursor.execute(
            _SQL["read_states"], {"users": binary.Array.text(users)}
        ).fetchone()
    names, long, short, recent, numbers, accounts, erasure = row
    if names is None:
        return states, generation, {}, 0
    place = {user: row for row, user in enumerate(users)}
    found = [place[name] for name in names]
    vector = binary.vector_type(dimension)
    states.vectors[found, 0] = np.frombuffer(long, vector)["value"]
    states.vectors[found, 1] = np.frombuffer(short, vector)["value"]
    states.recent[found] = np.frombuffer(recent, "<u8").reshape(-1, HORIZON_EVENTS)
    fields = np.frombuffer(numbers, _NUMBERS)
    states.masses[found] = fields["masses"]
    states.as_of_us[found] = fields["as_of"] + binary.PG_EPOCH_US
    states.version[found] = fields["version"]
    states.events[found] = fields["events"]
    states.event_hash[found] = fields["event_hash"]
    generation[found] = fields["generation"]
    merged = zip(names, accounts, strict=True)
    aliases = {name: account for name, account in merged if account is not None}
    return states, generation, aliases, erasure


@dataclass(frozen=True, slots=True)
class PackedStates:
    """States in the form in which they are sent."""

    users: Sequence[str]
    fields: dict[str, object]


def pack_states(
    users: Sequence[str], states: States, generation: int, vector_oid: int
) -> list[PackedStates]:
    """States of a generation, computed from the version before theirs; `users` ascend."""
    assert all(map(operator.lt, users, users[1:])), "the order of locks"
    parts = [slice(at, at + ROWS_AT_ONCE) for at in range(0, len(users), ROWS_AT_ONCE)]
    return [_pack(users[part], states.take(part), generation, vector_oid) for part in parts]


def _pack(users: Sequence[str], states: States, generation: int, vector_oid: int) -> PackedStates:
    count, array = len(users), binary.Array.fixed
    vector = binary.vector_type(states.vectors.shape[2])
    recent = np.ascontiguousarray(states.recent, "<u8")
    blob = np.dtype((np.void, recent.itemsize * HORIZON_EVENTS))
    fields = {
        "users": binary.Array.text(users),
        "long": array(vector_oid, vector, states.vectors[:, 0], count),
        "short": array(vector_oid, vector, states.vectors[:, 1], count),
        "mass_long": array(binary.FLOAT8, ">f8", states.masses[:, 0], count),
        "mass_short": array(binary.FLOAT8, ">f8", states.masses[:, 1], count),
        "as_of": array(binary.TIMESTAMPTZ, ">i8", binary.timestamps(states.as_of_us), count),
        "version": array(binary.INT8, ">i8", states.version, count),
        "events": array(binary.INT8, ">i8", states.events, count),
        "event_hash": array(binary.INT8, ">i8", states.event_hash.view(np.int64), count),
        "recent": array(binary.BYTEA, blob, recent.view(blob)[:, 0], count),
        "generation": generation,
    }
    return PackedStates(users, fields)


def write_states(connection: Connection, packed: Sequence[PackedStates]) -> list[str]:
    """Write states over the version before theirs; returns the users that were refused.

    A refused row has a newer version by another writer. It is locked by this transaction now: read
    it, compute again, and call this again with the refused users alone.
    """
    refused: list[str] = []
    for part in packed:
        if connection.execute(_SQL["upsert_states"], part.fields).rowcount < len(part.users):
            rows = connection.execute(_SQL["refused_users"], {"users": list(part.users)})
            refused += sorted(user for (user,) in rows)
    return refused

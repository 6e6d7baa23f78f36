"""Table `user_base`: what dropped months of the log left of users."""

from collections.abc import Mapping, Sequence

import numpy as np

from vane.base import Base
from vane.store.connection import Connection
from vane.store.interactions import time_of
from vane.store.sql import load_queries

_SQL = load_queries("base")


def read_bases(connection: Connection, users: Sequence[str]) -> dict[str, Base]:
    """The bases of those of these users who have one."""
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_SQL["read_bases"], {"users": list(users)}).fetchall()
    return {user: _base(*row) for user, *row in rows}


def write_bases(connection: Connection, bases: Mapping[str, Base]) -> None:
    """Write bases over those before, inside the caller's transaction."""
    if bases:
        with connection.cursor() as cursor:
            fields = [_fields(user, base) for user, base in sorted(bases.items())]
            cursor.executemany(_SQL["write_base"], fields)


def delete_bases(connection: Connection, users: Sequence[str]) -> None:
    """Forget the bases of these users, inside the caller's transaction."""
    connection.execute(_SQL["delete_bases"], {"users": list(users)})


def hold_half_lives(connection: Connection) -> None:
    """Keep the half-lives from changing before the caller's transaction ends."""
    connection.execute(_SQL["hold_half_lives"])


def _base(
    long: bytes,
    short: bytes,
    mass_long: float,
    mass_short: float,
    as_of_us: int,
    oldest_us: int,
    events: int,
    event_hash: int,
    *rest: float,
) -> Base:
    size_long, size_short, mass_size_long, mass_size_short, terms, folds = rest
    vectors = [np.frombuffer(cell, ">f4", offset=4) for cell in (long, short)]
    return Base(
        vectors=np.array(vectors, np.float64),
        masses=np.array([mass_long, mass_short]),
        as_of_us=as_of_us,
        oldest_us=oldest_us,
        events=events,
        event_hash=event_hash % 2**64,
        sizes=np.array([size_long, size_short]),
        mass_sizes=np.array([mass_size_long, mass_size_short]),
        terms=int(terms),
        folds=int(folds),
    )


def _fields(user: str, base: Base) -> dict[str, object]:
    pairs = {"mass": base.masses, "size": base.sizes, "mass_size": base.mass_sizes}
    vectors = base.vectors.astype(np.float32)
    return {
        "user": user,
        "long": str(vectors[0].tolist()),
        "short": str(vectors[1].tolist()),
        **{f"{name}_long": float(pair[0]) for name, pair in pairs.items()},
        **{f"{name}_short": float(pair[1]) for name, pair in pairs.items()},
        "as_of": time_of(base.as_of_us),
        "oldest": time_of(base.oldest_us),
        "events": base.events,
        "event_hash": int(np.uint64(base.event_hash).astype(np.int64)),
        "terms": base.terms,
        "folds": base.folds,
    }

"""Users' vectors computed again from the interaction log, by the code that computes them live."""

from collections.abc import Sequence

import numpy as np

from vane.errors import Unavailable
from vane.preference import NO_VECTOR, Events, States, add_terms, decay
from vane.store.connection import Connection
from vane.store.replay import OlderSum, Term, read_contents, read_terms
from vane.store.states import read_states
from vane.tuning import Tuning


def read_current(
    connection: Connection, users: Sequence[str], tuning: Tuning, dimension: int
) -> tuple[States, dict[str, str], int]:
    """The states of `users`, those of former half-lives replayed, who was merged into whom.

    The last part is the number of the newest erasure that any of them had, 0 for none.

    Raises:
        Unavailable: the half-lives are newer than `tuning`.
    """
    states, generation, aliases, erasure = read_states(connection, users, dimension)
    if (generation > tuning.generation).any():
        raise Unavailable("the half-lives were changed")
    former = np.flatnonzero((generation > 0) & (generation < tuning.generation))
    if len(former):
        names = [users[row] for row in former.tolist()]
        lives = tuning.half_lives_s
        states.put(former, replay(connection, names, states.take(former), lives))
    return states, aliases, erasure


def replay(
    connection: Connection, users: Sequence[str], base: States, half_lives_s: tuple[float, float]
) -> States:
    """The states `base` of `users` with vectors and masses made anew from the log.

    What does not depend on half-lives stays: times, counts, hashes, versions. Written over the
    version of `base` the result is exact even if others write meanwhile: had one of them added to
    the log of a user, the version would have risen, too.
    """
    dimension = base.vectors.shape[2]
    place = {user: row for row, user in enumerate(users)}
    states = States(
        vectors=np.zeros_like(base.vectors),
        masses=np.zeros_like(base.masses),
        as_of_us=base.as_of_us.copy(),
        version=base.version.copy(),
        events=base.events.copy(),
        event_hash=base.event_hash.copy(),
        recent=base.recent.copy(),
    )
    for block, older in read_terms(connection, users):
        _add_older(states, older, place, half_lives_s)
        versions = sorted({(term.item_id, term.item_version) for term in block})
        rows, vectors = read_contents(connection, versions, dimension)
        add_terms(states, _events(block, place, rows), vectors, half_lives_s)
    return states


def _add_older(
    states: States, older: list[OlderSum], place: dict[str, int], half_lives_s: tuple[float, float]
) -> None:
    for each in older:
        row = place[each.user_id]
        age_us = states.as_of_us[[row]] - each.as_of_us
        fade = decay(age_us, half_lives_s)[0]
        states.vectors[row] += each.vectors * fade.astype(np.float32)[:, None]
        states.masses[row] += each.masses * fade


def _events(block: list[Term], place: dict[str, int], rows: dict[tuple[str, int], int]) -> Events:
    block = sorted(block, key=lambda term: place[term.user_id])
    return Events(
        user=np.array([place[term.user_id] for term in block], np.int64),
        ts_us=np.array([term.ts_us for term in block], np.int64),
        weight=np.array([term.weight for term in block], np.float32),
        item=np.array(
            [rows.get((term.item_id, term.item_version), NO_VECTOR) for term in block], np.int64
        ),
        hash=np.zeros(len(block), np.uint64),
    )

"""The preference algebra: decayed sums of item vectors, for many users at once. Pure numpy.

An event at time t on item i with weight w adds w · v_i; all older ones fade with half-life h:

    P(T) = Σ_k  w_k · v_{i_k} · 2^(-(T - t_k)/h)

The sum is commutative and associative (Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay", ICDE
2009, section 3), so late and reordered events land exactly where they belong, a batch is one
addition, and merging two users is a sum. A state is stored decayed to `as_of_us`, the newest event
time it holds. Every user has a long and a short vector; index 0 is the long one throughout.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse._sparsetools import csr_matvecs

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]

HORIZON_EVENTS = 64
"""A repeated `event_id` is dropped while it is among the user's newest this many events."""

NEVER_US = -(2**62)
"""`as_of_us` of a user without events."""

NO_VECTOR = -1
"""In `Events.item`: an item without content, or not known yet."""


@dataclass(slots=True)
class States:
    """The states of n users, one row each."""

    vectors: Floats  # (n, 2, d)
    masses: Doubles  # (n, 2): decayed sum of the weights of the terms in `vectors`
    as_of_us: Ints  # (n,)
    version: Ints  # (n,): of the row that the state was read from; 0 for a new user
    events: Ints  # (n,)
    event_hash: Hashes  # (n,): sum of the event-id hashes modulo 2^64
    recent: Hashes  # (n, HORIZON_EVENTS): a ring; the k-th event is at k % HORIZON_EVENTS

    @classmethod
    def empty(cls, count: int, dimension: int) -> "States":
        """States of users without events."""
        return cls(
            vectors=np.zeros((count, 2, dimension), np.float32),
            masses=np.zeros((count, 2)),
            as_of_us=np.full(count, NEVER_US, np.int64),
            version=np.zeros(count, np.int64),
            events=np.zeros(count, np.int64),
            event_hash=np.zeros(count, np.uint64),
            recent=np.zeros((count, HORIZON_EVENTS), np.uint64),
        )

    def __len__(self) -> int:
        return len(self.as_of_us)

    def take(self, rows: Any) -> "States":
        """The states of these rows (an index array or a mask), copied."""
        return States(*(getattr(self, name)[rows] for name in self.__slots__))

    def put(self, rows: Any, states: "States") -> None:
        """Overwrite these rows."""
        for name in self.__slots__:
            getattr(self, name)[rows] = getattr(states, name)


@dataclass(slots=True)
class Events:
    """n events, sorted by user; those of one user in the order of their offsets."""

    user: Ints  # (n,): row in the states, ascending
    ts_us: Ints  # (n,)
    weight: Floats  # (n,)
    item: Ints  # (n,): row in the item vectors, or NO_VECTOR
    hash: Hashes  # (n,): of the event id

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Any) -> "Events":
        """These events (a mask or ascending indices)."""
        return Events(*(getattr(self, name)[rows] for name in self.__slots__))


def decay(age_us: Ints, half_lives_s: tuple[float, float]) -> Doubles:
    """What is left of a term of this age under each half-life, shape (n, 2)."""
    rates = -1.0 / (np.array(half_lives_s) * 1e6)
    return np.exp2(age_us[:, None] * rates)


def first_seen(states: States, events: Events) -> Mask:
    """Which events are new to their user: neither within the horizon nor twice in the batch."""
    slots = np.arange(HORIZON_EVENTS)
    filled = slots < states.events[:, None]
    known = (states.recent[events.user] == events.hash[:, None]) & filled[events.user]
    order = np.lexsort((events.hash, events.user))
    user, digest = events.user[order], events.hash[order]
    repeated = np.zeros(len(events), bool)
    repeated[order[1:]] = (user[1:] == user[:-1]) & (digest[1:] == digest[:-1])
    fresh: Mask = ~(known.any(axis=1) | repeated)
    return fresh


def apply_events(
    states: States, events: Events, item_vectors: Floats, half_lives_s: tuple[float, float]
) -> None:
    """Apply events that are all new: terms are added, events counted and remembered.

    Args:
        states: n users, changed in place.
        events: each with its user's row and its item's row in `item_vectors`.
        item_vectors: (k, d).
        half_lives_s: long, short, in seconds.
    """
    counts = np.bincount(events.user, minlength=len(states))
    ends = np.cumsum(counts)
    rank = np.arange(len(events)) - (ends - counts)[events.user]
    add_terms(states, events, item_vectors, half_lives_s)
    number = states.events[events.user] + rank
    newest = rank >= counts[events.user] - HORIZON_EVENTS
    states.recent[events.user[newest], number[newest] % HORIZON_EVENTS] = events.hash[newest]
    states.events += counts
    touched = counts > 0
    if touched.any():
        starts = (ends - counts)[touched]
        states.event_hash[touched] += np.add.reduceat(events.hash, starts)


def add_terms(
    states: States, events: Events, item_vectors: Floats, half_lives_s: tuple[float, float]
) -> None:
    """Add the events' vector terms to the states, in place, and count nothing."""
    as_of_us = states.as_of_us.copy()
    np.maximum.at(as_of_us, events.user, events.ts_us)
    fade = decay(as_of_us - states.as_of_us, half_lives_s)
    terms = events.take(events.item != NO_VECTOR)
    shares = terms.weight[:, None] * decay(as_of_us[terms.user] - terms.ts_us, half_lives_s)
    states.as_of_us = as_of_us
    states.masses *= fade
    for kind in range(2):
        states.masses[:, kind] += np.bincount(terms.user, shares[:, kind], minlength=len(states))
    states.vectors *= fade.astype(np.float32)[:, :, None]
    _add_grouped(states.vectors, terms, shares, item_vectors)


def _add_grouped(vectors: Floats, terms: Events, shares: Doubles, item_vectors: Floats) -> None:
    """Add Σ share · vector to each user's two vectors, (n, 2, d), as one sparse-dense product.

    The sparse matrix has two rows a user, long and short interleaved, over the item vectors. SciPy
    has no public product that adds to what is there.
    """
    count, _, dimension = vectors.shape
    per_user = np.bincount(terms.user, minlength=count)
    starts = np.cumsum(per_user) - per_user
    long_at = np.arange(len(terms)) + starts[terms.user]
    short_at = long_at + per_user[terms.user]
    data = np.empty(2 * len(terms), np.float32)
    data[long_at], data[short_at] = shares[:, 0], shares[:, 1]
    indices = np.empty(2 * len(terms), np.int64)
    indices[long_at] = indices[short_at] = terms.item
    indptr = np.concatenate(([0], np.cumsum(np.repeat(per_user, 2))))
    assert vectors.flags.c_contiguous, "else the product would go to a copy"
    dense, total = item_vectors.ravel(), vectors.ravel()
    csr_matvecs(2 * count, len(item_vectors), dimension, indptr, indices, data, dense, total)


def merge(one: States, other: States, half_lives_s: tuple[float, float]) -> States:
    """Row by row the state of a user who is both: the sum, decayed to the newer time.

    In the ring `one`'s events count as the newer ones; the version is one above both.
    """
    slots = np.arange(HORIZON_EVENTS)
    row, slot = np.nonzero(slots < one.events[:, None])
    recent = other.recent.copy()
    recent[row, (slot + other.events[row]) % HORIZON_EVENTS] = one.recent[row, slot]
    as_of_us = np.maximum(one.as_of_us, other.as_of_us)
    fade_one = decay(as_of_us - one.as_of_us, half_lives_s)
    fade_other = decay(as_of_us - other.as_of_us, half_lives_s)
    return States(
        vectors=one.vectors * fade_one.astype(np.float32)[:, :, None]
        + other.vectors * fade_other.astype(np.float32)[:, :, None],
        masses=one.masses * fade_one + other.masses * fade_other,
        as_of_us=as_of_us,
        version=np.maximum(one.version, other.version) + 1,
        events=one.events + other.events,
        event_hash=one.event_hash + other.event_hash,
        recent=recent,
    )

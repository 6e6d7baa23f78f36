"""What dropped months of the log left of a user: a decayed sum, as a state is. Pure numpy.

A user's state is its base plus the terms of the log, so a base is made once, in float64, from the
rows that go, and added to the one before it. It brings what bounds the error of its numbers: the
decayed sums of its terms' sizes, and how often it was rounded. Half-lives that change later decay
it from `as_of_us` on, as one term: what its events did at what time, nobody knows any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
HalfLives = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Base:
    """Of one user; index 0 is the long half-life, 1 the short one."""

    vectors: Doubles  # (2, d)
    masses: Doubles  # (2,): decayed sum of the weights of the terms in `vectors`
    as_of_us: int
    oldest_us: int
    events: int
    event_hash: int  # modulo 2^64
    sizes: Doubles  # (2,): decayed sum of |weight| times the largest component of the item's vector
    mass_sizes: Doubles  # (2,): decayed sum of |weight|
    terms: int
    folds: int = 1


@dataclass(frozen=True, slots=True)
class FoldedEvent:
    """A log row that goes; `content` is None where its item had no text."""

    event_id: str
    ts_us: int
    weight: float
    content: NDArray[np.float16] | None


def fold(events: Sequence[FoldedEvent], half_lives_s: HalfLives, dimension: int) -> Base:
    """The base of at least one event."""
    times = [event.ts_us for event in events]
    as_of_us = max(times)
    terms = [event for event in events if event.content is not None]
    contents = np.array([event.content for event in terms], np.float64).reshape(-1, dimension)
    ages_us = as_of_us - np.array([event.ts_us for event in terms], np.float64)
    weights = np.array([event.weight for event in terms])
    shares = weights * np.exp2(-ages_us / (np.array(half_lives_s)[:, None] * 1e6))
    largest = np.abs(contents).max(axis=1, initial=0.0)
    return Base(
        vectors=shares @ contents,
        masses=shares.sum(axis=1),
        as_of_us=as_of_us,
        oldest_us=min(times),
        events=len(events),
        event_hash=sum(xxhash.xxh3_64_intdigest(event.event_id.encode()) for event in events)
        % 2**64,
        sizes=np.abs(shares) @ largest,
        mass_sizes=np.abs(shares).sum(axis=1),
        terms=len(terms),
    )


def add(one: Base, other: Base, half_lives_s: HalfLives) -> Base:
    """Both together, decayed to the newer time."""
    as_of_us = max(one.as_of_us, other.as_of_us)
    fades = [
        np.exp2(-(as_of_us - each.as_of_us) / (np.array(half_lives_s) * 1e6))
        for each in (one, other)
    ]
    sums = {
        name: one_value * fades[0] + other_value * fades[1]
        for name, one_value, other_value in (
            ("masses", one.masses, other.masses),
            ("sizes", one.sizes, other.sizes),
            ("mass_sizes", one.mass_sizes, other.mass_sizes),
        )
    }
    return Base(
        vectors=one.vectors * fades[0][:, None] + other.vectors * fades[1][:, None],
        as_of_us=as_of_us,
        oldest_us=min(one.oldest_us, other.oldest_us),
        events=one.events + other.events,
        event_hash=(one.event_hash + other.event_hash) % 2**64,
        terms=one.terms + other.terms,
        folds=one.folds + other.folds,
        **sums,
    )

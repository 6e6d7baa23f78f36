"""What the log says users' states must be: `vane verify`'s own arithmetic.

Plain float64 code with `math.fsum`, apart from what flows/interactions runs, so
that an error there can't hide itself here.

Bounds. Arithmetic with unit roundoff u gives (a op b)(1 + δ), |δ| <= u; after k of these roundings
a term is off by at most g_k = k·u / (1 - k·u) of itself (Higham, "Accuracy and stability of
numerical algorithms", 2nd ed., lemma 3.1). Item vectors are float16 and exact in float32.

A user's vector, in float32 (u = 2^-24): a term is rounded when its decayed weight becomes a
float32 and when that multiplies the item's vector; at most once for each of the n terms that are
added to it; and in each later write of the row three times (decay factor, product, sum). The row's
`version` counts the writes (a merge goes on from the larger of two), and an event causes at most
two: one that brings it, alone or by a merge, and one if it waited for its item. One more covers the
exponents, whose float64 error is far below 2^-24. So

    |stored - exact| <= g_k · Σ|term|,   k = 3·min(version, 2·events) + n + 4

in each dimension. A mass is the same sum in float64 (u = 2^-53), where the exponents count: an
exponent x = age/half-life is off by at most 4·u·x, which moves 2^-x by less than that share; the
bound becomes g_k · Σ|w·2^-x| + 4·u · Σ x·|w·2^-x|. Terms that underflow add less than 2^-100.

Where months of the log are gone, a user's base stands for their terms: a sum that was rounded to
float32 once for each time that rows went into it, with its own Σ|term|, the largest component of
each item standing for all. It adds its terms to n, and 4 roundings for each of its folds and for a
replay.
"""

import math
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

FLOAT32_ROUNDOFF = 2.0**-24
FLOAT64_ROUNDOFF = 2.0**-53
UNDERFLOW = 2.0**-100
"""More than all terms that fall below the smallest numbers of float32 can add up to."""

UNBOUNDED = 1e300
"""Stands for all that is larger, and for what is no number."""

BLOCK_TERMS = 4_096
"""Terms held in memory before they are summed; each block's sum is rounded once, in float64."""


@dataclass(frozen=True, slots=True)
class UserState:
    """A row of `user_preference`; index 0 is the long half-life, 1 the short one."""

    vectors: NDArray[np.float32]  # (2, d)
    masses: tuple[float, float]
    as_of_us: int
    version: int
    events: int
    event_hash: int  # signed, modulo 2^64


@dataclass(frozen=True, slots=True)
class UserBase:
    """A row of `user_base`: what months of the log that are gone left of a user."""

    vectors: NDArray[np.float32]  # (2, d)
    masses: tuple[float, float]
    as_of_us: int
    oldest_us: int
    events: int
    event_hash: int  # signed, modulo 2^64
    sizes: tuple[float, float]  # Σ|w·2^-x|·max|v|
    mass_sizes: tuple[float, float]  # Σ|w·2^-x|
    terms: int
    folds: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What differs, in words, and the largest error as a share of its bound."""

    differences: list[str]
    worst_share: float = 0.0


class ExpectedUser:
    """A user's state as the log says, from its rows; the newest must be added first."""

    def __init__(self, half_lives_s: tuple[float, float]) -> None:
        self._half_lives_s = half_lives_s
        self._terms: list[tuple[int, float, NDArray[np.float16]]] = []
        self._sums: list[list[list[float]]] = [[], []]
        self._sizes: list[Doubles | float] = [0.0, 0.0]
        self._masses: list[list[float]] = [[], []]
        self._mass_sizes = [0.0, 0.0]
        self._exponent_sizes = [0.0, 0.0]
        self._vector_terms = 0
        self._hash = 0
        self._base: UserBase | None = None
        self.events = 0
        self.as_of_us = 0

    def add(
        self, event_id: str, ts_us: int, weight: float, content: NDArray[np.float16] | None
    ) -> None:
        """Count an event; it adds a term where its item's version has content."""
        if self.events == 0:
            self.as_of_us = ts_us
        self.events += 1
        self._hash += xxhash.xxh3_64_intdigest(event_id.encode())
        if content is not None:
            self._terms.append((ts_us, weight, content))
        if len(self._terms) == BLOCK_TERMS:
            self._sum_block()

    def add_base(self, base: UserBase) -> None:
        """Begin with what is no longer in the log; in its place among the events, by `as_of_us`."""
        if self.events == 0:
            self.as_of_us = base.as_of_us
        self.events += base.events
        self._hash += base.event_hash
        self._base = base

    def compare(self, stored: UserState | None) -> Verdict:
        """Hold the stored state against this one."""
        if stored is None:
            return Verdict([f"no state, expected {self.events} events"])
        self._sum_block()
        roundings = self._sum_base()
        differences = unequal("events", stored.events, self.events)
        differences += unequal("event_hash", stored.event_hash, _signed(self._hash))
        differences += unequal("as_of in microseconds", stored.as_of_us, self.as_of_us)
        roundings += 3 * min(stored.version, 2 * self.events) + self._vector_terms + 4
        worst = 0.0
        for kind, name in enumerate(("long", "short")):
            vector_share = self._vector_share(kind, stored.vectors[kind], roundings)
            mass_share = self._mass_share(kind, stored.masses[kind], roundings)
            differences += beyond(name, vector_share) + beyond(f"mass_{name}", mass_share)
            worst = max(worst, vector_share, mass_share)
        return Verdict(differences, worst)

    def _sum_block(self) -> None:
        if not self._terms:
            return
        ts_us, weights, contents = zip(*self._terms, strict=True)
        vectors = np.array(contents, np.float64)
        for kind, half_life_s in enumerate(self._half_lives_s):
            exponents = [(self.as_of_us - ts) / (half_life_s * 1e6) for ts in ts_us]
            shares = [w * math.exp2(-x) for w, x in zip(weights, exponents, strict=True)]
            terms = np.array(shares)[:, None] * vectors
            self._sums[kind].append([math.fsum(column) for column in terms.T.tolist()])
            self._sizes[kind] += np.abs(terms).sum(axis=0)
            self._masses[kind].append(math.fsum(shares))
            self._mass_sizes[kind] += sum(map(abs, shares))
            self._exponent_sizes[kind] += sum(
                x * abs(share) for x, share in zip(exponents, shares, strict=True)
            )
        self._vector_terms += len(self._terms)
        self._terms.clear()

    def _sum_base(self) -> int:
        """Add the base's sums; returns its roundings."""
        base = self._base
        if base is None:
            return 0
        for kind, half_life_s in enumerate(self._half_lives_s):
            fade = math.exp2(-(self.as_of_us - base.as_of_us) / (half_life_s * 1e6))
            exponent = (self.as_of_us - base.oldest_us) / (half_life_s * 1e6)
            self._sums[kind].append((base.vectors[kind].astype(np.float64) * fade).tolist())
            self._sizes[kind] += base.sizes[kind] * fade
            self._masses[kind].append(base.masses[kind] * fade)
            self._mass_sizes[kind] += base.mass_sizes[kind] * fade
            self._exponent_sizes[kind] += exponent * base.mass_sizes[kind] * fade
        self._base = None
        return base.terms + 4 * (base.folds + 1)

    def _vector_share(self, kind: int, stored: NDArray[np.float32], roundings: int) -> float:
        blocks = self._sums[kind] or [[0.0] * len(stored)]
        exact = np.array([math.fsum(sums) for sums in zip(*blocks, strict=True)])
        bound = gamma(roundings, FLOAT32_ROUNDOFF) * self._sizes[kind] + UNDERFLOW
        return bounded(float((np.abs(stored - exact) / bound).max()))

    def _mass_share(self, kind: int, stored: float, roundings: int) -> float:
        bound = (
            gamma(roundings, FLOAT64_ROUNDOFF) * self._mass_sizes[kind]
            + 4 * FLOAT64_ROUNDOFF * self._exponent_sizes[kind]
            + UNDERFLOW
        )
        return bounded(abs(stored - math.fsum(self._masses[kind])) / bound)


def bounded(error: float) -> float:
    """An error in shares of its bound, finite also where a NaN or an infinity is stored."""
    return min(UNBOUNDED, error)


def gamma(roundings: int, roundoff: float) -> float:
    """The relative error of so many roundings, at most."""
    product = roundings * roundoff
    return product / (1 - product) if product < 1 else UNBOUNDED


def _signed(total: int) -> int:
    """`total` modulo 2^64 as PostgreSQL's bigint holds it."""
    return (total + 2**63) % 2**64 - 2**63


def unequal(name: str, stored: int, expected: int) -> list[str]:
    """What differs of two counts, in words."""
    return [] if stored == expected else [f"{name} is {stored}, expected {expected}"]


def beyond(name: str, share: float) -> list[str]:
    """What is off by more than its bound, in words."""
    return [] if share <= 1 else [f"{name} is off by {share:.3g} times its bound"]

"""What the log says items' trends must be: `vane verify`'s own arithmetic, as in `vane.oracle`.

Users' histories and the caps are as `vane.histories` describes them, computed anew.

A heat, in float64, is log2(Σ c·2^(t/h)). `logaddexp2` does not amplify the errors of its
arguments. With M the largest magnitude among the numbers involved, an event's score has at most 6
roundings, grouping n of them adds n + 6, each of at most n merges 4, the oracle's own 4. A counted
weight c is a difference of two numbers with sum s, made of at most 60 terms: each side's is off by
at most 80·u·s, and the sum by the decayed sum of these. So

    |stored - exact| <= (5·n + 16)·u·M + 160·u·Σ s·2^(t/h) / Σ c·2^(t/h) · log2(e)

Where months of the log are gone, a trend began with its base, a row as it was stored then: one more
term, 2^heat.

What erased users added stays in a trend until it is made anew, and is no longer in the log: such a
trend has more events than the log, and is held against it from below alone.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import xxhash

from vane.oracle import (
    BLOCK_TERMS,
    FLOAT64_ROUNDOFF,
    UNBOUNDED,
    Verdict,
    beyond,
    bounded,
    unequal,
)

TREND_SLOTS = 16
TREND_HALF_LIVES_S = {
    "heat_15m": 15 * 60.0,
    "heat_1h": 60 * 60.0,
    "heat_2h24m": 144 * 60.0,
    "heat_1d": 24 * 3_600.0,
    "heat_7d": 7 * 24 * 3_600.0,
    "heat_never": math.inf,
}
SEGMENT_HALF_LIFE_S = 24 * 3_600.0
SEGMENTS = {"heat_few": (0, 4), "heat_some": (5, 20), "heat_many": (21, 60)}
"""Lengths of the history that each segment has."""

HISTORY_EVENTS = 60
CAP_DECAY_US = 24 * 3_600 * 1_000_000
COUNTED_ROUNDINGS = 160
COUNTED_MIN = 1e-9


class Act(NamedTuple):
    """A log row with positive weight, under the name that it came under."""

    name: str
    log_id: int
    partition: int
    offset: int
    item_id: str
    ts_us: int
    weight: float


class Counted(NamedTuple):
    """What an event adds: its capped weight, the numbers this is the difference of, its history."""

    weight: float
    size: float
    earlier: int


UNCOUNTED = Counted(0.0, 0.0, 0)
"""Of an event without positive weight."""


def histories(acts: Iterable[Act]) -> Iterator[tuple[Act, list[Act]]]:
    """Each act of one name with its history, oldest first.

    Args:
        acts: by log, then by offset, then by partition.
    """
    older: list[Act] = []
    for _, group in groupby(acts, key=lambda act: act.log_id):
        own: dict[int, list[Act]] = {}
        of_log = list(group)
        for act in of_log:
            history = own.setdefault(act.partition, list(older))
            yield act, history
            history.append(act)
            del history[:-HISTORY_EVENTS]
        older = (older + of_log)[-HISTORY_EVENTS:]


def count(act: Act, history: list[Act]) -> Counted:
    """Cap what an act adds by what the user has added to the item."""
    parts = [
        past.weight * math.exp2(-max(0, act.ts_us - past.ts_us) / CAP_DECAY_US)
        for past in history
        if past.item_id == act.item_id
    ]
    already, strongest = math.fsum(parts), max(parts, default=0.0)
    high = min(2 * max(strongest, act.weight), already + act.weight)
    low = min(2 * strongest, already)
    weight = high - low if high - low > COUNTED_MIN * act.weight else 0.0
    return Counted(weight, high + low, len(history))


@dataclass(frozen=True, slots=True)
class TrendState:
    """The row of `item_trend` as far as it can be recomputed."""

    slot: int
    events: int
    weight_sum: float
    first_us: int
    last_us: int
    heats: dict[str, float]


class _Term(NamedTuple):
    ts_us: int
    counted: Counted


@dataclass(slots=True)
class _Sum:
    """Σ c·2^((t - newest)/h), in parts, with the sums of the sizes."""

    half_life_s: float
    newest_us: int | None = None
    parts: list[float] = field(default_factory=list)
    sizes: float = 0.0

    def add(self, terms: list[_Term]) -> None:
        if not terms:
            return
        newest_us = self.newest_us = self.newest_us or terms[0].ts_us
        decays = [math.exp2((term.ts_us - newest_us) / (self.half_life_s * 1e6)) for term in terms]
        pairs = list(zip(terms, decays, strict=True))
        self.parts.append(math.fsum(term.counted.weight * decay for term, decay in pairs))
        self.sizes += sum(term.counted.size * decay for term, decay in pairs)


@dataclass(slots=True)
class ExpectedTrend:
    """An item's trend as the log says, from its rows; the newest must be added first."""

    item_id: str
    events: int = 0
    _last_us: int = 0
    _first_us: int = 0
    _base: TrendState | None = None
    _counted: int = 0
    _largest_log: float = 0.0
    _weights: list[float] = field(default_factory=list)
    _block: list[_Term] = field(default_factory=list)
    _sums: dict[str, _Sum] = field(
        default_factory=lambda: {
            **{name: _Sum(half_life_s) for name, half_life_s in TREND_HALF_LIVES_S.items()},
            **{name: _Sum(SEGMENT_HALF_LIFE_S) for name in SEGMENTS},
        }
    )

    def add(self, ts_us: int, counted: Counted) -> None:
        """Count an event; it adds heat where its capped weight is positive."""
        if self.events == 0:
            self._last_us = ts_us
        self.events += 1
        self._first_us = ts_us
        if counted.weight <= 0:
            return
        self._counted += 1
        self._largest_log = max(self._largest_log, abs(math.log2(counted.weight)))
        self._block.append(_Term(ts_us, counted))
        if len(self._block) == BLOCK_TERMS:
            self._sum_block()

    def add_base(self, base: TrendState) -> None:
        """Begin with what was counted before; behind all events."""
        self._last_us = max(self._last_us, base.last_us) if self.events else base.last_us
        self._first_us = min(self._first_us, base.first_us) if self.events else base.first_us
        self.events += base.events
        self._base = base

    def compare(self, stored: TrendState | None, *, erased_max: int = 0) -> Verdict:
        """Hold the stored trend against this one, with at most so many events of erased users."""
        if stored is None:
            return Verdict([f"no trend, expected {self.events} events"])
        self._sum_block()
        slot = xxhash.xxh3_64_intdigest(self.item_id.encode()) % TREND_SLOTS
        differences = unequal("slot", stored.slot, slot)
        erased = stored.events - self.events
        if not 0 < erased <= erased_max:
            erased = 0
            differences += unequal("events", stored.events, self.events)
            differences += unequal("first_ts in microseconds", stored.first_us, self._first_us)
            differences += unequal("last_ts in microseconds", stored.last_us, self._last_us)
        elif stored.first_us > self._first_us or stored.last_us < self._last_us:
            differences.append("first_ts and last_ts leave out events")
        shares = {name: self._share(name, stored.heats[name], erased) for name in self._sums}
        shares["weight_sum"] = self._weight_share(stored.weight_sum, erased)
        for name, share in shares.items():
            differences += beyond(name, share)
        return Verdict(differences, max(shares.values()))

    def _sum_block(self) -> None:
        for name, kept in self._sums.items():
            low, high = SEGMENTS.get(name, (0, HISTORY_EVENTS))
            chosen = [term for term in self._block if low <= term.counted.earlier <= high]
            kept.add(chosen)
        self._weights.append(math.fsum(term.counted.weight for term in self._block))
        self._block.clear()

    def _weight_share(self, stored: float, erased: int) -> float:
        roundings = 2 * (self._counted + erased) + 8 + COUNTED_ROUNDINGS
        before = self._base.weight_sum if self._base else 0.0
        size = max(self._sums["heat_never"].sizes + before, stored if erased else 0.0)
        bound = roundings * FLOAT64_ROUNDOFF * size + 2.0**-1000
        return bounded(_error(stored, math.fsum([*self._weights, before]), erased) / bound)

    def _share(self, name: str, stored: float, erased: int) -> float:
        terms, before = self._sums[name], self._base.heats[name] if self._base else -math.inf
        if terms.newest_us is None and before == -math.inf:
            return 0.0 if stored == -math.inf or erased else UNBOUNDED
        half_life_us = terms.half_life_s * 1e6
        newest_us = max(terms.newest_us or self._last_us, self._base.last_us if self._base else 0)
        since = math.exp2(((terms.newest_us or newest_us) - newest_us) / half_life_us)
        total = math.fsum(terms.parts) * since + math.exp2(before - newest_us / half_life_us)
        exact = newest_us / half_life_us + math.log2(total)
        times = max(abs(newest_us), abs(self._first_us)) / half_life_us
        magnitude = times + self._largest_log + abs(math.log2(total)) + 1
        magnitude += math.log2(max(self._counted, 1)) + (abs(before) if before > -math.inf else 0)
        bound = (5 * (self._counted + erased) + 16) * FLOAT64_ROUNDOFF * magnitude
        sizes = terms.sizes * since
        bound += COUNTED_ROUNDINGS * FLOAT64_ROUNDOFF * sizes / total * math.log2(math.e)
        return bounded(_error(stored, exact, erased) / bound)


def _error(stored: float, exact: float, erased: int) -> float:
    """By how much the stored number is wrong; erased users may have made it larger."""
    return max(exact - stored, 0.0) if erased else abs(stored - exact)

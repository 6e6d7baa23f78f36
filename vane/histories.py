"""What users did before each event: caps, activity segments, and pairs of items. Pure numpy.

The *history* of an event is its user's newest `HISTORY_EVENTS` events with positive weight that lie
before it in the log: those of the same partition with smaller offsets, and those of older logs. It
depends on the log alone, so all that follows from it is the same however the log is cut into
batches, shared among processes, or read again after a restart.

The cap. An event of weight w at time t on an item whose events in the history have weights w_k and
times t_k counts

    min(2·max(m, w), a + w) - min(2·m, a),   a = Σ w_k·d_k,   m = max w_k·d_k,
    d_k = 2^(-max(0, t - t_k) / 1 day)

These terms telescope: what a user has added to an item, decayed with a half-life of one day, is
never more than twice the weight of the user's strongest event on it. A view, a cart and a purchase
all count in full; a hundred views at once count as two.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

HISTORY_EVENTS = 60
"""Events of a history."""

WINDOW_ITEMS = 20
"""Distinct items of a history, other than the event's own, that the event is paired with."""

CAP_DECAY_US = 86_400_000_000
"""Half-life of what a user has added to an item already."""

CAP_EVENTS = 2.0
"""A user's own strongest event on an item, as often as this, is the cap."""

COUNTED_MIN = 1e-9
"""Less than this share of its weight counts nothing: rounding would decide whether it is any."""

ACT = np.dtype([("item", "<i4"), ("weight", "<f4"), ("ts_us", "<i8")])
"""An event with positive weight: number of the item, weight, microseconds since 1970."""

Acts = NDArray[np.void]
"""An array of `ACT`."""

_Key = TypeVar("_Key", bound=Hashable)

_KEY_OVERHEAD_BYTES = 300
"""Of a history in memory beside its events: key, dictionary, object."""


@dataclass(frozen=True, slots=True)
class LookBack:
    """What the histories say of n events; `event`, `other` and `place` list their m pairs."""

    counted: Doubles  # (n,) capped weights
    earlier: Ints  # (n,) events in the history
    event: Ints  # (m,) row of the event
    other: Ints  # (m,) number of the earlier item
    place: Ints  # (m,) 0 for the newest of the window

    def part(self, pairs: slice) -> "LookBack":
        """The same events with these of their pairs alone."""
        columns = (self.event[pairs], self.other[pairs], self.place[pairs])
        return LookBack(self.counted, self.earlier, *columns)


class Histories(Generic[_Key]):
    """The newest events of the users met last, within a limit of memory.

    A user who is not held must be `put` before `look_back`, or counts as new.

    Attributes:
        forgotten: whether any user's history was ever dropped.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held: OrderedDict[_Key, bytes] = OrderedDict()
        self._bytes = 0
        self.forgotten = False

    def __len__(self) -> int:
        return len(self._held)

    def missing(self, keys: Sequence[_Key]) -> list[_Key]:
        """The users of these that are not held, each once."""
        return [key for key in dict.fromkeys(keys) if key not in self._held]

    def put(self, key: _Key, acts: Acts) -> None:
        """Hold a user's history, oldest event first; only the newest `HISTORY_EVENTS` matter."""
        self._hold(key, acts[-HISTORY_EVENTS:].tobytes())

    def clear(self) -> None:
        """Forget every user."""
        self._held.clear()
        self._bytes, self.forgotten = 0, True

    def look_back(self, keys: Sequence[_Key], acts: Acts) -> LookBack:
        """Look at the history of each event, and make the events part of the histories.

        Args:
            keys: user of each event; the histories of different keys know nothing of each other.
            acts: (n,) the events, in the order of the log.
        """
        codes: dict[_Key, int] = {}
        user = np.array([codes.setdefault(key, len(codes)) for key in keys], np.int64)
        held = [self._held.get(key, b"") for key in codes]
        sequences = _Sequences(user, held, acts)
        result = LookBack(*sequences.counted(), *sequences.pairs())
        for key, history in zip(codes, sequences.histories(), strict=True):
            self._hold(key, history)
        while self._bytes > self._bytes_max:
            _, history = self._held.popitem(last=False)
            self._bytes -= len(history) + _KEY_OVERHEAD_BYTES
            self.forgotten = True
        return result

    def _hold(self, key: _Key, history: bytes) -> None:
        before = self._held.pop(key, None)
        if before is not None:
            self._bytes -= len(before) + _KEY_OVERHEAD_BYTES
        self._held[key] = history
        self._bytes += len(history) + _KEY_OVERHEAD_BYTES


class _Sequences:
    """Histories and events of some users, one user's after the other's, each in log order."""

    def __init__(self, user: Ints, held: list[bytes], acts: Acts) -> None:
        held_counts = np.array([len(history) for history in held], np.int64) // ACT.itemsize
        counts = held_counts + np.bincount(user, minlength=len(held))
        self._ends = np.cumsum(counts)
        starts = self._ends - counts
        order = np.argsort(user, kind="stable")
        firsts = np.cumsum(counts - held_counts) - (counts - held_counts)
        rank = np.arange(len(user)) - firsts[user[order]]
        self._position = np.empty(len(user), np.int64)
        self._position[order] = (starts + held_counts)[user[order]] + rank
        self._start = starts[user]
        self._starts = starts
        total = int(counts.sum())
        old = np.ones(total, np.bool_)
        old[self._position] = False
        self._acts = np.empty(total, ACT)
        self._acts[old] = np.frombuffer(b"".join(held), ACT)
        self._acts[self._position] = acts
        self._link(np.repeat(np.arange(len(held)), counts))

    def _link(self, owner: Ints) -> None:
        """Chain the events of each user on each item."""
        total = len(owner)
        key = owner << 32 | self._acts["item"]
        order = np.argsort(key, kind="stable")
        same = key[order[1:]] == key[order[:-1]]
        self._next = np.full(total, total)
        self._next[order[:-1][same]] = order[1:][same]
        self._previous = np.full(total, -HISTORY_EVENTS - 1)
        self._previous[order[1:][same]] = order[:-1][same]

    def counted(self) -> tuple[Doubles, Ints]:
        """Capped weight of each event, and the length of its history."""
        position = self._position
        acts = self._acts
        times, weights = acts["ts_us"], acts["weight"].astype(np.float64)
        already, strongest = np.zeros(len(position)), np.zeros(len(position))
        rows, at = np.arange(len(position)), self._previous[position]
        while True:
            near = at >= position[rows] - HISTORY_EVENTS
            rows, at = rows[near], at[near]
            if not len(rows):
                break
            age = np.maximum(times[position[rows]] - times[at], 0)
            left = weights[at] * np.exp2(-age / CAP_DECAY_US)
            already[rows] += left
            strongest[rows] = np.maximum(strongest[rows], left)
            at = self._previous[at]
        own = weights[position]
        cap = CAP_EVENTS * np.maximum(strongest, own)
        counted = np.minimum(cap, already + own) - np.minimum(CAP_EVENTS * strongest, already)
        earlier = np.minimum(position - self._start, HISTORY_EVENTS)
        return np.where(counted > COUNTED_MIN * own, counted, 0.0), earlier

    def pairs(self) -> tuple[Ints, Ints, Ints]:
        """Row of the event, earlier item, place in the window, of every pair."""
        found = np.zeros(len(self._position), np.int64)
        rows = np.arange(len(self._position))
        events, others, places = [rows[:0]], [rows[:0]], [rows[:0]]
        for back in range(1, HISTORY_EVENTS + 1):
            at = self._position[rows] - back
            within = (at >= self._start[rows]) & (found[rows] < WINDOW_ITEMS)
            rows, at = rows[within], at[within]
            if not len(rows):
                break
            newest = self._next[at] > self._position[rows]
            events.append(rows[newest])
            others.append(self._acts["item"][at[newest]].astype(np.int64))
            places.append(found[events[-1]])
            found[events[-1]] += 1
        return np.concatenate(events), np.concatenate(others), np.concatenate(places)

    def histories(self) -> list[bytes]:
        """The newest events of each user."""
        size, data = ACT.itemsize, self._acts.tobytes()
        lows = np.maximum(self._starts, self._ends - HISTORY_EVENTS) * size
        highs = self._ends * size
        return [data[low:high] for low, high in zip(lows.tolist(), highs.tolist(), strict=True)]

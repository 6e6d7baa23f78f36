"""What flow interactions measures beside what all flows do; per group of chunks, not per event."""

import time
from collections.abc import Sequence

from flows.batch import Batch
from flows.meter import FlowMeter
from vane.meter import Count, Spread
from vane.metrics import (
    CACHE_LOOKUPS,
    CLAMPED_EVENTS,
    FRESHNESS,
    PENDING_EVENTS,
    REFUSED_STATES,
    RETRIES,
)
from vane.preference import Ints
from vane.store.positions import Counts

FRESHNESS_SAMPLE = 4
"""So many events of a group, or a few more, stand for all of it."""


class InteractionsMeter:
    """The numbers of a process of flow interactions.

    Attributes:
        flow: those that all flows have.
        users, items: look-ups of states and vectors.
        refused: states that were computed again.
        retries: transactions begun again, by reason.
        pending_ended: events whose item has come.
    """

    def __init__(self, flow: FlowMeter) -> None:
        self.flow, numbers = flow, flow.numbers
        self.users = numbers.lookups(CACHE_LOOKUPS, "user_states")
        self.items = numbers.lookups(CACHE_LOOKUPS, "item_vectors")
        self.refused: Count = numbers.counter(REFUSED_STATES)
        self.retries = {
            reason: numbers.counter(RETRIES, reason) for reason in ("unavailable", "merged")
        }
        self._pending_began = numbers.counter(PENDING_EVENTS, "began")
        self.pending_ended = numbers.counter(PENDING_EVENTS, "ended")
        self._clamped = numbers.counter(CLAMPED_EVENTS)
        self._committed = numbers.histogram(FRESHNESS, "committed")
        self._pushed = numbers.histogram(FRESHNESS, "pushed")

    def committed(self, batch: Batch, counts: Sequence[Counts], waiting: int) -> None:
        """A group was committed: what became of its spans' offsets, and events that wait now."""
        self.flow.transaction(sum(span.messages for span in batch.spans))
        for each in counts:
            self.flow.committed(each)
            self._clamped.add(each.clamped)
        self.flow.dead_letters(batch.dead_letters)
        self._pending_began.add(waiting)
        _observe_ages(self._committed, batch.ts_us)

    def pushed(self, batch: Batch) -> None:
        """The hints about a group were sent."""
        _observe_ages(self._pushed, batch.ts_us)


def _observe_ages(cell: Spread, ts_us: Ints) -> None:
    every, now = len(ts_us) // FRESHNESS_SAMPLE + 1, time.time()
    for time_us in ts_us[::every].tolist():
        cell.observe(max(now - time_us / 1e6, 0.0), every)

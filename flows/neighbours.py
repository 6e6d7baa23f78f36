"""The second part of flows/trends: neighbours of items, with positions of their own.

What was read is added to rows in memory and flushed, rows and positions in one transaction, less
often than popularity: a row is about 5 kB. A restart reads again what the last flush did not hold.
"""

import time
from collections.abc import Callable, Hashable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flows.log_reader import Batch
from flows.look_back import Observer, Seen
from vane.covisitation import Covisitation
from vane.pairs import increments
from vane.store.connection import Connection, translated
from vane.store.neighbours import prepare, read_rows, write_rows
from vane.store.slot_log import NEIGHBOURS, Advance, advance_slots

Ints = NDArray[np.int64]

FLUSH_EVERY = 10
"""Flushes of popularity for each one of neighbours."""

FLUSH_PAUSE = 4.0
"""The next flush waits at least this many times as long as the last one took,"""

INTERVALS_MAX = 10
"""but not longer than this many intervals."""

FEW_ROWS = 100
"""So few rows are flushed at once, with the popularity, when there is nothing more to read."""

PAIRS_MAX = 6_000_000
"""Pairs in memory after a flush, 24 bytes each."""

UNFLUSHED_PAIRS_MAX = 12_000_000
"""With more pairs in memory, a flush comes sooner."""

ADDED_PAIRS = 200_000
"""Pairs of a batch, each of two rows, that are added at once."""

FLUSH_ROWS = 2_000
"""Rows read or written by one statement of a flush."""

ITEMS_MAX = 2_000_000
"""With more items met, everything in memory is given up and read again as it is needed."""


class Neighbours:
    """Rows of the slots of one process: in memory since the last flush, else in Postgres."""

    def __init__(
        self,
        connection: Connection,
        observer: Observer,
        interval_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection, self._observer = connection, observer
        self._interval_s, self._clock = interval_s, clock
        self._due_s = clock() + interval_s
        self._pairs = Covisitation()
        self._steps: dict[Hashable, Advance] = {}
        self._newest = 0
        self.flushed = 0
        """Number of the newest batch that a flush holds."""
        prepare(connection)

    def add(self, batch: Batch, seen: list[Seen]) -> None:
        """Add a batch to the rows in memory."""
        for each in seen:
            self._add(each)
        for step in batch.advances[NEIGHBOURS]:
            before = self._steps.get(step.stream, step)
            applied = step.applied if before is step else before.applied + step.applied
            self._steps[step.stream] = replace(step, previous=before.previous, applied=applied)
        self._newest = max(self._newest, batch.number)

    def is_due(self, batch: Batch) -> bool:
        """Whether to flush behind this batch; at once behind one without rows."""
        if self.flushed == self._newest:
            return False
        return (
            not batch.pieces
            or self._clock() >= self._due_s
            or self._pairs.pairs > UNFLUSHED_PAIRS_MAX
            or (batch.caught_up and len(self._pairs.dirty) <= FEW_ROWS)
        )

    def flush(self) -> int:
        """Write the changed rows and advance the positions, both or neither; returns how many rows.

        Raises:
            Fenced: another worker owns a slot; nothing is written.
        """
        dirty, started = self._pairs.dirty, self._clock()
        with translated(), self._connection.transaction():
            advance_slots(self._connection, list(self._steps.values()))
            self._load(self._pairs.unloaded())
            for low in range(0, len(dirty), FLUSH_ROWS):
                rows = self._pairs.rows(dirty[low : low + FLUSH_ROWS])
                write_rows(self._connection, rows, self._observer.numbers.ids)
        self._pairs.mark_stored()
        self._steps.clear()
        self.flushed = self._newest
        self._make_room()
        ended = self._clock()
        pause_s = max(self._interval_s, FLUSH_PAUSE * (ended - started))
        self._due_s = ended + min(pause_s, INTERVALS_MAX * self._interval_s)
        return len(dirty)

    def _load(self, unloaded: Ints) -> None:
        numbers = self._observer.numbers
        for low in range(0, len(unloaded), FLUSH_ROWS):
            items = unloaded[low : low + FLUSH_ROWS]
            ids = [numbers.ids[number] for number in items.tolist()]
            self._pairs.load(read_rows(self._connection, ids, numbers.of))
        self._pairs.mark_loaded(unloaded)

    def _add(self, seen: Seen) -> None:
        piece, numbers = seen.piece, self._observer.numbers
        lacked, offsets = piece.lacked[NEIGHBOURS], piece.rows.offsets[seen.positive]
        ts_us = piece.rows.ts_us[seen.positive]
        fresh = piece.fresh(NEIGHBOURS)[seen.positive] & (seen.look.counted > 0)
        self._pairs.add_mass(seen.items[fresh], ts_us[fresh], seen.look.counted[fresh])
        for low in range(0, len(seen.look.event), ADDED_PAIRS):
            look = seen.look.part(slice(low, low + ADDED_PAIRS))
            added = increments(seen.items, ts_us, look)
            mine = offsets[added.event] >= lacked[numbers.slots(added.row)]
            self._pairs.add(added.take(np.asarray(mine & (added.together > 0))))

    def _make_room(self) -> None:
        if len(self._observer.numbers) > ITEMS_MAX:
            self._observer.forget()
            self._pairs = Covisitation()
        else:
            self._pairs.evict(PAIRS_MAX)

"""Reads the committed interaction log for some item slots, each part from positions of its own."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vane.errors import Fenced
from vane.interaction import TREND_SLOTS
from vane.popularity import event_clock, split_budget
from vane.store.connection import Connection, translated
from vane.store.positions import Stream, take_position
from vane.store.slot_log import (
    PARTS,
    Advance,
    LoggedEvents,
    LogSpan,
    read_log_rows,
    read_log_spans,
    read_slot_positions,
    slot_flow,
)

BATCH_OFFSETS_MAX = 100_000
"""Offsets of the log that one batch takes, all partitions together."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive rows of one partition, of all slots: histories need all events of a user."""

    span: LogSpan
    low: int  # every row from here on is in the piece
    rows: LoggedEvents
    clock: NDArray[np.float64]
    lacked: dict[str, Ints]  # part -> (TREND_SLOTS,) first offset that each slot lacks
    whole: bool  # this reader has read all that comes before it

    def fresh(self, part: str) -> NDArray[np.bool_]:
        """Which rows the slots of their items lack."""
        return np.asarray(self.rows.offsets >= self.lacked[part][self.rows.slots])


@dataclass(slots=True)
class Batch:
    """Log rows of consecutive offsets, with the steps of the slots' positions over them.

    Attributes:
        number: of the newest batch that had rows.
        caught_up: whether it reaches the end of what was committed.
    """

    number: int = 0
    caught_up: bool = True
    pieces: list[Piece] = field(default_factory=list)
    advances: dict[str, list[Advance]] = field(default_factory=lambda: {part: [] for part in PARTS})


class LogReader:
    """The log for some item slots.

    Attributes:
        batches: how many there were that had rows.
        places: partition → offsets that were read before the last call, and all, of all logs.
    """

    def __init__(self, connection: Connection, slots: list[int], owner: str) -> None:
        self._connection, self._slots, self._owner = connection, slots, owner
        self._flows = [slot_flow(part, slot) for part in PARTS for slot in slots]
        self._next = read_slot_positions(connection, self._flows)
        self._epochs: dict[Stream, int] = {}
        self._from_start = True
        self.batches = 0
        self.places: dict[int, tuple[int, int]] = {}

    def read_batch(self) -> Batch | None:
        """What was committed since, at most `BATCH_OFFSETS_MAX`; None when there is nothing.

        Older logs come first, so that the event clock runs in their order.
        """
        spans = read_log_spans(self._connection)
        self.places = places(spans, self._low)
        lagging = [span for span in spans if self._low(span) < span.next_offset]
        if not lagging:
            return None
        if not self.batches:
            self._from_start = all(self._low(span) == span.start_offset for span in spans)
        oldest = [span for span in lagging if span.log_id == lagging[0].log_id]
        for span in oldest:
            self._take(span)
        lags = [max(span.next_offset - self._low(span), 0) for span in oldest]
        before = sum(self._low(span) - span.start_offset for span in spans)
        takes = split_budget(lags, BATCH_OFFSETS_MAX)
        batch = Batch(caught_up=takes == lags and len(oldest) == len(lagging))
        for span, take in zip(oldest, takes, strict=True):
            if take > 0:
                whole = self._from_start and span.log_id == spans[0].log_id
                self._read(batch, span, take, before=before, total=sum(takes), whole=whole)
        if not batch.pieces:
            return None
        self.batches += 1
        batch.number = self.batches
        return batch

    def check_positions(self) -> None:
        """Look whether the positions are still where everything that was read has brought them.

        Raises:
            Fenced: they were set back, for all to be made anew.
        """
        stored = read_slot_positions(self._connection, self._flows)
        if any(stored.get(stream) != offset for stream, offset in self._next.items()):
            raise Fenced("trends: the slot positions were set back")

    def _read(
        self, batch: Batch, span: LogSpan, take: int, *, before: int, total: int, whole: bool
    ) -> None:
        low = self._low(span)
        high = low + take
        rows = read_log_rows(self._connection, span, low, high)
        clock = event_clock(rows.offsets, low, high, before=before, span=total)
        lacked = {part: self._lacked(part, span, high) for part in PARTS}
        piece = Piece(span, low, rows, clock, lacked, whole)
        for part in PARTS:
            batch.advances[part] += self._advances(piece, part, high)
        batch.pieces.append(piece)

    def _lacked(self, part: str, span: LogSpan, high: int) -> Ints:
        lacked = np.full(TREND_SLOTS, high)
        for slot in self._slots:
            lacked[slot] = self._position(_stream(part, slot, span), span)
        return lacked

    def _advances(self, piece: Piece, part: str, high: int) -> Iterator[Advance]:
        applied = np.bincount(piece.rows.slots[piece.fresh(part)], minlength=TREND_SLOTS)
        for slot in self._slots:
            stream = _stream(part, slot, piece.span)
            previous = int(piece.lacked[part][slot])
            if previous < high:
                yield Advance(
                    stream=stream,
                    epoch=self._epochs[stream],
                    previous=previous,
                    next_offset=high,
                    end_offset=piece.span.next_offset,
                    applied=int(applied[slot]),
                )
                self._next[stream] = high

    def _take(self, span: LogSpan) -> None:
        """Become the owner of the slots' positions, at the first rows that they lack."""
        for part in PARTS:
            for slot in self._slots:
                stream = _stream(part, slot, span)
                if stream not in self._epochs:
                    with translated():
                        self._next[stream], self._epochs[stream] = take_position(
                            self._connection, stream, start=span.start_offset, owner=self._owner
                        )

    def _position(self, stream: Stream, span: LogSpan) -> int:
        return self._next.get(stream, span.start_offset)

    def _low(self, span: LogSpan) -> int:
        return min(
            self._position(_stream(part, slot, span), span)
            for part in PARTS
            for slot in self._slots
        )


def places(
    spans: Iterable[LogSpan], position: Callable[[LogSpan], int]
) -> dict[int, tuple[int, int]]:
    """Partition → offsets up to `position`, and all, of all logs together."""
    found: dict[int, tuple[int, int]] = {}
    for span in spans:
        read, end = found.get(span.partition, (0, 0))
        start = span.start_offset
        found[span.partition] = (read + position(span) - start, end + span.next_offset - start)
    return found


def _stream(part: str, slot: int, span: LogSpan) -> Stream:
    return Stream(slot_flow(part, slot), span.log_id, span.partition)

"""From a chunk of bytes to columns of valid events, and a dead letter for each other message."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import msgspec
import numpy as np

from flows.kafka import Chunk
from flows.traced import TracedMessage
from schemas.events import InteractionEvent
from vane.errors import InvalidEvent
from vane.interaction import (
    CONTROL,
    FUTURE_LIMIT_US,
    check_text,
    decode_plain,
    event_time_us,
    event_times_us,
    event_weight,
    event_weights,
    is_marker,
    parse_interaction,
    parse_retry,
    text_hashes,
)
from vane.preference import Floats, Hashes, Ints, Mask
from vane.store.dead_letters import LetterKey
from vane.store.interactions import DeadLetter
from vane.store.positions import Stream
from vane.tuning import Tuning

Place = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive offsets of a partition, [previous_offset, next_offset), and what they carried."""

    stream: Stream
    epoch: int
    previous_offset: int
    next_offset: int
    end_offset: int
    messages: int
    """Without markers, which carry nothing."""
    received_s: float = 0.0
    """Broker time of the newest message in seconds since 1970, 0 without messages."""


@dataclass(slots=True)
class Batch:
    """The valid events of one or more chunks by column, and the messages that are none.

    The events of a partition are in the order of their offsets.
    """

    spans: list[Span]
    """One a partition."""
    events: list[InteractionEvent] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    partition: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    offset: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    ts_us: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    weight: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    hash: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    clamped: Mask = field(default_factory=lambda: np.empty(0, bool))
    retries: dict[Place, LetterKey] = field(default_factory=dict)
    """Messages that bring back a dead letter, with that letter's key."""
    erased: Counter[int] = field(default_factory=Counter)
    """Messages of each partition that were dropped, as their users were erased."""
    traced: list[TracedMessage] = field(default_factory=list)
    """Messages whose way is followed."""
    since: float = field(default_factory=time.perf_counter)
    """When the oldest of its chunks was here."""

    @property
    def is_heartbeat(self) -> bool:
        """Whether there is nothing to commit."""
        return all(span.next_offset == span.previous_offset for span in self.spans)

    def take(self, rows: Ints) -> "Batch":
        """The batch with only these of its events."""
        kept = rows.tolist()
        return replace(
            self,
            events=[self.events[row] for row in kept],
            **{name: getattr(self, name)[rows] for name in _COLUMNS},
        )


_COLUMNS = ("partition", "offset", "ts_us", "weight", "hash", "clamped")


def join(batches: Sequence[Batch]) -> Batch:
    """One batch of several; those of one partition follow each other."""
    if len(batches) == 1:
        return batches[0]
    spans: dict[Stream, Span] = {}
    for span in chain.from_iterable(batch.spans for batch in batches):
        before = spans.get(span.stream)
        if before is not None:
            assert before.next_offset == span.previous_offset, "consecutive"
            span = replace(  # noqa: PLW2901
                span,
                previous_offset=before.previous_offset,
                messages=before.messages + span.messages,
                received_s=span.received_s or before.received_s,
            )
        spans[span.stream] = span
    columns = {
        name: np.concatenate([getattr(batch, name) for batch in batches]) for name in _COLUMNS
    }
    return Batch(
        list(spans.values()),
        list(chain.from_iterable(batch.events for batch in batches)),
        list(chain.from_iterable(batch.dead_letters for batch in batches)),
        **columns,
        retries={place: key for batch in batches for place, key in batch.retries.items()},
        erased=Counter(),
        traced=list(chain.from_iterable(batch.traced for batch in batches)),
        since=batches[0].since,
    )


def decode_chunk(chunk: Chunk, tuning: Tuning, bytes_max: int) -> Batch:
    """Decode and validate every message of the chunk; none stops the others."""
    batch = Batch([_span(chunk)])
    plain = _all_plain(chunk, tuning, bytes_max)
    if plain is None:
        accepted, times_us, weights = _one_by_one(chunk, batch, tuning, bytes_max)
    else:
        batch.events, times_us, weights = plain
        accepted = np.arange(len(batch.events))
    batch.offset = np.array(chunk.offsets, np.int64)[accepted]
    batch.partition = np.full(len(accepted), chunk.stream.partition)
    batch.ts_us, batch.clamped = _clamp(times_us, accepted, chunk)
    batch.weight = np.array(weights, np.float32)
    batch.hash = text_hashes([event.event_id for event in batch.events])
    return batch


def _all_plain(
    chunk: Chunk, tuning: Tuning, bytes_max: int
) -> tuple[list[InteractionEvent], Ints, list[float]] | None:
    """Events, times in µs and weights of a chunk in which nothing needs a closer look, else None.

    The common case at a fraction of the cost: each check is one for all messages together.
    """
    values = [value for value in chunk.values if value is not None]
    if len(values) < len(chunk.values) or (values and max(map(len, values)) > bytes_max):
        return None
    try:
        events = [decode_plain(value) for value in values]
        weights = event_weights(events, tuning)
        together = b"".join(values)
        if any(byte in together for byte in _SUSPICIOUS):
            _check_all_text(events)
        times = event_times_us([event.ts for event in events])
    except (msgspec.MsgspecError, InvalidEvent, UnicodeError, RecursionError):
        return None
    return events, times, weights


_SUSPICIOUS = (b"\\", b"\x7f", b"\xc2")
"""JSON without these bytes has no surrogate and no control character, U+007F to U+009F included."""


def _check_all_text(events: list[InteractionEvent]) -> None:
    texts = [
        f"{event.event_id}{event.user_id}{event.item_id}{event.session_id}{event.request_id}"
        for event in events
    ]
    together = "".join(texts)
    if CONTROL.search(together):
        raise InvalidEvent("$", "has a control character")
    together.encode()


def _one_by_one(
    chunk: Chunk, batch: Batch, tuning: Tuning, bytes_max: int
) -> tuple[Ints, Ints, list[float]]:
    """Indices, times in µs and weights of the valid messages; the others become dead letters."""
    accepted: list[int] = []
    times: list[int] = []
    weights: list[float] = []
    for index, raw in enumerate(chunk.values):
        if is_marker(raw):
            batch.spans[0] = replace(batch.spans[0], messages=batch.spans[0].messages - 1)
            continue
        try:
            place = chunk.stream.partition, chunk.offsets[index]
            event = _parse(raw, bytes_max, batch, place)
            weight, time_us = event_weight(event, tuning), event_time_us(event.ts)
        except InvalidEvent as error:
            batch.dead_letters.append(_dead_letter(chunk, index, error))
        else:
            batch.events.append(event)
            accepted.append(index)
            times.append(time_us)
            weights.append(weight)
    return np.array(accepted, np.int64), np.array(times, np.int64), weights


def without(batch: Batch, places: set[Place]) -> Batch:
    """The batch without the messages at these places."""
    here = zip(batch.partition.tolist(), batch.offset.tolist(), strict=True)
    left = batch.take(np.flatnonzero([place not in places for place in here]))
    left.dead_letters = [
        letter for letter in batch.dead_letters if (letter.partition, letter.offset) not in places
    ]
    left.retries = {place: key for place, key in batch.retries.items() if place not in places}
    return left


def _span(chunk: Chunk) -> Span:
    return Span(
        chunk.stream,
        chunk.epoch,
        chunk.previous_offset,
        chunk.next_offset,
        chunk.end_offset,
        len(chunk.values),
        chunk.received_s,
    )


def _parse(raw: bytes | None, bytes_max: int, batch: Batch, place: Place) -> InteractionEvent:
    if raw is None:
        raise InvalidEvent("$", "empty message")
    if retry := parse_retry(raw):
        batch.retries[place] = LetterKey.parse(retry.vaneretry)
        raw = retry.data_base64
    if len(raw) > bytes_max:
        raise InvalidEvent("$", f"message of {len(raw)} bytes, at most {bytes_max} are allowed")
    event = parse_interaction(raw)
    check_text(event)
    return event


def _dead_letter(chunk: Chunk, index: int, error: InvalidEvent) -> DeadLetter:
    return DeadLetter(
        chunk.stream.partition,
        chunk.offsets[index],
        error.field,
        error.reason,
        chunk.keys[index],
        chunk.values[index],
    )


def _clamp(ts_us: Ints, receipt: Ints, chunk: Chunk) -> tuple[Ints, Mask]:
    """Times cut to first receipt + FUTURE_LIMIT_US; broker times are read only where needed."""
    clamped = np.zeros(len(ts_us), bool)
    if not len(ts_us):
        return ts_us, clamped
    suspicious = ts_us > chunk.receipt_us(0) + FUTURE_LIMIT_US
    for row in np.flatnonzero(suspicious).tolist():
        limit = chunk.receipt_us(int(receipt[row])) + FUTURE_LIMIT_US
        clamped[row] = ts_us[row] > limit
        ts_us[row] = min(ts_us[row], limit)
    return ts_us, clamped

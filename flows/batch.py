"""From a chunk of bytes to columns of valid events, and a dead letter for each other message."""

from dataclasses import dataclass, field

import msgspec
import numpy as np

from flows.kafka import Chunk
from schemas.events import InteractionEvent
from vane.errors import InvalidEvent
from vane.interaction import (
    CONTROL,
    FUTURE_LIMIT_US,
    check_text,
    decode_plain,
    event_hash,
    event_time_us,
    event_times_us,
    event_weight,
    parse_interaction,
    parse_retry,
)
from vane.preference import Floats, Hashes, Ints, Mask
from vane.store.dead_letters import LetterKey
from vane.store.interactions import DeadLetter
from vane.tuning import Tuning


@dataclass(slots=True)
class Batch:
    """The valid events of a chunk by column, in offset order, and the messages that are none."""

    chunk: Chunk
    events: list[InteractionEvent] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    offset: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    ts_us: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    weight: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    hash: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    clamped: Mask = field(default_factory=lambda: np.empty(0, bool))
    retries: dict[int, LetterKey] = field(default_factory=dict)
    """Offsets that bring back a dead letter, with that letter's key."""


def decode_chunk(chunk: Chunk, tuning: Tuning, bytes_max: int) -> Batch:
    """Decode and validate every message of the chunk; none stops the others."""
    batch = Batch(chunk)
    plain = _all_plain(chunk, tuning, bytes_max)
    if plain is None:
        accepted, times_us, weights = _one_by_one(batch, tuning, bytes_max)
    else:
        batch.events, times_us, weights = plain
        accepted = np.arange(len(batch.events))
    batch.offset = np.array(chunk.offsets, np.int64)[accepted]
    batch.ts_us, batch.clamped = _clamp(times_us, accepted, chunk)
    batch.weight = np.array(weights, np.float32)
    batch.hash = np.array([event_hash(event.event_id) for event in batch.events], np.uint64)
    return batch


def _all_plain(
    chunk: Chunk, tuning: Tuning, bytes_max: int
) -> tuple[list[InteractionEvent], Ints, list[float]] | None:
    """Events, times in µs and weights of a chunk in which nothing needs a closer look, else None.

    The common case at a fraction of the cost: each check is one for all messages together.
    """
    values = [value for value in chunk.values if value is not None and len(value) <= bytes_max]
    if len(values) < len(chunk.values):
        return None
    try:
        events = [decode_plain(value) for value in values]
        weights = [event_weight(event, tuning) for event in events]
        _check_all_text(events)
        times = event_times_us([event.ts for event in events])
    except (msgspec.MsgspecError, InvalidEvent, UnicodeError, RecursionError):
        return None
    return events, times, weights


def _check_all_text(events: list[InteractionEvent]) -> None:
    texts = [
        f"{event.event_id}{event.user_id}{event.item_id}{event.session_id}{event.request_id}"
        for event in events
    ]
    together = "".join(texts)
    if CONTROL.search(together):
        raise InvalidEvent("$", "has a control character")
    together.encode()


def _one_by_one(batch: Batch, tuning: Tuning, bytes_max: int) -> tuple[Ints, Ints, list[float]]:
    """Indices, times in µs and weights of the valid messages; the others become dead letters."""
    chunk = batch.chunk
    accepted: list[int] = []
    times: list[int] = []
    weights: list[float] = []
    for index, raw in enumerate(chunk.values):
        try:
            event = _parse(raw, bytes_max, batch, chunk.offsets[index])
            weight, time_us = event_weight(event, tuning), event_time_us(event.ts)
        except InvalidEvent as error:
            batch.dead_letters.append(_dead_letter(chunk, index, error))
        else:
            batch.events.append(event)
            accepted.append(index)
            times.append(time_us)
            weights.append(weight)
    return np.array(accepted, np.int64), np.array(times, np.int64), weights


def without(batch: Batch, offsets: set[int]) -> Batch:
    """The batch without the messages at these offsets."""
    keep = np.array([offset not in offsets for offset in batch.offset.tolist()], bool)
    return Batch(
        batch.chunk,
        [event for event, kept in zip(batch.events, keep.tolist(), strict=True) if kept],
        [letter for letter in batch.dead_letters if letter.offset not in offsets],
        batch.offset[keep],
        batch.ts_us[keep],
        batch.weight[keep],
        batch.hash[keep],
        batch.clamped[keep],
        {offset: key for offset, key in batch.retries.items() if offset not in offsets},
    )


def _parse(raw: bytes | None, bytes_max: int, batch: Batch, offset: int) -> InteractionEvent:
    if raw is None:
        raise InvalidEvent("$", "empty message")
    if retry := parse_retry(raw):
        batch.retries[offset] = LetterKey.parse(retry.vaneretry)
        raw = retry.data_base64
    if len(raw) > bytes_max:
        raise InvalidEvent("$", f"message of {len(raw)} bytes, at most {bytes_max} are allowed")
    event = parse_interaction(raw)
    check_text(event)
    return event


def _dead_letter(chunk: Chunk, index: int, error: InvalidEvent) -> DeadLetter:
    return DeadLetter(
        chunk.offsets[index], error.field, error.reason, chunk.keys[index], chunk.values[index]
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

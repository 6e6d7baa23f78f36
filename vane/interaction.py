"""Interaction events: what makes one valid, and what it weighs. Shared by flow, API and CLI."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import xxhash
from msgspec import ValidationError
from numpy.typing import NDArray

from schemas.events import CloudEvent, InteractionEvent, Marker, Retry
from vane.errors import InvalidEvent
from vane.tuning import CANARY, RATING, Tuning

TREND_SLOTS = 16
"""Fixed: the item slots of flows/trends, the unit in which its processes share the items."""

EARLIEST_US = 946_684_800_000_000
"""2000-01-01T00:00:00Z in microseconds since 1970; events before it are refused."""

FUTURE_LIMIT_US = 5 * 60 * 1_000_000
"""An event may be this much later than its first receipt; beyond that its time is clamped."""

MILLISECONDS_FROM = 1e11
"""Numbers from here on are milliseconds since 1970, smaller ones seconds."""

RATING_NEUTRAL, RATING_LOWEST, RATING_HIGHEST = 3.0, 1.0, 5.0

REASON_CHARS_MAX = 300
"""Of a decoder's message: it may quote the value."""

RETRY_MARK = b'"vaneretry"'
MARKER_MARK = b'"vanemarker"'
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_EPOCH = datetime.fromtimestamp(0, UTC)
_FAR = 10**15
_FIELD = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")
_LOOSE_USER = re.compile(r'"user_id"\s*:\s*"([^"]*)"')
_TEXT_FIELDS = ("event_id", "user_id", "item_id", "session_id", "request_id")

decode_plain = msgspec.json.Decoder(InteractionEvent).decode
"""Decodes a plain event with msgspec's own errors; `parse_interaction` is for everyone else."""
_decode_retry = msgspec.json.Decoder(Retry).decode
_decode_marker = msgspec.json.Decoder(Marker).decode
_decode_cloud = msgspec.json.Decoder(CloudEvent).decode


def parse_interaction(raw: bytes) -> InteractionEvent:
    """Decode one message: a plain event, or CloudEvents 1.0 in structured mode.

    Raises:
        InvalidEvent: names the field and the reason.
    """
    try:
        return decode_plain(raw)
    except ValidationError as error:
        return _cloud_event(lambda: _decode_cloud(raw), raw, error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEvent("$", f"not JSON: {error}") from None
    except RecursionError:
        raise InvalidEvent("$", "nested too deep") from None


def parse_retry(raw: bytes) -> Retry | None:
    """The dead letter that a message brings back, None for every other message."""
    if RETRY_MARK not in raw:
        return None
    try:
        return _decode_retry(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def is_marker(raw: bytes | None) -> bool:
    """Whether a message is none, but a place that `vane erase` has noted."""
    if raw is None or MARKER_MARK not in raw:
        return False
    try:
        _decode_marker(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def named_users(key: bytes | None, payload: bytes | None) -> set[str]:
    """The users that a message is about, as far as can be told of one that may be broken."""
    names = {key.decode(errors="replace")} if key else set()
    if payload is None:
        return names
    if retry := parse_retry(payload):
        return names | named_users(None, retry.data_base64)
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return names | set(_LOOSE_USER.findall(payload.decode(errors="replace")))
    for part in (value, value.get("data")) if isinstance(value, dict) else ():
        if isinstance(part, dict) and isinstance(part.get("user_id"), str):
            names.add(part["user_id"])
    return names


def convert_interaction(value: Any) -> InteractionEvent:
    """`parse_interaction` for an object that was decoded already."""
    try:
        return msgspec.convert(value, InteractionEvent)
    except ValidationError as error:
        return _cloud_event(lambda: msgspec.convert(value, CloudEvent), value, error)


def _cloud_event(
    decode: Callable[[], CloudEvent], source: Any, plain_error: ValidationError
) -> InteractionEvent:
    if isinstance(source, bytes):
        enveloped = b'"specversion"' in source
    else:
        enveloped = isinstance(source, dict) and "specversion" in source
    if not enveloped:
        raise invalid_event(plain_error) from None
    try:
        return decode().data
    except ValidationError as error:
        raise invalid_event(error) from None


def invalid_event(error: ValidationError) -> InvalidEvent:
    """The field path and the reason in a msgspec error."""
    text = str(error)
    place = _FIELD.search(text)
    path = place["path"] if place else ""
    reason = text[: place.start()] if place else text
    if missing := _MISSING.search(reason):
        path = f"{path}.{missing['name']}".lstrip(".")
        reason = "missing"
    return InvalidEvent(path or "$", CONTROL.sub("?", reason[:REASON_CHARS_MAX]))


def timestamp_us(ts: datetime | float) -> int:
    """Microseconds since 1970 of an event's `ts`; numbers are cut at 10^15, far out of range."""
    if isinstance(ts, datetime):
        since = ts - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    bounded = max(-_FAR, min(_FAR, ts))
    return round(bounded * (1_000 if abs(ts) >= MILLISECONDS_FROM else 1_000_000))


def event_time_us(ts: datetime | float) -> int:
    """Microseconds since 1970, refused before 2000; the future is clamped later.

    Raises:
        InvalidEvent: the time is out of range.
    """
    time_us = timestamp_us(ts)
    if time_us < EARLIEST_US:
        raise InvalidEvent("ts", "before 2000-01-01T00:00:00Z")
    return time_us


def event_times_us(times: Sequence[datetime | float]) -> NDArray[np.int64]:
    """`event_time_us` of many; one pass where all are whole numbers.

    Raises:
        InvalidEvent: a time is out of range.
    """
    if set(map(type, times)) != {int}:
        return np.array([event_time_us(ts) for ts in times], np.int64)
    numbers = np.array(times, np.float64)
    if (np.abs(numbers) > _FAR).any():
        return np.array([event_time_us(ts) for ts in times], np.int64)
    exact = np.array(times, np.int64)
    times_us: NDArray[np.int64] = exact * np.where(
        np.abs(exact) >= MILLISECONDS_FROM, 1_000, 1_000_000
    )
    if (times_us < EARLIEST_US).any():
        raise InvalidEvent("ts", "before 2000-01-01T00:00:00Z")
    return times_us


def event_weight(event: InteractionEvent, tuning: Tuning) -> float:
    """The weight of an event; a rating's grows from -w at 1 through 0 at 3 to +w at 5.

    Raises:
        InvalidEvent: the action has no weight, or a rating no value from 1 to 5.
    """
    if event.action == CANARY:
        return 0.0
    weight = tuning.action_weights.get(event.action)
    if weight is None:
        raise InvalidEvent("action", f"unknown action {event.action[:64]!r}")
    if event.action != RATING:
        return weight
    if event.value is None:
        raise InvalidEvent("value", "a rating needs a value from 1 to 5")
    if not RATING_LOWEST <= event.value <= RATING_HIGHEST:
        raise InvalidEvent("value", f"a rating's value is from 1 to 5, got {event.value}")
    return weight * (event.value - RATING_NEUTRAL) / (RATING_HIGHEST - RATING_NEUTRAL)


def event_weights(events: Sequence[InteractionEvent], tuning: Tuning) -> list[float]:
    """`event_weight` of many; one look-up each where none is a rating.

    Raises:
        InvalidEvent: as `event_weight` does.
    """
    actions, weights = [event.action for event in events], tuning.action_weights
    if RATING in actions or not weights.keys() >= set(actions):
        return [event_weight(event, tuning) for event in events]
    return [weights[action] for action in actions]


def check_text(event: InteractionEvent) -> None:
    """Refuse control characters and unpaired surrogates in identifiers.

    Raises:
        InvalidEvent: names the field.
    """
    for name in _TEXT_FIELDS:
        text = getattr(event, name)
        if text is None:
            continue
        if CONTROL.search(text):
            raise InvalidEvent(name, "has a control character")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidEvent(name, "has an unpaired surrogate") from None


def validate_interaction(event: InteractionEvent, tuning: Tuning) -> None:
    """Everything that the flow would refuse, refused now.

    Raises:
        InvalidEvent: names the field and the reason.
    """
    check_text(event)
    event_weight(event, tuning)
    event_time_us(event.ts)


def text_hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    """The 64-bit hashes of texts: an event id's stands for it in the duplicate horizon."""
    return np.fromiter(map(xxhash.xxh3_64_intdigest, map(str.encode, texts)), np.uint64, len(texts))


def event_hash(event_id: str) -> int:
    """The 64-bit hash that stands for an event id in the duplicate horizon and in the checks."""
    return xxhash.xxh3_64_intdigest(event_id.encode())


def item_slots(items: Sequence[str]) -> NDArray[np.int64]:
    """`item_slot` of many."""
    return (text_hashes(items) % TREND_SLOTS).astype(np.int64)


def item_slot(item_id: str) -> int:
    """The slot of flows/trends that counts an item."""
    return xxhash.xxh3_64_intdigest(item_id.encode()) % TREND_SLOTS

"""What flows/interactions reads and writes: states, log, pending events, dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from vane.preference import Floats, Ints, Mask
from vane.store import binary
from vane.store.connection import Connection
from vane.store.dead_letters import LetterKey
from vane.store.positions import Stream
from vane.store.sql import load_queries

_SQL = load_queries("interactions")


@dataclass(slots=True)
class LogRows:
    """Rows of the interaction log, by column."""

    partition: Ints
    offset: Ints
    event_id: Sequence[str]
    user_id: Sequence[str]
    item_id: Sequence[str]
    action: Sequence[str]
    ts_us: Ints
    weight: Floats
    item_version: Sequence[int | None]
    excludes: Mask
    item_slot: Ints
    session_id: Sequence[str | None]
    request_id: Sequence[str | None]
    position: Sequence[int | None]


class PendingEvent(NamedTuple):
    """An event that waits for its item; the key of its log row first."""

    log_id: int
    partition: int
    offset: int
    recorded_at: datetime
    user_id: str
    item_id: str
    ts_us: int
    weight: float


class DeadLetter(NamedTuple):
    """A message that can never be applied, and why."""

    partition: int
    offset: int
    field: str
    reason: str
    key: bytes | None
    payload: bytes | None


def adjust_counts(connection: Connection, stream: Stream, *, moved: int, clamped: int) -> None:
    """Count `moved` events as duplicates instead of applied, `clamped` of them fewer as clamped."""
    connection.execute(
        _SQL["adjust_counts"],
        {**_stream_fields(stream), "moved": moved, "clamped": clamped},
    )


def pack_log(log_id: int, rows: LogRows, recorded_at: datetime) -> bytes:
    """Rows of the interaction log in the form in which they are sent."""
    count = len(rows.offset)
    recorded_us = round(recorded_at.timestamp() * 1e6)
    fixed = binary.fixed(
        [
            (">i4", log_id),
            (">i4", rows.partition),
            (">i8", rows.offset),
            (">i8", recorded_us - binary.PG_EPOCH_US),
            (">i8", binary.timestamps(rows.ts_us)),
            (">f4", rows.weight),
            ("?", rows.excludes),
            (">i2", rows.item_slot),
        ],
        count,
    )
    texts = (rows.event_id, rows.user_id, rows.item_id, rows.action)
    nullable = (rows.session_id, rows.request_id)
    return binary.copy_data(
        16,
        fixed,
        *(binary.text(column) for column in (*texts, *nullable)),
        binary.integers(rows.item_version),
        binary.integers(rows.position),
    )


def write_log(connection: Connection, packed: bytes) -> None:
    """Append to the interaction log."""
    with connection.cursor() as cursor, cursor.copy(_SQL["copy_interactions"]) as copy:
        copy.write(packed)


def write_pending(
    connection: Connection, log_id: int, rows: LogRows, recorded_at: datetime
) -> None:
    """Keep the events of a log whose item is unknown until it arrives."""
    with connection.cursor() as cursor, cursor.copy(_SQL["copy_pending"]) as copy:
        for row, version in enumerate(rows.item_version):
            if version is None:
                copy.write_row(
                    (
                        log_id,
                        int(rows.partition[row]),
                        int(rows.offset[row]),
                        recorded_at,
                        rows.user_id[row],
                        rows.item_id[row],
                        time_of(int(rows.ts_us[row])),
                        float(rows.weight[row]),
                    )
                )


def write_dead_letters(
    connection: Connection, stream: Stream, letters: Sequence[DeadLetter], recorded_at: datetime
) -> None:
    """Keep messages of the stream's log that can't be applied, whole, with field and reason."""
    with connection.cursor() as cursor, cursor.copy(_SQL["copy_dead_letters"]) as copy:
        for letter in letters:
            place = (stream.log_id, letter.partition, letter.offset, stream.flow)
            copy.write_row((*place, *letter[2:], recorded_at))


def dead_letter_history(connection: Connection, stream: Stream, since: int) -> tuple[int, int, int]:
    """Dead letters of a stream in all, its first offset, and its dead letters from `since` on."""
    fields = {**_stream_fields(stream), "since": since}
    row = connection.execute(_SQL["dead_letter_history"], fields).fetchone()
    return row or (0, 0, 0)


def letters_retried(connection: Connection, letters: Sequence[LetterKey]) -> dict[LetterKey, bool]:
    """Of those letters that exist, whether they were brought back before."""
    rows = connection.execute(_SQL["letters_retried"], _letter_columns(letters))
    return {LetterKey(*key): retried for *key, retried in rows}


def mark_retried(connection: Connection, letters: Sequence[LetterKey]) -> int:
    """Note that letters are brought back now; returns of how many that was not noted before."""
    return connection.execute(_SQL["mark_retried"], _letter_columns(letters)).rowcount


def _letter_columns(letters: Sequence[LetterKey]) -> dict[str, list[int]]:
    return {
        "logs": [letter.log_id for letter in letters],
        "partitions": [letter.partition for letter in letters],
        "offsets": [letter.offset for letter in letters],
    }


def _stream_fields(stream: Stream) -> dict[str, object]:
    return {"flow": stream.flow, "log_id": stream.log_id, "partition": stream.partition}


def read_item_contents(
    connection: Connection, items: Sequence[str], dimension: int
) -> tuple[list[str], list[int], Mask, Floats]:
    """Of those items that are known: id, newest version, whether it has content, the contents.

    Returns:
        ids and versions (n), mask (n,), and float32 vectors (set places of the mask, d).
    """
    with connection.cursor(binary=True) as cursor:
        row: Any = cursor.execute(
            _SQL["item_contents"], {"items": binary.Array.text(items)}
        ).fetchone()
    names, versions, filled, contents = row
    vectors = np.frombuffer(contents or b"", binary.vector_type(dimension, ">f2"))["value"]
    return names or [], versions or [], np.array(filled or [], bool), vectors


def snapshot_horizon(connection: Connection) -> str:
    """The oldest transaction id that is still undecided: `changed_items` from it misses nothing."""
    row = connection.execute(_SQL["snapshot_horizon"]).fetchone()
    assert row is not None
    return str(row[0])


def changed_items(connection: Connection, since: str) -> list[str]:
    """Items that got a version since that `snapshot_horizon`."""
    return [item for (item,) in connection.execute(_SQL["changed_items"], {"since": since})]


def pending_items(connection: Connection, shares: int, mine: Sequence[int]) -> list[str]:
    """Items known by now for which events still wait, in partitions p with p % shares in mine."""
    fields = {"shares": shares, "mine": list(mine)}
    return [item for (item,) in connection.execute(_SQL["pending_items"], fields)]


def take_pending(
    connection: Connection, items: Sequence[str], shares: int, mine: Sequence[int], limit: int
) -> list[PendingEvent]:
    """Claim up to `limit` waiting events of these items, in offset order; each only once."""
    fields = {"items": list(items), "shares": shares, "mine": list(mine), "limit": limit}
    rows = connection.execute(_SQL["take_pending"], fields).fetchall()
    return sorted(PendingEvent(*row) for row in rows)


def resolve_interactions(
    connection: Connection, events: Sequence[PendingEvent], versions: Sequence[int]
) -> None:
    """Note in the log the item version that each formerly waiting event was added with."""
    connection.execute(
        _SQL["resolve_interactions"],
        {
            "logs": [event.log_id for event in events],
            "partitions": [event.partition for event in events],
            "offsets": [event.offset for event in events],
            "recorded": [event.recorded_at for event in events],
            "versions": list(versions),
        },
    )


def time_of(time_us: int) -> datetime:
    """Microseconds since 1970 as a datetime, exactly."""
    seconds, microseconds = divmod(time_us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)

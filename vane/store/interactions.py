"""What flows/interactions reads and writes: states, log, pending events, dead letters."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from vane.preference import HORIZON_EVENTS, Floats, Ints, Mask, States
from vane.store import binary
from vane.store.connection import Connection
from vane.store.dead_letters import LetterKey
from vane.store.positions import Stream
from vane.store.sql import load_queries

_SQL = load_queries("interactions")


@dataclass(slots=True)
class LogRows:
    """Rows of the interaction log, by column."""

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

    offset: int
    field: str
    reason: str
    key: bytes | None
    payload: bytes | None


def prepare(connection: Connection) -> None:
    """Make the session's staging table."""
    connection.execute(_SQL["size_stage"])
    connection.execute(_SQL["create_stage"])
    connection.execute(_SQL["plain_stage"])


def read_states(
    connection: Connection, users: Sequence[str], dimension: int
) -> tuple[States, Ints, dict[str, str]]:
    """The states of `users`, one row each in their order, the generation of each, and aliases.

    A new user's state is empty, its version and generation 0. Of the users who were merged into
    others, the last part says into whom.
    """
    states, generation = States.empty(len(users), dimension), np.zeros(len(users), np.int64)
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_SQL["read_states"], {"users": list(users)}).fetchall()
    if not rows:
        return states, generation, {}
    columns = tuple(zip(*rows, strict=True))
    names, long, short, mass_long, mass_short, as_of, version, events, digest, recent = columns[:-2]
    place = {user: row for row, user in enumerate(users)}
    found = [place[name] for name in names]
    generation[found] = columns[-2]
    vectors = [binary.read_vectors(cells, ">f4", dimension) for cells in (long, short)]
    states.put(
        found,
        States(
            vectors=np.stack(vectors, axis=1),
            masses=np.column_stack((mass_long, mass_short)),
            as_of_us=np.array(as_of, np.int64),
            version=np.array(version, np.int64),
            events=np.array(events, np.int64),
            event_hash=np.array(digest, np.int64).view(np.uint64),
            recent=np.frombuffer(b"".join(recent), "<u8").reshape(-1, HORIZON_EVENTS),
        ),
    )
    merged = zip(names, columns[-1], strict=True)
    return states, generation, {name: account for name, account in merged if account is not None}


def write_states(
    connection: Connection, users: Sequence[str], states: States, generation: int
) -> list[str]:
    """Write states of a generation, computed from the version before theirs; `users` ascend.

    Returns the users that were refused. A refused row has a newer version by another writer. It is
    locked by this transaction now: read it, compute again, and call this again with the refused
    users alone.
    """
    assert all(map(operator.lt, users, users[1:])), "the order of locks"
    names = binary.padded_text(users)
    blob = np.dtype((np.void, 8 * HORIZON_EVENTS))
    vector = binary.vector_type(states.vectors.shape[2])
    data = binary.fixed_rows(
        [
            (names.dtype, names),
            (vector, states.vectors[:, 0]),
            (vector, states.vectors[:, 1]),
            (">f8", states.masses[:, 0]),
            (">f8", states.masses[:, 1]),
            (">i8", binary.timestamps(states.as_of_us)),
            (">i8", states.version),
            (">i8", states.events),
            (">i8", states.event_hash.view(np.int64)),
            (blob, np.ascontiguousarray(states.recent, "<u8").view(blob)[:, 0]),
            (">i4", generation),
        ],
        len(states),
    )
    _copy(connection, "copy_stage", binary.HEADER, data, binary.TRAILER)
    written = connection.execute(_SQL["upsert_states"]).rowcount
    if written == len(users):
        return []
    fields = {"users": list(users)}
    refused = [user for (user,) in connection.execute(_SQL["refused_users"], fields).fetchall()]
    connection.execute(_SQL["clear_stage"])
    return sorted(refused)


def adjust_counts(connection: Connection, stream: Stream, *, moved: int, clamped: int) -> None:
    """Count `moved` events as duplicates instead of applied, `clamped` of them fewer as clamped."""
    connection.execute(
        _SQL["adjust_counts"],
        {**_stream_fields(stream), "moved": moved, "clamped": clamped},
    )


def write_log(connection: Connection, stream: Stream, rows: LogRows, recorded_at: datetime) -> None:
    """Append to the interaction log."""
    count = len(rows.offset)
    recorded_us = round(recorded_at.timestamp() * 1e6)
    head = binary.fixed(
        [
            (">i4", stream.log_id),
            (">i4", stream.partition),
            (">i8", rows.offset),
            (">i8", recorded_us - binary.PG_EPOCH_US),
        ],
        count,
    )
    time_and_weight = binary.fixed(
        [(">i8", binary.timestamps(rows.ts_us)), (">f4", rows.weight)], count
    )
    flags = binary.fixed([("?", rows.excludes), (">i2", rows.item_slot)], count)
    names = (rows.event_id, rows.user_id, rows.item_id, rows.action)
    data = binary.copy_data(
        16,
        head,
        *(binary.text(column) for column in names),
        time_and_weight,
        binary.integers(rows.item_version),
        flags,
        binary.text(rows.session_id),
        binary.text(rows.request_id),
        binary.integers(rows.position),
    )
    _copy(connection, "copy_interactions", data)


def write_pending(
    connection: Connection, stream: Stream, rows: LogRows, recorded_at: datetime
) -> None:
    """Keep the events of a log whose item is unknown until it arrives."""
    with connection.cursor() as cursor, cursor.copy(_SQL["copy_pending"]) as copy:
        for row, version in enumerate(rows.item_version):
            if version is None:
                copy.write_row(
                    (
                        stream.log_id,
                        stream.partition,
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
    """Keep messages that can't be applied, whole, with field and reason."""
    with connection.cursor() as cursor, cursor.copy(_SQL["copy_dead_letters"]) as copy:
        for letter in letters:
            place = (stream.log_id, stream.partition, letter.offset, stream.flow)
            copy.write_row((*place, *letter[1:], recorded_at))


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
        rows: list[Any] = cursor.execute(_SQL["item_contents"], {"items": list(items)}).fetchall()
    cells = [cell for _, _, cell in rows if cell is not None]
    vectors = binary.read_vectors(cells, ">f2", dimension)
    filled = np.array([cell is not None for _, _, cell in rows], bool)
    return [row[0] for row in rows], [row[1] for row in rows], filled, vectors


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


def _copy(connection: Connection, query: str, *data: bytes | memoryview) -> None:
    with connection.cursor() as cursor, cursor.copy(_SQL[query]) as copy:
        for part in data:
            copy.write(part)

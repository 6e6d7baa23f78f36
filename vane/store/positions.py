"""Logs and positions: which log a flow reads, where it stands, and who may advance it."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from vane.errors import Fenced, OperatorNeeded
from vane.store.connection import Connection
from vane.store.sql import load_queries

_SQL = load_queries("positions")


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """A Kafka topic as it exists now: a recreated topic has a new `topic_id`."""

    cluster_id: str
    topic: str
    topic_id: str


@dataclass(frozen=True, slots=True)
class Stream:
    """One partition of one log, as one flow reads it: the key of `stream_position`."""

    flow: str
    log_id: int
    partition: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the offsets of a chunk; without `clamped` they add up to its span."""

    applied: int = 0
    dead_lettered: int = 0
    duplicates: int = 0
    erased: int = 0
    empty: int = 0
    clamped: int = 0


def open_log(connection: Connection, topic: TopicIdentity) -> int:
    """The id of the topic's log; a new log is opened where there is none. For operators only."""
    row = connection.execute(_SQL["open_log"], _fields(topic)).fetchone()
    assert row is not None
    return int(row[0])


def find_log(connection: Connection, topic: TopicIdentity) -> int:
    """The id of the topic's log; the first log of a name is opened by itself.

    Raises:
        OperatorNeeded: the name had another topic before, so it was recreated.
    """
    row = connection.execute(_SQL["find_log"], _fields(topic)).fetchone()
    if row is not None:
        return int(row[0])
    others = connection.execute(_SQL["other_logs"], _fields(topic)).fetchone()
    if others is not None and others[0]:
        raise recreated(topic)
    return open_log(connection, topic)


def recreated(topic: TopicIdentity) -> OperatorNeeded:
    """The refusal of a topic whose name had another topic before."""
    return OperatorNeeded(
        f"topic {topic.topic!r} was recreated: its id is now {topic.topic_id}, which was never "
        f"read here; to start on it from its beginning: vane accept-log {topic.topic}"
    )


def find_position(connection: Connection, stream: Stream) -> int | None:
    """The next offset of a stream, None where it was never read."""
    row = connection.execute(_SQL["read_position"], _fields(stream)).fetchone()
    return None if row is None else int(row[0])


def take_position(
    connection: Connection, stream: Stream, *, start: int, owner: str
) -> tuple[int, int]:
    """Become the stream's owner and fence off all owners before; returns (next offset, epoch).

    A stream that was never read begins at offset `start`. An owner frozen inside a transaction
    holds the row's lock: after the lock time-out its backend is terminated.
    """
    fields = {**_fields(stream), "start": start, "owner": owner}
    while True:
        try:
            connection.execute(_SQL["create_position"], fields)
            row = connection.execute(_SQL["take_position"], fields).fetchone()
        except psycopg.errors.LockNotAvailable:
            holder = connection.execute(_SQL["position_holder"], fields).fetchone()
            if holder is not None:
                connection.execute(_SQL["terminate_backend"], {"pid": holder[0]})
            continue
        assert row is not None
        return int(row[0]), int(row[1])


def advance_position(
    connection: Connection,
    stream: Stream,
    *,
    epoch: int,
    previous: int,
    next_offset: int,
    end_offset: int,
    counts: Counts,
) -> None:
    """First statement of every chunk's transaction: the fence.

    Raises:
        Fenced: another worker owns the stream, or the chunk was applied already.
    """
    fields = {
        **_fields(stream),
        **_fields(counts),
        "epoch": epoch,
        "previous": previous,
        "next": next_offset,
        "end": end_offset,
    }
    if connection.execute(_SQL["advance_position"], fields).rowcount != 1:
        raise Fenced(
            f"{stream.flow}: log {stream.log_id} partition {stream.partition} at offset {previous} "
            f"is no longer ours (epoch {epoch})",
            (stream.flow, stream.log_id, stream.partition),
        )


def note_fenced(connection: Connection, fenced: Fenced) -> None:
    """Count a worker that was fenced off, in the row that it has lost; its transaction is over."""
    if fenced.stream is not None:
        connection.execute(_SQL["note_fenced"], _fields(Stream(*fenced.stream)))


def unread_messages(connection: Connection, flows: Sequence[str]) -> dict[str, int]:
    """Messages of each topic's newest log that were known and not read yet: a lower bound.

    Args:
        connection: to the migrated database.
        flows: the flows that read from Kafka.
    """
    rows = connection.execute(_SQL["unread"], {"flows": list(flows)}).fetchall()
    return {topic: int(count) for topic, count in rows}


def log_positions(connection: Connection, log_id: int) -> dict[str, dict[int, int]]:
    """The next offset of every flow in every partition of a log: flow → partition → offset."""
    positions: dict[str, dict[int, int]] = {}
    for flow, partition, offset in connection.execute(_SQL["log_positions"], {"log_id": log_id}):
        positions.setdefault(flow, {})[partition] = offset
    return positions


def accept_gap(connection: Connection, stream: Stream, next_offset: int) -> int:
    """Let a stream go on at `next_offset`, behind offsets that are gone; they count as skipped.

    Returns:
        how many were skipped; 0 where there is no gap.
    """
    before = find_position(connection, stream)
    fields = {**_fields(stream), "next": next_offset}
    if before is None or connection.execute(_SQL["accept_gap"], fields).rowcount == 0:
        return 0
    return next_offset - before


def _fields(row: TopicIdentity | Stream | Counts) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__slots__}

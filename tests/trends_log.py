"""A log of interactions without flows/interactions, and flows/trends without Bytewax."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

from flows.log_reader import LogReader
from flows.trends import TrendsWriter
from vane.interaction import TREND_SLOTS, item_slot
from vane.store.connection import Connection
from vane.store.positions import TopicIdentity, open_log

START = datetime(2026, 3, 1, tzinfo=UTC)
ALL_SLOTS = list(range(TREND_SLOTS))
PARTITIONS = 3


class Logged(NamedTuple):
    item: str
    weight: float
    ts: datetime
    user: str = ""  # each event by a user of its own


class Log:
    """Stands for flows/interactions: writes log rows together with its position."""

    def __init__(self, connection: Connection, topic_id: str = "1") -> None:
        self._connection = connection
        self.log_id = open_log(connection, TopicIdentity("test", "user-interactions", topic_id))
        self._next = dict.fromkeys(range(PARTITIONS), 10)
        self.events: list[Logged] = []

    def append(self, partition: int, events: list[Logged], *, empty: int = 0) -> None:
        """Commit events at the next offsets, behind `empty` offsets without any."""
        first = self._next[partition] + empty
        self._next[partition] = first + len(events)
        with self._connection.transaction():
            self._connection.execute(
                "insert into stream_position (flow, log_id, partition, start_offset, next_offset) "
                "values ('interactions', %s, %s, 10, 10) on conflict do nothing",
                [self.log_id, partition],
            )
            self._connection.execute(
                "update stream_position set next_offset = %s, applied = applied + %s, "
                "empty = empty + %s "
                "where flow = 'interactions' and log_id = %s and partition = %s",
                [first + len(events), len(events), empty, self.log_id, partition],
            )
            self.insert(partition, first, events)
        self.events += events

    def insert(self, partition: int, first: int, events: list[Logged]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(
                'insert into interaction (log_id, partition, "offset", recorded_at, event_id, '
                "user_id, item_id, action, ts, weight, excludes, item_slot) "
                "values (%s, %s, %s, now(), %s, %s, %s, 'view', %s, %s, false, %s)",
                [
                    (
                        self.log_id,
                        partition,
                        first + i,
                        f"e{i}",
                        user or f"user-{self.log_id}-{partition}-{first + i}",
                        item,
                        ts,
                        weight,
                        item_slot(item),
                    )
                    for i, (item, weight, ts, user) in enumerate(events)
                ],
            )


def some_events(count: int, seed: int) -> list[Logged]:
    random = Random(seed)
    return [
        Logged(
            item=f"item-{min(int(random.expovariate(0.1)), 60)}",
            weight=random.choice([1.0, 2.0, 8.0, 0.0, -4.0]),
            ts=START + timedelta(seconds=random.uniform(0, 5e5)),
        )
        for _ in range(count)
    ]


class Process(LogReader):
    """One process of the flow without Bytewax; neighbours are flushed with every batch."""

    def __init__(
        self, connection: Connection, slots: list[int] = ALL_SLOTS, owner: str = "test"
    ) -> None:
        super().__init__(connection, slots, owner)
        self.write = TrendsWriter(connection, 0.0).write


def catch_up(connection: Connection, slots: list[int] = ALL_SLOTS) -> int:
    """Read and flush to the end; returns the number of batches."""
    process, batches = Process(connection, slots), 0
    while batch := process.read_batch():
        process.write(batch)
        batches += 1
    return batches

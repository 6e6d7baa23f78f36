"""Events per second through flows/interactions, as a share of a bare loop's.

    python -m benchmarks.flows --processes 1 2 4 --runs 5

The floor consumes the same topic, decodes with msgspec, and writes the same rows in the same
transactions over the same functions of the store: vectors, log, position. It knows no Bytewax, no
validation, no duplicates, no decay, and reads nothing. Both run on fresh databases, in turn,
nothing else beside them.
"""

import argparse
import json
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.processes import VANE, cpu_s, running, wait_passed
from benchmarks.report import machine as this_machine
from benchmarks.report import ratios, spread, table
from benchmarks.servers import Servers, servers
from schemas.events import InteractionEvent
from vane.interaction import item_slot
from vane.kafka_admin import create_topics, describe_topic
from vane.preference import States
from vane.settings import Settings, load_settings
from vane.store import binary
from vane.store import interactions as store
from vane.store import states as state_store
from vane.store.connection import Connection, connect
from vane.store.partitions import ensure_log_partitions
from vane.store.positions import Counts, Stream, advance_position, open_log, take_position

TOPIC = "user-interactions"
CHUNK_MESSAGES = 5_000
DIMENSION = 384
FILLED = "filled"


@dataclass(frozen=True, slots=True)
class Load:
    """So many events; half of the users Zipf, half uniform, unless `zipf` says otherwise."""

    events: int = 300_000
    users: int = 200_000
    items: int = 50_000
    partitions: int = 1
    zipf: float = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """One run, without what came before its first commit."""

    events_s: float
    cpu_us: float
    """Of the measured processes an event, that of the servers left out."""
    all_cpu_us: float
    """With the servers: where cores are short, this decides."""
    wal_kb: float
    """An event."""


def produce(bootstrap: str, load: Load) -> None:
    """The same events for every run."""
    create_topics(bootstrap, {TOPIC: load.partitions})
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "log_level": 0})
    rng = np.random.default_rng(1)
    zipf = np.minimum(rng.zipf(1.3, load.events), load.users) - 1
    uniform = rng.integers(0, load.users, load.events)
    users = np.where(rng.random(load.events) < load.zipf, zipf, uniform).tolist()
    items = rng.integers(0, load.items, load.events).tolist()
    now_ms = round(time.time() * 1e3)
    for number, (user, item) in enumerate(zip(users, items, strict=True)):
        event = {
            "event_id": f"event-{number}",
            "user_id": f"user-{user}",
            "item_id": f"item-{item}",
            "action": random.choice(["view", "click", "like"]),
            "ts": now_ms - load.events + number,
        }
        partition = user % load.partitions
        while True:
            try:
                producer.produce(TOPIC, json.dumps(event), event["user_id"], partition)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()


def fill_items(connection: Connection, count: int) -> None:
    """Random unit vectors as item versions."""
    contents = np.random.default_rng(2).normal(size=(count, DIMENSION))
    contents /= np.linalg.norm(contents, axis=1, keepdims=True)
    vector = binary.vector_type(DIMENSION, ">f2")
    rows = binary.copy_data(
        3,
        binary.text(f"item-{number}" for number in range(count)),
        binary.fixed([(">i4", 1), (vector, contents)], count),
    )
    with connection.cursor() as cursor:
        query = "copy item_version (item_id, version, content) from stdin (format binary)"
        with cursor.copy(query) as copy:
            copy.write(rows)
    connection.execute("analyze item_version")


def chunks(bootstrap: str, partition: int) -> Iterator[list[bytes]]:
    """The partition from its start, as the flow's source reads it."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "floor",
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,
            "queued.min.messages": 20_000,
        }
    )
    consumer.assign([TopicPartition(TOPIC, partition, 0)])
    ended = False
    while not ended:
        messages = consumer.consume(CHUNK_MESSAGES, timeout=0.05)
        ended = any(message.error() for message in messages)
        values = [message.value() for message in messages if not message.error()]
        if values:
            yield values
    consumer.close()


def floor(settings: Settings, partition: int) -> None:
    """The bare loop over one partition."""
    decode = msgspec.json.Decoder(InteractionEvent).decode
    pool, rng = random_states(2 * CHUNK_MESSAGES), np.random.default_rng()
    versions: dict[str, int] = {}
    identity, _ = describe_topic(settings.kafka_bootstrap, TOPIC)
    with connect(settings, "floor") as connection:
        vector = state_store.vector_oid(connection)
        log_id = open_log(connection, identity)
        stream = Stream("interactions", log_id, partition)
        offset, epoch = take_position(connection, stream, start=0, owner="floor")
        for values in chunks(settings.kafka_bootstrap, partition):
            events = [decode(value) for value in values]
            users = sorted({event.user_id for event in events})
            start = rng.integers(CHUNK_MESSAGES)
            states = pool.take(slice(start, start + len(users)))
            for row, user in enumerate(users):
                states.version[row] = versions[user] = versions.get(user, 0) + 1
            count, end = len(events), offset + len(events)
            with connection.transaction():
                advance_position(
                    connection,
                    stream,
                    epoch=epoch,
                    previous=offset,
                    next_offset=end,
                    end_offset=end,
                    counts=Counts(applied=count),
                )
                packed = state_store.pack_states(users, states, 1, vector)
                assert state_store.write_states(connection, packed) == []
                rows = log_rows(events, offset, partition)
                store.write_log(connection, store.pack_log(log_id, rows, datetime.now(UTC)))
            offset = end


def random_states(count: int) -> States:
    """Real vectors: what of a row has not changed would not be written to the WAL again."""
    states = States.empty(count, DIMENSION)
    states.vectors[:] = np.random.default_rng(3).normal(size=(count, 1, DIMENSION))
    states.as_of_us[:] = round(time.time() * 1e6)
    return states


def log_rows(events: list[InteractionEvent], offset: int, partition: int) -> store.LogRows:
    """The log rows of plain events."""
    count = len(events)
    return store.LogRows(
        partition=np.full(count, partition),
        offset=np.arange(offset, offset + count),
        event_id=[event.event_id for event in events],
        user_id=[event.user_id for event in events],
        item_id=[event.item_id for event in events],
        action=[event.action for event in events],
        ts_us=np.full(count, round(time.time() * 1e6)),
        weight=np.ones(count, np.float32),
        item_version=[1] * count,
        excludes=np.zeros(count, bool),
        item_slot=np.array([item_slot(event.item_id) for event in events]),
        session_id=[None] * count,
        request_id=[None] * count,
        position=[None] * count,
    )


@contextmanager
def filled(machine: Servers, load: Load) -> Iterator[None]:
    """Within, `machine.database(…, FILLED)` has the items."""
    with machine.database(FILLED) as settings:
        with connect(settings, "benchmark") as connection:
            fill_items(connection, load.items)
            ensure_log_partitions(connection, datetime.now(UTC).date())
        yield


def measure(machine: Servers, settings: Settings, name: str, load: Load) -> Measured:
    """`floor` or `flow`, one process a partition, nothing else running."""
    if name == "flow":
        commands = [[*VANE, "flow", "interactions", "--processes", str(load.partitions)]]
    else:
        command = [sys.executable, "-m", "benchmarks.flows", "--floor"]
        commands = [[*command, str(partition)] for partition in range(load.partitions)]
    with connect(settings, "benchmark") as connection:
        connection.execute("checkpoint")
        with running(commands, settings) as processes:
            began, first = wait_passed(connection, "interactions", 1, processes)
            used, wal = processes.cpu_s(), wal_bytes(connection)
            served = cpu_s(machine.pids)
            ended, _ = wait_passed(connection, "interactions", load.events, processes)
            used, wal = processes.cpu_s() - used, wal_bytes(connection) - wal
            served = cpu_s(machine.pids) - served
    events = load.events - first
    return Measured(
        events / (ended - began),
        1e6 * used / events,
        1e6 * (used + served) / events,
        wal / 1e3 / events,
    )


def wal_bytes(connection: Connection) -> int:
    """Where the write-ahead log ends."""
    row = connection.execute("select pg_current_wal_lsn() - '0/0'").fetchone()
    assert row is not None
    return int(row[0])


def in_turn(machine: Servers, load: Load, runs: int) -> dict[str, list[Measured]]:
    """Floor and flow on fresh databases, one after the other."""
    measured: dict[str, list[Measured]] = {"floor": [], "flow": []}
    produce(machine.kafka, load)
    with filled(machine, load):
        for _ in range(runs):
            for name, results in measured.items():
                with machine.database(name, FILLED) as settings:
                    results.append(measure(machine, settings, name, load))
    return measured


def interactions_table(load: Load, processes: list[int], runs: int) -> str:
    """Both as Markdown, for each number of processes."""
    rows, single = [], 0.0
    for count in processes:
        with servers() as machine:
            measured = in_turn(machine, replace(load, partitions=count), runs)
        rates = {name: [each.events_s for each in runs] for name, runs in measured.items()}
        single = single or statistics.median(rates["flow"])
        rows.append(
            [
                str(count),
                spread(rates["floor"]),
                spread(rates["flow"]),
                ratios(rates["flow"], rates["floor"]),
                f"{statistics.median(rates['flow']) / single:.2f}",
                *(spread([each.cpu_us for each in runs], 1) for runs in measured.values()),
                *(spread([each.all_cpu_us for each in runs], 1) for runs in measured.values()),
            ]
        )
    header = ["processes", "floor, events/s", "flow, events/s", "ratio", "speed-up"]
    names = ["floor", "flow"]
    used = [f"{name}, CPU µs{what}" for what in ("", " with servers") for name in names]
    return table([*header, *used], rows)


def main() -> None:
    """Measure in turn and print one table."""
    parser, given = argparse.ArgumentParser(description=__doc__.split("\n")[0]), Load()
    parser.add_argument("--events", type=int, default=given.events)
    parser.add_argument("--users", type=int, default=given.users)
    parser.add_argument("--items", type=int, default=given.items)
    parser.add_argument("--processes", type=int, nargs="+", default=[1])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--floor", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor is not None:
        floor(load_settings(os.environ), options.floor)
        signal.pause()
    load = Load(options.events, options.users, options.items)
    print(f"{this_machine()}; {options.runs} runs of {load.events:,} events\n")
    print(interactions_table(load, options.processes, options.runs))


if __name__ == "__main__":
    main()

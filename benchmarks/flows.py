"""Events per second through flows/interactions, as a share of a bare loop's.

    python benchmarks/flows.py --events 300000 --processes 1 --runs 3

The floor consumes the same topic, decodes with msgspec, and writes the same rows in the same
transactions over the same functions of the store: vectors, log, position. It knows no Bytewax, no
validation, no duplicates, no decay. Both run on fresh databases, in turn, nothing else beside them.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.servers import Servers, servers
from schemas.events import InteractionEvent
from vane.interaction import item_slot
from vane.kafka_admin import create_topics, describe_topic
from vane.preference import States
from vane.settings import Settings, variable
from vane.store import interactions as store
from vane.store.connection import Connection, connect
from vane.store.partitions import ensure_log_partitions
from vane.store.positions import Counts, Stream, advance_position, open_log, take_position

TOPIC = "user-interactions"
CHUNK_MESSAGES = 5_000
DIMENSION = 384


def produce(bootstrap: str, options: argparse.Namespace) -> None:
    """The same events for every run: half of the users Zipf, half uniform."""
    create_topics(bootstrap, {TOPIC: options.processes})
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20})
    rng = np.random.default_rng(1)
    zipf = np.minimum(rng.zipf(1.3, options.events), options.users) - 1
    uniform = rng.integers(0, options.users, options.events)
    users = np.where(rng.random(options.events) < 0.5, zipf, uniform).tolist()
    items = rng.integers(0, options.items, options.events).tolist()
    now_ms = round(time.time() * 1e3)
    for number, (user, item) in enumerate(zip(users, items, strict=True)):
        event = {
            "event_id": f"event-{number}",
            "user_id": f"user-{user}",
            "item_id": f"item-{item}",
            "action": random.choice(["view", "click", "like"]),
            "ts": now_ms - options.events + number,
        }
        partition = user % options.processes
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
    rng = np.random.default_rng(2)
    with connection.cursor() as cursor:
        copying = cursor.copy("copy item_version (item_id, version, content) from stdin")
        with copying as copy:
            for number in range(count):
                vector = rng.normal(size=DIMENSION)
                vector /= np.linalg.norm(vector)
                copy.write_row((f"item-{number}", 1, str(np.round(vector, 4).tolist())))
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
    zeros = States.empty(CHUNK_MESSAGES, DIMENSION)
    zeros.as_of_us[:] = round(time.time() * 1e6)
    versions: dict[str, int] = {}
    identity, _ = describe_topic(settings.kafka_bootstrap, TOPIC)
    with connect(settings, "floor") as connection:
        vector = store.vector_oid(connection)
        log_id = open_log(connection, identity)
        stream = Stream("interactions", log_id, partition)
        offset, epoch = take_position(connection, stream, start=0, owner="floor")
        for values in chunks(settings.kafka_bootstrap, partition):
            events = [decode(value) for value in values]
            users = sorted({event.user_id for event in events})
            states = zeros.take(slice(0, len(users)))
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
                packed = store.pack_states(users, states, 1, vector)
                assert store.write_states(connection, packed) == []
                rows = log_rows(events, offset, partition)
                store.write_log(connection, store.pack_log(log_id, rows, datetime.now(UTC)))
            offset = end


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


def run_processes(
    settings: Settings, commands: list[list[str]], events: int
) -> tuple[float, float]:
    """Events a second behind the first committed chunk, and CPU µs of the processes an event."""
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    for name in ("database_url", "redis_url", "kafka_bootstrap", "fetch_wait_ms"):
        environ[variable(name)] = str(getattr(settings, name))
    running = [
        subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) for command in commands
    ]
    try:
        with connect(settings, "benchmark") as connection:
            began, first = wait_until(connection, 1)
            used = sum(cpu_s(process) for process in running)
            ended, _ = wait_until(connection, events)
            used = sum(cpu_s(process) for process in running) - used
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait()
    return (events - first) / (ended - began), 1e6 * used / (events - first)


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds of a process so far."""
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def wait_until(connection: Connection, offset: int) -> tuple[float, int]:
    """When the positions' sum has reached an offset, and how far it was then."""
    while True:
        row = connection.execute("select sum(next_offset)::bigint from stream_position").fetchone()
        if row and row[0] and row[0] >= offset:
            return time.perf_counter(), row[0]
        time.sleep(0.005)


def measure(machine: Servers, name: str, options: argparse.Namespace) -> tuple[float, float]:
    """Events a second and CPU µs an event of `floor` or `flow`."""
    with machine.database(name) as settings:
        with connect(settings, "benchmark") as connection:
            fill_items(connection, options.items)
            ensure_log_partitions(connection, datetime.now(UTC).date())
            connection.execute("checkpoint")
        if name == "flow":
            command = [sys.executable, "-m", "vane", "flow", "interactions"]
            commands = [
                [*command, "--share", f"{index}/{options.processes}"]
                for index in range(options.processes)
            ]
        else:
            commands = [
                [sys.executable, __file__, "--floor", str(index)]
                for index in range(options.processes)
            ]
        return run_processes(settings, commands, options.events)


def main() -> None:
    """Measure in turn and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--floor", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor is not None:
        from vane.settings import load_settings  # noqa: PLC0415 - in a child of this benchmark

        floor(load_settings(os.environ), options.floor)
        signal.pause()
    rates: dict[str, list[float]] = {"floor": [], "flow": []}
    costs: dict[str, list[float]] = {"floor": [], "flow": []}
    with servers() as machine:
        produce(machine.kafka, options)
        for _ in range(options.runs):
            for name, measured in rates.items():
                rate, cost = measure(machine, name, options)
                measured.append(rate)
                costs[name].append(cost)
    print(
        f"{options.events} events, {options.processes} process(es), events/s of {options.runs} runs"
    )
    for name, measured in rates.items():
        low, middle, high = min(measured), statistics.median(measured), max(measured)
        cost = statistics.median(costs[name])
        print(f"{name:8}{middle:10,.0f}   ({low:,.0f} to {high:,.0f}), {cost:.1f} µs CPU an event")
    ratios = [flow / bare for flow, bare in zip(rates["flow"], rates["floor"], strict=True)]
    print(
        f"{'ratio':8}{statistics.median(ratios):10.2f}   ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()

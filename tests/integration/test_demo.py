"""Loading the demo catalogue through a real broker; what reads it there has no model."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from msgspec import structs

from vane.catalogue import apply_update, parse_update
from vane.cli.demo import MARKER, TOPIC, DemoLoader
from vane.demo import demo_items
from vane.kafka_admin import create_topics, describe_topic
from vane.settings import Settings
from vane.store.catalog import ItemRow, delete_items, item_transaction, write_items
from vane.store.connection import Connection, connect
from vane.store.positions import Counts, Stream, advance_position, open_log, take_position

DEMO = [item.item_id for item in demo_items(date(2026, 1, 1))]
TOTAL = len(DEMO)


class Catalog:
    """Stands for flows/catalog: writes every item of the topic, without a content."""

    def __init__(self, settings: Settings) -> None:
        create_topics(settings.kafka_bootstrap, {TOPIC: 2})
        identity, self._partitions = describe_topic(settings.kafka_bootstrap, TOPIC)
        self._settings, self._stop = settings, threading.Event()
        with connect(settings, "tests") as connection:
            self._log_id = open_log(connection, identity)
        self.read = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        group = {"bootstrap.servers": self._settings.kafka_bootstrap, "group.id": "none"}
        consumer = Consumer({**group, "enable.auto.commit": False})
        consumer.assign([TopicPartition(TOPIC, p, 0) for p in self._partitions])
        with connect(self._settings, "tests") as connection:
            streams = {p: Stream("catalog", self._log_id, p) for p in self._partitions}
            places = {
                p: take_position(connection, stream, start=0, owner="test")
                for p, stream in streams.items()
            }
            while not self._stop.is_set():
                batches: dict[int, list[tuple[int, bytes]]] = {}
                for message in consumer.consume(500, timeout=0.1):
                    at, value = (message.partition(), message.offset()), message.value()
                    assert isinstance(value, bytes)
                    batches.setdefault(at[0] or 0, []).append((at[1] or 0, value))
                for p, batch in batches.items():
                    places[p] = self._apply(connection, streams[p], places[p], batch)
        consumer.close()

    def _apply(
        self,
        connection: Connection,
        stream: Stream,
        place: tuple[int, int],
        batch: list[tuple[int, bytes]],
    ) -> tuple[int, int]:
        fresh = [(offset, value) for offset, value in batch if offset >= place[0]]
        if not fresh:
            return place
        rows = []
        for _, value in fresh:
            item = apply_update(None, parse_update(value))
            assert item is not None
            rows.append(ItemRow(**structs.asdict(item), text_hash=1, new_content=True))
        following = fresh[-1][0] + 1
        with item_transaction(connection):
            advance_position(
                connection,
                stream,
                epoch=place[1],
                previous=place[0],
                next_offset=following,
                end_offset=following,
                counts=Counts(applied=len(fresh)),
            )
            write_items(connection, rows)
        self.read += len(fresh)
        return following, place[1]


class Terminal:
    """What the loader says."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.progress: list[str] = []

    @contextmanager
    def live_line(self) -> Iterator[Callable[[str], None]]:
        yield self.progress.append


def load(settings: Settings, folder: Path, *, stopped: bool = False) -> Terminal:
    terminal = Terminal()
    DemoLoader(settings, folder, terminal.lines.append, terminal.live_line, lambda: stopped).load()
    return terminal


def items(connection: Connection) -> int:
    """Of the demo: others' tests use the topic, too."""
    found = "select count(*) from item where item_id = any(%s)"
    row = connection.execute(found, [DEMO]).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def catalog(settings: Settings) -> Iterator[Catalog]:
    stand_in = Catalog(settings)
    with stand_in.running():
        yield stand_in


def test_loads_once_and_leaves_alone_what_was_deleted(
    settings: Settings, catalog: Catalog, connection: Connection, tmp_path: Path
) -> None:
    first = load(settings, tmp_path)
    assert items(connection) == TOTAL
    assert first.lines[0] == (
        f"Demo catalogue: {TOTAL:,} items are being embedded, use Vane meanwhile"
    )
    assert first.lines[1].startswith(f"Demo catalogue: {TOTAL:,} items embedded in ")
    assert first.progress[-1].startswith(f"Demo catalogue: {TOTAL:,} of {TOTAL:,} items embedded, ")
    assert any(text.startswith("Demo catalogue: 64 of ") for text in first.progress)
    read = catalog.read

    delete_items(connection, ["car-0001-skoda-scala"])
    again = load(settings, tmp_path)
    assert (again.lines, again.progress) == ([], [])
    assert (items(connection), catalog.read) == (TOTAL - 1, read)


def test_a_cut_off_start_is_made_up_for_with_what_is_missing(
    settings: Settings, catalog: Catalog, connection: Connection, tmp_path: Path
) -> None:
    load(settings, tmp_path)
    read = catalog.read
    delete_items(connection, ["car-0001-skoda-scala", "film-1942-casablanca"])
    (tmp_path / MARKER).unlink()
    assert "2 items are being embedded" in load(settings, tmp_path).lines[0]
    assert (items(connection), catalog.read) == (TOTAL, read + 2)
    assert (tmp_path / MARKER).exists()


def test_a_stop_leaves_the_rest_to_the_next_start(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    stopped = load(settings, tmp_path, stopped=True)
    assert len(stopped.lines) == 1
    assert not (tmp_path / MARKER).exists()

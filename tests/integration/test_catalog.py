"""CatalogWriter on real PostgreSQL, with a small deterministic encoder instead of MiniLM."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np
import pytest
import redis
import xxhash

from flows import catalog_writer
from flows.catalog_batch import split
from flows.catalog_writer import CatalogWriter
from flows.kafka import Chunk
from flows.meter import FlowMeter
from vane.bus import CATALOG, Publisher
from vane.embedding import DIMENSIONS, Vectors
from vane.errors import Fenced
from vane.settings import Settings
from vane.store.catalog import ItemsChanged, item_transaction
from vane.store.connection import Connection, connect
from vane.store.positions import Stream, TopicIdentity, open_log, take_position

Value = dict[str, object] | bytes | None


class CountingEncoder:
    """Unit rows by a hash of the text; remembers every text; `nil` has no content."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, texts: list[str]) -> Vectors:
        self.texts += texts
        rows = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in zip(rows, texts, strict=True):
            if text != "nil":
                row[xxhash.xxh3_64_intdigest(text.encode()) % DIMENSIONS] = 1
        return rows


class Log:
    """One partition of `product-updates`, of which the chunks are made here."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        log_id = open_log(connection, TopicIdentity("test", "product-updates", "1"))
        self.stream = Stream("catalog", log_id, 0)
        self.offset, self.epoch = take_position(connection, self.stream, start=0, owner="test")

    def chunk(self, *values: Value, keys: list[bytes | None] | None = None) -> Chunk:
        raw = [msgspec.json.encode(v) if isinstance(v, dict) else v for v in values]
        first, self.offset = self.offset, self.offset + len(values)
        return Chunk(
            stream=self.stream,
            epoch=self.epoch,
            previous_offset=first,
            next_offset=self.offset,
            end_offset=self.offset,
            values=raw,
            keys=keys or [None] * len(raw),
            offsets=list(range(first, self.offset)),
            receipt_us=lambda _: 0,
        )

    def counts(self) -> tuple[int, int, int, int]:
        row = self.connection.execute(
            "select next_offset, applied, dead_lettered, empty from stream_position"
        ).fetchone()
        assert row is not None
        return row


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder()


@pytest.fixture
def log(connection: Connection) -> Log:
    return Log(connection)


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url, event_bytes_max=20_000)


@pytest.fixture
def writer(settings: Settings, encoder: CountingEncoder) -> Iterator[CatalogWriter]:
    publisher = Publisher(settings.redis_url)
    opened = CatalogWriter(settings, encoder, publisher, FlowMeter("catalog"))
    yield opened
    opened.close()
    publisher.close()


def apply(writer: CatalogWriter, chunk: Chunk) -> None:
    assert list(writer.apply(chunk))


def versions(connection: Connection, item: str) -> list[tuple[int, bool]]:
    return connection.execute(
        "select version, content is not null from item_version where item_id = %s order by 1",
        [item],
    ).fetchall()


def row(connection: Connection, item: str, columns: str) -> tuple[object, ...] | None:
    return connection.execute(
        f"select {columns} from item where item_id = %s",
        [item],
    ).fetchone()


def test_an_upsert_becomes_a_row_with_every_field(
    writer: CatalogWriter, log: Log, connection: Connection
) -> None:
    fields = {
        "title": "T",
        "description": "D",
        "kind": "film",
        "category": "C",
        "tags": ["x", "it's, {y}"],
        "price": 1.5,
        "currency": "EUR",
        "url": "u",
        "image_url": "i",
        "author": "w",
        "available": False,
        "attributes": {"deep": [{"a": None}, 1e30, "\\"]},
        "stats": {"plays": 3},
        "embeds": ["b", "c"],
    }
    apply(writer, log.chunk({"item_id": "a", "published_at": 1_362_062_307, **fields}))
    assert row(connection, "a", ", ".join(fields)) == tuple(fields.values())
    assert row(connection, "a", "version, extract(epoch from published_at)::bigint") == (
        1,
        1_362_062_307,
    )
    same = connection.execute(
        "select item.content = item_version.content from item join item_version using (item_id)"
    ).fetchall()
    assert same == [(True,)]
    assert log.counts() == (1, 1, 0, 0)


def test_several_updates_of_an_item_are_folded_and_only_the_last_text_is_embedded(
    writer: CatalogWriter, log: Log, connection: Connection, encoder: CountingEncoder
) -> None:
    chunk = log.chunk(
        {"item_id": "a", "title": "one"},
        {"item_id": "a", "op": "patch", "title": "two"},
        {"item_id": "b", "title": "gone"},
        {"item_id": "a", "op": "patch", "price": 2},
        {"item_id": "b", "op": "delete"},
    )
    apply(writer, chunk)
    assert encoder.texts == ["two"]
    assert row(connection, "a", "title, price, version") == ("two", 2.0, 1)
    assert row(connection, "b", "1") is None
    assert log.counts() == (5, 5, 0, 0)


def test_unchanged_text_is_not_embedded_again_and_keeps_its_version(
    writer: CatalogWriter, log: Log, connection: Connection, encoder: CountingEncoder
) -> None:
    apply(writer, log.chunk({"item_id": "a", "title": "T", "price": 1}))
    before = row(connection, "a", "content::text")
    apply(writer, log.chunk({"item_id": "a", "title": "T", "price": 2}))
    apply(writer, log.chunk({"item_id": "a", "op": "patch", "stats": {"plays": 9}}))
    assert encoder.texts == ["T"]
    assert row(connection, "a", "price, stats, version") == (2.0, {"plays": 9}, 1)
    assert row(connection, "a", "content::text") == before
    assert versions(connection, "a") == [(1, True)]


def test_the_same_item_again_writes_nothing(
    writer: CatalogWriter, log: Log, connection: Connection
) -> None:
    item: Value = {"item_id": "a", "title": "T", "attributes": {"x": 1}, "published_at": 10}
    apply(writer, log.chunk(item))
    before = row(connection, "a", "xmin::text, updated_at")
    apply(writer, log.chunk(item))
    assert row(connection, "a", "xmin::text, updated_at") == before


def test_a_changed_text_makes_a_version_and_the_old_one_stays(
    writer: CatalogWriter, log: Log, connection: Connection
) -> None:
    for title in ("one", "two", "", "two"):
        apply(writer, log.chunk({"item_id": "a", "title": title}))
    assert versions(connection, "a") == [(1, True), (2, True), (3, False), (4, True)]
    assert row(connection, "a", "version, content is not null") == (4, True)


def test_a_deleted_item_made_again_continues_its_versions(
    writer: CatalogWriter, log: Log, connection: Connection
) -> None:
    apply(writer, log.chunk({"item_id": "a", "title": "T"}))
    apply(writer, log.chunk(None, keys=[b"a"]))
    assert row(connection, "a", "1") is None
    assert versions(connection, "a") == [(1, True)]
    apply(writer, log.chunk({"item_id": "a", "title": "T"}))
    assert row(connection, "a", "version") == (2,)
    assert versions(connection, "a") == [(1, True), (2, True)]


def test_an_item_without_text_or_with_a_zero_vector_has_no_content(
    writer: CatalogWriter, log: Log, connection: Connection, encoder: CountingEncoder
) -> None:
    apply(writer, log.chunk({"item_id": "empty"}, {"item_id": "zero", "title": "nil"}))
    assert encoder.texts == ["nil"]
    for item in ("empty", "zero"):
        assert versions(connection, item) == [(1, False)]
        assert row(connection, item, "content") == (None,)


def test_bad_messages_are_dead_letters_with_field_and_reason_and_the_rest_is_applied(
    writer: CatalogWriter, log: Log, connection: Connection
) -> None:
    chunk = log.chunk(
        b"\xff\0garbage",
        {"item_id": "a", "price": "cheap"},
        {"item_id": "late", "op": "patch", "price": 1},
        {"item_id": "a", "op": "\0"},
        {"item_id": "a", "description": "x" * 20_000},
        None,
        {"item_id": "a", "title": "T"},
    )
    apply(writer, chunk)
    letters = connection.execute(
        'select "offset", field, reason, payload from dead_letter order by 1'
    ).fetchall()
    fields = [(0, "$"), (1, "price"), (2, "item_id"), (3, "op"), (4, "$"), (5, "key")]
    assert [letter[:2] for letter in letters] == fields
    assert "unknown item" in letters[2][2]
    assert [letter[3] for letter in letters] == chunk.values[:6]
    assert row(connection, "a", "title") == ("T",)
    assert log.counts() == (7, 1, 6, 0)


def test_offsets_without_a_message_are_counted_as_empty(writer: CatalogWriter, log: Log) -> None:
    chunk = log.chunk({"item_id": "a"}, {"item_id": "b"})
    log.offset = 9
    apply(writer, replace(chunk, offsets=[2, 5], next_offset=9, end_offset=9))
    assert log.counts() == (9, 2, 0, 7)


def test_a_chunk_applied_twice_or_by_a_former_owner_is_fenced(
    writer: CatalogWriter, log: Log, connection: Connection
) -> None:
    chunk = log.chunk({"item_id": "a", "title": "T"})
    apply(writer, chunk)
    with pytest.raises(Fenced):
        apply(writer, chunk)
    late = log.chunk({"item_id": "b", "title": "T"})
    take_position(connection, log.stream, start=0, owner="other")
    with pytest.raises(Fenced):
        apply(writer, late)
    assert row(connection, "b", "1") is None
    assert log.counts() == (1, 1, 0, 0)


def test_a_write_by_another_worker_meanwhile_is_not_lost(
    settings: Settings, log: Log, connection: Connection, encoder: CountingEncoder
) -> None:
    """The other worker's patch commits between this one's read and its transaction."""
    publisher = Publisher(settings.redis_url)
    writer = CatalogWriter(settings, encoder, publisher, FlowMeter("catalog"))
    apply(writer, log.chunk({"item_id": "a", "title": "one", "price": 1}))
    interfered: list[bool] = []

    def encode(texts: list[str]) -> Vectors:
        if not interfered:
            interfered.append(True)
            connection.execute("update item set price = 7 where item_id = 'a'")
            connection.execute("insert into item_version (item_id, version) values ('b', 1)")
            connection.execute("insert into item (item_id, version, author) values ('b', 1, 'w')")
        return encoder(texts)

    writer._encode = encode
    apply(
        writer,
        log.chunk(
            {"item_id": "a", "op": "patch", "title": "two"}, {"item_id": "b", "title": "mine"}
        ),
    )
    assert row(connection, "a", "title, price, version") == ("two", 7.0, 2)
    assert row(connection, "b", "title, version") == ("mine", 2)
    assert sorted(encoder.texts) == ["mine", "one", "two"]
    writer.close()
    publisher.close()


def test_a_broken_connection_is_replaced_and_the_chunk_counts_once(
    writer: CatalogWriter, log: Log, connection: Connection
) -> None:
    apply(writer, log.chunk({"item_id": "a", "title": "one"}))
    connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where application_name = 'vane catalog' and datname = current_database()"
    )
    apply(writer, log.chunk({"item_id": "a", "title": "two"}))
    assert row(connection, "a", "title, version") == ("two", 2)
    assert log.counts() == (2, 2, 0, 0)


def test_a_lost_acknowledgement_is_no_second_commit(
    writer: CatalogWriter, log: Log, connection: Connection, settings: Settings
) -> None:
    first, second = log.chunk({"item_id": "a", "title": "one"}), log.chunk({"item_id": "b"})
    apply(writer, first)
    apply(writer, second)
    with connect(settings, "other") as other:
        writer._connection.close()
        writer._connection = other
        assert writer._reconnect(second)
        assert not writer._reconnect(log.chunk({"item_id": "c"}))


def test_a_hint_names_what_changed_and_went(
    writer: CatalogWriter, log: Log, redis_url: str
) -> None:
    apply(writer, log.chunk({"item_id": "a"}, {"item_id": "b"}))
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as channel:
        channel.subscribe(CATALOG)
        assert channel.get_message(timeout=5)
        apply(writer, log.chunk({"item_id": "a", "op": "delete"}, {"item_id": "b"}, b"bad"))
        message = channel.get_message(timeout=5)
    assert message
    assert msgspec.json.decode(message["data"])["items"] == ["a"]


def test_a_large_chunk_is_committed_in_parts(
    writer: CatalogWriter, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_writer, "COMMIT_BYTES_MAX", 100)
    items: list[Value] = [{"item_id": str(n), "title": "x" * 20} for n in range(5)]
    chunk = log.chunk(*items)
    positions = [(part.previous_offset, part.next_offset) for part in writer.apply(chunk)]
    assert positions == [(0, 2), (2, 4), (4, 5)]
    assert log.counts() == (5, 5, 0, 0)


def test_a_part_that_was_embedded_ahead_sees_what_the_part_before_changed(
    writer: CatalogWriter,
    log: Log,
    connection: Connection,
    encoder: CountingEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog_writer, "COMMIT_MESSAGES_MAX", 2)
    chunk = log.chunk(
        {"item_id": "a", "title": "A"},
        {"item_id": "b", "title": "B"},
        {"item_id": "b", "op": "patch", "description": "more"},
        {"item_id": "c", "title": "C"},
        {"item_id": "b", "title": "B. more"},
    )
    assert len(list(writer.apply(chunk))) == 3
    assert sorted(encoder.texts) == ["A", "B", "B. more", "B. more", "C"]
    assert versions(connection, "b") == [(1, True), (2, True)]
    assert log.counts() == (5, 5, 0, 0)


def test_parts_cover_the_whole_span_and_keep_their_messages(log: Log) -> None:
    chunk = log.chunk(b"x" * 10, b"y" * 90, None, b"z" * 10, b"w")
    chunk = replace(chunk, offsets=[1, 2, 5, 6, 9], next_offset=12)
    parts = list(split(chunk, 9, 20))
    assert [(part.previous_offset, part.next_offset) for part in parts] == [(0, 2), (2, 5), (5, 12)]
    assert [value for part in parts for value in part.values] == chunk.values
    assert sum(part.empty for part in parts) == chunk.empty == 7
    assert not list(split(replace(chunk, previous_offset=12, values=[], offsets=[]), 9, 20))
    assert len(list(split(replace(chunk, values=[], offsets=[]), 9, 20))) == 1


def test_what_is_said_of_a_conflict_names_no_item(connection: Connection) -> None:
    twice = "insert into item (item_id, version) values ('secret', 1), ('secret', 1)"
    with pytest.raises(ItemsChanged) as changed, item_transaction(connection):
        connection.execute(twice)
    assert "secret" in str(changed.value.__cause__)
    assert "secret" not in str(changed.value)

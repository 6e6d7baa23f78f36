"""`vane migrate`, `accept-log` and `accept-gap` on real servers."""

from collections.abc import Callable

import psycopg
import pytest
from confluent_kafka import Producer

from vane.cli.migrate import accept_log, accept_lost, migrate
from vane.errors import UsageError
from vane.kafka_admin import describe_topic
from vane.settings import Settings
from vane.store.connection import Connection
from vane.store.positions import Stream, find_log, find_position, open_log, take_position


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VANE_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("VANE_KAFKA_BOOTSTRAP", settings.kafka_bootstrap)


def test_migrate_tells_what_it_applied(
    postgres_uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(postgres_uri, autocommit=True) as server:
        server.execute("create database empty")
    monkeypatch.setenv("VANE_DATABASE_URL", postgres_uri.replace("/vane?", "/empty?"))
    migrate()
    assert "applied 0001_core" in capsys.readouterr().out
    migrate()
    assert capsys.readouterr().out == "the schema is up to date\n"
    with psycopg.connect(postgres_uri, autocommit=True) as server:
        server.execute("drop database empty with (force)")


def test_accepted_log_is_found(
    connection: Connection, kafka_bootstrap: str, topics: Callable[..., str]
) -> None:
    topic = topics()
    accept_log(topic)
    identity, _ = describe_topic(kafka_bootstrap, topic)
    assert find_log(connection, identity) == open_log(connection, identity)
    row = connection.execute("select count(*) from log where topic = %s", [topic]).fetchone()
    assert row == (1,)


def test_there_is_no_gap_where_the_log_is_whole(
    connection: Connection, kafka_bootstrap: str, topics: Callable[..., str]
) -> None:
    topic = topics()
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    producer.produce(topic, "x")
    assert producer.flush(10) == 0
    log = find_log(connection, describe_topic(kafka_bootstrap, topic)[0])
    take_position(connection, Stream("interactions", log, 0), start=0, owner="test")
    with pytest.raises(UsageError, match="has no gap"):
        accept_lost("interactions", topic, 0)


def test_accepted_gap_counts_as_skipped(
    connection: Connection,
    kafka_bootstrap: str,
    topics: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The embedded broker deletes nothing, so the beginning of the log is made up here."""
    topic = topics()
    monkeypatch.setattr("vane.cli.migrate.log_bounds", lambda *_: (7, 7))
    stream = Stream(
        "interactions", find_log(connection, describe_topic(kafka_bootstrap, topic)[0]), 0
    )
    take_position(connection, stream, start=3, owner="test")
    accept_lost("interactions", topic, 0)
    assert find_position(connection, stream) == 7
    skipped = connection.execute("select skipped from stream_position").fetchone()
    assert skipped == (4,)

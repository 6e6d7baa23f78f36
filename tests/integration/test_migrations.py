"""Migrations while others read and write: an older schema with data, failures, two at once."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest

from tests.api.conftest import wait_until
from vane.errors import OperatorNeeded, Unavailable, VaneError
from vane.settings import Settings, variable
from vane.store import migrate as runner
from vane.store.connection import Connection, connect, translated
from vane.store.migrate import migrate
from vane.store.migration_files import Migration, migrations, parse_migration

OLDER = 7
USERS, ITEMS, EVENTS = 300, 200, 2_000
START_S = 60.0
SLOW_READ_S = 3.0
"""Longer than a writer waits for a lock (VANE_LOCK_TIMEOUT_MS, 2 s)."""

VECTOR = "(select array_agg(random() - 0.5 + 0 * (n + m)) from generate_series(1, 384) m)"
FILL = f"""
insert into item (item_id, version, title, category, price, content)
select 'i' || n, 1, 'title', 'c' || n % 7, n, {VECTOR}::halfvec(384)
from generate_series(1, {ITEMS}) n;
insert into user_preference
select 'u' || n, {VECTOR}::vector, {VECTOR}::vector, 1, 1, now(), 1, 5, 0, '', 1
from generate_series(1, {USERS}) n;
insert into log (cluster_id, topic, topic_id) values ('c', 'user-interactions', 't');
insert into interaction
select 1, 0, n, now(), 'e' || n, 'u' || n % {USERS}, 'i' || n % {ITEMS}, 'view', now(), 1, 1,
    false, 0 from generate_series(0, {EVENTS - 1}) n;
insert into stream_position (flow, log_id, partition, start_offset, next_offset, applied)
values ('interactions', 1, 0, 0, {EVENTS}, {EVENTS});
insert into model (kind, active, features, lists, sha256, content)
values ('trees', true, '{{}}', 1, '', ''), ('linear', true, '{{}}', 1, '', '');
"""
LOAD = [
    statement.strip()
    for statement in f"""
update item set price = price + 1 where item_id = 'i' || 1 + floor(random() * {ITEMS})::int;
update user_preference set events = events + 1, version = version + 1
where user_id = 'u' || 1 + floor(random() * {USERS})::int;
update stream_position set next_offset = next_offset + 1, applied = applied + 1;
select item_id from item order by content <#> (select content from item limit 1) limit 5;
select count(*) from user_preference join interaction using (user_id) where item_id = 'i5'
""".split(";")
]
SCHEMA = """
select table_name, column_name, data_type, column_default, is_nullable
from information_schema.columns where table_schema = 'public'
union all select tablename, indexname, indexdef, null, null
from pg_indexes where schemaname = 'public'
union all select conrelid::regclass::text, conname, pg_get_constraintdef(oid), null, null
from pg_constraint where connamespace = 'public'::regnamespace
"""


@pytest.fixture
def empty(postgres_uri: str) -> Iterator[Settings]:
    """Settings of a database without any table."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_uri, autocommit=True) as server:
        server.execute(f"create database {name}")
        yield Settings(database_url=postgres_uri.replace("/vane?", f"/{name}?"))
        server.execute(f"drop database {name} with (force)")


@pytest.fixture
def older(empty: Settings) -> Settings:
    """A database as a Vane of some months ago has left it."""
    with connect(empty, "test") as connection:
        migrate(connection, files=migrations()[:OLDER])
        connection.execute(FILL)
    return empty


@dataclass
class Load:
    """Sessions that do their statement again and again, with the time-outs of a flow."""

    settings: Settings
    done: list[int] = field(default_factory=lambda: [0] * len(LOAD))
    longest_s: float = 0.0
    errors: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator["Load"]:
        threads = [threading.Thread(target=self._work, args=(n,)) for n in range(len(LOAD))]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def _work(self, number: int) -> None:
        with connect(self.settings, "load") as connection:
            while not self.stop.is_set():
                began = time.monotonic()
                try:
                    with translated():
                        connection.execute(LOAD[number])
                except VaneError as error:
                    self.errors.append(f"{LOAD[number]}: {error}")
                self.longest_s = max(self.longest_s, time.monotonic() - began)
                self.done[number] += 1
                time.sleep(0.005)


@contextmanager
def long_transaction(settings: Settings, lock: str) -> Iterator[Callable[[], None]]:
    """Somebody who holds such a lock on `item` until the call, or the end of the block."""
    with connect(settings, "long") as connection:
        connection.execute("set idle_in_transaction_session_timeout = 0")
        connection.execute("begin")
        connection.execute(f"lock table item in {lock} mode")
        yield connection.rollback


def contended(settings: Settings) -> bool:
    """Whether a migration waits for a lock."""
    waiting = (
        "select from pg_stat_activity where wait_event_type = 'Lock' and application_name = %s"
    )
    with connect(settings, "test") as connection:
        return connection.execute(waiting, ["vane migrate"]).fetchone() is not None


def vane_migrate(settings: Settings, *options: str) -> "subprocess.Popen[str]":
    environ = {**os.environ, variable("database_url"): settings.database_url}
    command = [sys.executable, "-m", "vane", "migrate", *options]
    return subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_an_older_schema_with_data_is_migrated_under_load_by_two_at_once(
    older: Settings, connection: Connection
) -> None:
    with Load(older).running() as load:
        with long_transaction(older, "access share") as end_reading:
            both = [vane_migrate(older) for _ in range(2)]
            wait_until(lambda: contended(older), START_S)
            time.sleep(SLOW_READ_S)
            end_reading()
            said = [process.communicate(timeout=60) for process in both]
        done = list(load.done)
        time.sleep(0.3)
        assert all(now > before for now, before in zip(load.done, done, strict=True))
    assert [process.returncode for process in both] == [0, 0], said
    assert load.errors == []
    lines = sorted(line for out, _ in said for line in out.splitlines() if "applied" in line)
    assert lines == [f"applied {migration.label}" for migration in migrations()[OLDER:]]
    assert any("others hold its locks, trying again" in out for out, _ in said)
    assert any("another vane migrate is at work" in out for out, _ in said)
    with connect(older, "test") as found:
        assert set(found.execute(SCHEMA)) == set(connection.execute(SCHEMA))
        assert found.execute("select kind from model").fetchall() == [("linear",)]
        declared = found.execute("select count(*) from item where declared_category = category")
        assert declared.fetchone() == (ITEMS,)


def extra(sql: str, version: int = OLDER + 1) -> list[Migration]:
    """The older migrations and one more."""
    return [*migrations()[:OLDER], parse_migration(f"{version:04d}_more.sql", sql)]


INDEX = """-- migration: alone
drop index concurrently if exists item_title;
create unique index concurrently item_title on item (title);
"""


def test_an_index_is_built_beside_writers_and_one_who_waits_for_its_turn(older: Settings) -> None:
    files = extra(INDEX.replace("unique ", ""))
    lines: list[str] = []

    def build() -> None:
        with connect(older, "vane migrate") as connection:
            lines.extend(migrate(connection, files=files))

    with Load(older).running() as load, long_transaction(older, "row exclusive") as end_writing:
        builders = [threading.Thread(target=build) for _ in range(2)]
        for builder in builders:
            builder.start()
        wait_until(lambda: contended(older), START_S)
        time.sleep(1.0)
        end_writing()
        for builder in builders:
            builder.join(30)
            assert not builder.is_alive()
    assert lines == ["0008_more"]
    assert load.errors == []


def test_an_index_that_could_not_be_built_is_built_once_its_cause_is_mended(
    older: Settings,
) -> None:
    valid = "select indisvalid from pg_index where indexrelid = to_regclass('item_title')"
    with connect(older, "test") as connection:
        with pytest.raises(
            OperatorNeeded, match=r"0008_more failed at statement 2 of 2: could not"
        ):
            migrate(connection, files=extra(INDEX))
        assert connection.execute(valid).fetchone() == (False,)
        assert connection.execute("show statement_timeout").fetchone() == ("30s",)
        connection.execute("update item set title = item_id")
        assert migrate(connection, files=extra(INDEX)) == ["0008_more"]
        assert connection.execute(valid).fetchone() == (True,)
        assert migrate(connection, files=extra(INDEX)) == []


def test_one_that_fails_midway_leaves_nothing_and_what_came_before_stays(older: Settings) -> None:
    good = extra("create table more (a text primary key);")
    bad = parse_migration("0009_bad.sql", "create table worse (a text);\nselect 1 / 0;")
    with connect(older, "test") as connection:
        with pytest.raises(
            OperatorNeeded, match="0009_bad failed: division by zero; nothing of it"
        ):
            migrate(connection, files=[*good, bad])
        tables = "select to_regclass('more')::text, to_regclass('worse')::text"
        assert connection.execute(tables).fetchone() == ("more", None)
        newest = connection.execute("select max(version) from schema_migration").fetchone()
        assert newest == (OLDER + 1,)


def test_rows_are_changed_bit_by_bit_until_none_is_left(older: Settings) -> None:
    files = extra(
        "-- migration: repeated\nupdate item set author = 'a' where item_id in\n"
        "    (select item_id from item where author is null limit 80);\n"
    )
    told: list[str] = []
    with connect(older, "test") as connection:
        migrate(connection, files=files, told=told.append)
        xids = connection.execute("select count(distinct xmin::text) from item").fetchone()
    assert told == [f"0008_more: {ITEMS} rows", "applied 0008_more"]
    assert xids == (3,)


def test_locks_that_never_come_are_given_up(
    older: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LOCK_PATIENCE_S", 0.5)
    monkeypatch.setattr(runner, "LOCK_PAUSE_S", (0.1, 0.1))
    with (
        connect(older, "test") as connection,
        long_transaction(older, "access share"),
        pytest.raises(Unavailable, match="did not get its locks within"),
    ):
        migrate(connection, files=extra("alter table item add column more text;"))


def test_before_and_after_the_deploy(older: Settings) -> None:
    after = parse_migration("0009_x.sql", "-- migration: after-deploy\nselect 1;")
    files = [*extra("select 1;"), after]
    with connect(older, "test") as connection:
        with pytest.raises(OperatorNeeded, match="0008_more comes first"):
            migrate(connection, "after-deploy", files=files)
        assert migrate(connection, "before-deploy", files=files) == ["0008_more"]
        assert migrate(connection, "before-deploy", files=files) == []
        assert migrate(connection, "after-deploy", files=files) == ["0009_x"]

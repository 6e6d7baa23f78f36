"""`vane doctor` on real servers: what is well, what was broken on purpose, what is away."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tests.running import RunningUp
from tests.support import Worker, add_item, event, unit_vectors
from vane.doctor.diagnosis import GROUPS, diagnose
from vane.doctor.look import look, look_at_api
from vane.settings import Settings
from vane.store import doctor
from vane.store.connection import Connection, connect
from vane.store.keys import create_key

ROOT = Path(__file__).resolve().parents[2]
ITEM = "insert into item (item_id, version, title, text_hash, content) values"
VECTOR = "array_fill(1, array[384])::halfvec(384)"
TROUBLES = {
    "postgres-indexes": f"""
        {ITEM} ('a', 1, 'a', 1, {VECTOR}), ('b', 1, 'b', 1, {VECTOR});
        create unique index concurrently item_x on item (version)""",
    "postgres-slots": "select pg_create_physical_replication_slot('left', true)",
    "postgres-autovacuum": "alter table user_preference set (autovacuum_enabled = false)",
    "vane-pending": """
        insert into pending values (1, 0, 1, now() - interval '1 day', 'u', 'i', now(), 1)""",
    "vane-dead-letters": """
        insert into dead_letter
        select 1, 0, n, 'interactions', 'ts', 'unreadable', null, null, now()
        from generate_series(1000, 1200) n""",
    "vane-embeddings": "select 1",  # the first trouble has left two items of no model
    "vane-half-lives": "update user_preference set generation = generation + 1",
    "vane-months": "update interaction set recorded_at = '2001-01-01'",
    "vane-commands": """
        insert into admin_command (command_id, command, args, state, asked_at)
        values ('c', 'tune', '{}', 'queued', now() - interval '2 hours')""",
    "tuning": """update setting set value = '{"half_life_long_s": -1}' where key = 'tuning'""",
    "schema": "insert into schema_migration values (9999, 'newer', '')",
}


@pytest.fixture
def site(settings: Settings, connection: Connection) -> Settings:
    """Some users and a log, in the database alone."""
    add_item(connection, "i", unit_vectors(1)[0])
    worker = Worker(settings, connection, [[event(n, user=f"u{n}") for n in range(30)]])
    worker.apply(worker.chunk(0, 30))
    worker.close()
    return settings


def names(settings: Settings) -> set[str]:
    """The checks that find something."""
    return {finding.check for finding in diagnose(look(settings, 0.1)).findings}


def test_what_was_broken_on_purpose_is_found(site: Settings, connection: Connection) -> None:
    before = names(site)
    assert {"processes", "postgres-durability", "redis-subscribers"} <= before
    assert before.isdisjoint(TROUBLES)
    found = {}
    for name, statements in TROUBLES.items():
        for statement in statements.split(";"):
            try:
                connection.execute(statement)
            except psycopg.errors.UniqueViolation:
                assert "concurrently" in statement
        found[name] = names(site)
    connection.execute("select pg_drop_replication_slot('left')")
    assert {name: seen for name, seen in found.items() if name not in seen} == {}


def test_rows_without_a_month_are_moved_by_the_sql_of_the_page(
    site: Settings, connection: Connection
) -> None:
    page = (ROOT / "docs" / "retention.md").read_text(encoding="utf-8")
    asked, script = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    moving, vacuuming = script.split("commit;\n")
    connection.execute(
        "update interaction set recorded_at = "
        "case when \"offset\" < 20 then '2025-03-31 23:59:59.9+00' else '2025-04-01 00:00+00' end"
        "::timestamptz"
    )
    where = "select tableoid::regclass::text, count(*) from interaction group by 1 order by 1"
    march, april = ("interaction_2025_03", 20), ("interaction_2025_04", 10)
    assert connection.execute(where).fetchall() == [("interaction_default", 30)]
    assert connection.execute(asked).fetchall() == [("2025_03", 20), ("2025_04", 10)]

    connection.execute(f"{moving}commit")
    connection.execute(vacuuming)
    assert connection.execute(where).fetchall() == [march, ("interaction_default", 10)]
    assert "interaction_default" in rows_of_months(site)
    following = moving.replace("2025-04-01", "2025-05-01").replace("2025-03-01", "2025-04-01")
    connection.execute(f"{following.replace('2025_03', '2025_04')}commit")
    assert connection.execute(where).fetchall() == [march, april]
    assert "interaction_default" not in rows_of_months(site)


def rows_of_months(settings: Settings) -> str:
    """What `vane doctor` says of the partitions of the log."""
    found = diagnose(look(settings, 0.1)).findings
    return " ".join(f"{each.says} {each.do}" for each in found if each.check == "vane-months")


def test_long_transactions_keys_and_contents_are_read(
    site: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "LONG_TRANSACTION", "0 seconds")
    create_key(connection, "shop", ["read"], timedelta(days=3))
    with connect(site, "forgotten") as other, other.transaction():
        other.execute("select 1")
        facts = look(site, 0.1)
    assert facts.server is not None
    assert facts.contents is not None
    assert "forgotten" in {found.application for found in facts.server.transactions}
    assert "forgotten" in facts.server.applications
    assert [name for name, _ in facts.contents.keys] == ["shop"]
    assert facts.contents.half_lives == (30, 0)
    assert facts.contents.outcomes["interactions"][0] == 30
    assert facts.server.session_lock_timeout == "2s"
    assert facts.server.bytes_of("shared_buffers") == 256 << 20
    assert abs(facts.server.clock_ahead_s) < 1.0
    assert set(facts.server.parameters) == set(doctor.PARAMETERS)
    assert facts.redis is not None
    assert "client-output-buffer-limit" in facts.redis.config


def test_servers_that_are_away_are_told_of(settings: Settings) -> None:
    nowhere = replace(
        settings,
        redis_url="redis://127.0.0.1:1/0",
        kafka_bootstrap="127.0.0.1:1",
        database_url="postgresql://vane@127.0.0.1:1/vane",
    )
    looking_at = replace(nowhere, api_url="http://127.0.0.1:1")
    found = diagnose(look(looking_at))
    assert [finding.check for finding in found.findings] == ["reachable"] * 3 + ["api"]
    assert not found.well


def test_a_running_vane_is_found_and_has_no_errors(vane_up: RunningUp) -> None:
    command = [sys.executable, "-m", "vane", "doctor", "--data-dir", str(vane_up.data_dir)]
    done = subprocess.run([*command, "--json"], check=False, capture_output=True, text=True)
    told = json.loads(done.stdout)
    assert [found for found in told["findings"] if found["severity"] == "error"] == []
    assert done.returncode == (0 if told["well"] else 1)
    assert told["checked"] == [check.name for _, checks in GROUPS for check in checks]
    shown = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    assert "kafka-replicas: one replica each" in shown
    assert "docs/reliability.md" in shown
    api = look_at_api(vane_up.endpoints.api)
    assert (api.ready, api.anonymous) == (200, 200)

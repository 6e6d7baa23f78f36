"""Old months of the log go while flows go on: exact before, between and after, rebuilt as well."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.support import Worker, add_item, event, unit_vectors
from tests.trends_log import Process, catch_up
from vane.audit import audit_all
from vane.audit_report import Report
from vane.cli import build_app
from vane.erase import erase_at
from vane.errors import Fenced, Unavailable
from vane.merge import merge_users
from vane.preference import States
from vane.rebuild import change_half_lives, rebuild_users
from vane.retention import retain
from vane.settings import Settings, variable
from vane.store import retention as store
from vane.store.connection import Connection, connect
from vane.store.export import open_export
from vane.store.partitions import ensure_log_partitions
from vane.store.replay import reset_trends
from vane.store.states import read_states
from vane.store.tuning import read_tuning
from vane.store.verification import open_snapshot

USERS = [f"user-{number}" for number in range(9)]
JUNE, JULY = datetime(2025, 6, 10, tzinfo=UTC), datetime(2025, 7, 10, tzinfo=UTC)
IN_JULY, IN_AUGUST = datetime(2025, 7, 5, tzinfo=UTC), datetime(2025, 8, 5, tzinfo=UTC)
HOUR_S = 3_600.0


class Site:
    """A worker and flow trends over a log whose rows are made older than they are."""

    def __init__(self, settings: Settings, connection: Connection, seed: int) -> None:
        self.settings, self.connection = settings, connection
        self.random = Random(seed)
        self.logs: list[list[bytes | None]] = [[], []]
        for number, vector in enumerate(unit_vectors(8)):
            add_item(connection, f"item-{number}", vector)
        add_item(connection, "untitled", None)
        ensure_log_partitions(connection, date(2025, 6, 1))
        self.worker = Worker(settings, connection, self.logs)
        self.number = 0

    def load(self, count: int) -> None:
        """Events, late ones among them, through the worker and flow trends."""
        names = [*(f"item-{number}" for number in range(8)), "untitled", "unknown"]
        for _ in range(count):
            self.number += 1
            user, item = self.random.choice(USERS), self.random.choice(names)
            action = self.random.choice(["view", "view", "click", "like", "hide", "purchase"])
            seconds = 600 * self.number - self.random.choice([0, 0, 0, 400_000])
            message = event(self.number, user, item, action=action, ts=1.7e9 + seconds)
            self.logs[self.number % 2].append(message)
        self.worker.drain()
        catch_up(self.connection)

    def age(self, recorded: datetime) -> None:
        """All that was recorded now was recorded then."""
        for table in ("interaction", "pending"):
            self.connection.execute(
                f"update {table} set recorded_at = %s where recorded_at > '2026-01-01'", [recorded]
            )

    def retain(self, moment: datetime) -> Any:
        with connect(self.settings, "vane retain") as own:
            return retain(own, moment)

    def report(self) -> Report:
        tuning, _ = read_tuning(self.connection)
        with open_snapshot(self.connection) as snapshot:
            return audit_all(snapshot, tuning.half_lives_s, lambda _: None)

    def check(self) -> None:
        report = self.report()
        assert report.listed == []
        assert report.users > 0
        assert 0 < report.worst_user_error < 1

    def states(self) -> States:
        return read_states(self.connection, USERS, 384)[0]

    def months(self) -> list[str]:
        return [name for name in partitions(self.connection) if name.startswith("interaction_2025")]


def partitions(connection: Connection) -> list[str]:
    rows = connection.execute(
        "select inhrelid::regclass::text from pg_inherits "
        "where inhparent = 'interaction'::regclass order by 1"
    )
    return [name for (name,) in rows]


def count(connection: Connection, what: str) -> int:
    row = connection.execute(f"select count(*) from {what}").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(params=[1, 2])
def site(
    settings: Settings, connection: Connection, request: pytest.FixtureRequest
) -> Iterator[Site]:
    """With 300 events of June and 200 of July."""
    made = Site(settings, connection, request.param)
    with closing(made.worker):
        made.load(300)
        made.age(JUNE)
        made.load(200)
        made.age(JULY)
        yield made


def rebuild(site: Site) -> None:
    tuning, _ = read_tuning(site.connection)
    for _ in rebuild_users(site.connection, tuning, None):
        pass
    reset_trends(site.connection)
    catch_up(site.connection)


def test_exact_before_between_and_after(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of one month; more events; a run of the next one that is killed, and goes on."""
    site.check()
    done = site.retain(IN_JULY)
    assert (done.dropped, done.left) == (["interaction_2025_06"], [])
    assert site.months() == ["interaction_2025_07", "interaction_2025_08"]
    assert 0 < done.rows < 300
    assert done.rows + count(site.connection, "interaction") == 500
    site.check()
    assert site.retain(IN_JULY).rows == 0
    site.load(200)
    site.check()

    monkeypatch.setattr("vane.retention.BATCH_USERS", 2)
    take, calls = store.take_rows, []

    def killed(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return take(*arguments)

    monkeypatch.setattr(store, "take_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        site.retain(IN_AUGUST)
    assert 0 < count(site.connection, "interaction_2025_07") < 200
    site.check()
    site.load(50)
    site.check()
    assert site.retain(IN_AUGUST).dropped == ["interaction_2025_07"]
    site.check()
    site.load(50)
    site.check()


def test_a_rebuild_begins_with_the_checkpoint(site: Site) -> None:
    before = site.states()
    site.retain(IN_AUGUST)
    site.connection.execute("update user_preference set long = short, mass_short = 7")
    assert len(site.report().listed) > 0
    rebuild(site)
    site.check()
    after = site.states()
    assert np.allclose(after.vectors, before.vectors, rtol=0, atol=1e-5)
    assert np.allclose(after.masses, before.masses, rtol=1e-9)
    site.load(100)
    rebuild(site)
    site.check()


def test_other_half_lives_decay_what_is_gone_from_its_newest_event_on(site: Site) -> None:
    site.retain(IN_JULY)
    change_half_lives(site.connection, 90 * HOUR_S, 3 * HOUR_S)
    rebuild(site)
    site.check()
    site.load(50)
    site.retain(IN_AUGUST)
    site.check()
    rebuild(site)
    site.check()


def test_merge_erase_export_and_late_items_beside_it(site: Site) -> None:
    kept = "interaction where excludes and recorded_at = 'epoch'"
    excluded = count(site.connection, "interaction where excludes")
    site.retain(IN_JULY)
    assert 0 < count(site.connection, kept) < excluded
    assert count(site.connection, "interaction where excludes") == excluded
    merge_users(site.connection, "user-1", "user-2")
    site.check()
    add_item(site.connection, "unknown", unit_vectors(9)[8])
    site.load(30)
    assert count(site.connection, "pending") == 0
    site.check()
    with open_export(site.connection, "user-2") as found:
        assert '"events":' in found.single("older")
    erase_at(site.connection, "user-2", site.worker.log_id, {0: 10_000, 1: 10_000})
    with open_export(site.connection, "user-2") as found:
        assert found.single("older") == "null"
    assert count(site.connection, "user_base where user_id in ('user-1', 'user-2')") == 0
    site.check()
    catch_up(site.connection)
    site.retain(IN_AUGUST)
    site.check()
    rebuild(site)
    site.check()


def tune(site: Site, *options: str) -> str:
    environ = {
        variable(name): getattr(site.settings, name) for name in ("database_url", "redis_url")
    }
    done = CliRunner().invoke(build_app("tune"), ["tune", *options], env={**os.environ, **environ})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_tune_learns_from_what_is_left_alone_and_says_what_that_is(site: Site) -> None:
    for number, vector in enumerate(unit_vectors(40)):
        add_item(site.connection, f"new-{number}", vector)
    site.connection.execute(
        "insert into item (item_id, version) select item_id, version from item_version"
    )
    for number in range(40 * len(USERS)):
        step, user = divmod(number, len(USERS))
        item, ts = f"new-{(7 * user + step) % 40}", 1.71e9 + number
        site.logs[0].append(event(8_000 + number, USERS[user], item, action="click", ts=ts))
    site.worker.drain()
    catch_up(site.connection)
    site.age(JULY)
    assert json.loads(tune(site, "--json"))["log_begins"] is None
    site.retain(IN_JULY)
    assert count(site.connection, "interaction where recorded_at = 'epoch'") > 0
    found = json.loads(tune(site, "--json"))
    assert found["events"] == count(site.connection, "interaction_2025_07")
    assert found["after"]["targets"] > 0
    assert (found["events_from"], found["events_to"]) == days_of(site, "interaction_2025_07")
    dropped = "The log begins with 2025-07-01: older months were dropped (vane retain)\n"
    assert dropped in tune(site)

    site.retain(IN_AUGUST)
    assert tune(site).splitlines() == [
        "Nothing was activated: no events are left in the log",
        "The log begins with 2025-08-01: older months were dropped (vane retain)",
    ]


def days_of(site: Site, partition: str) -> tuple[str, str]:
    row = site.connection.execute(
        f"select min(ts at time zone 'UTC')::date::text, max(ts at time zone 'UTC')::date::text "
        f"from {partition}"
    ).fetchone()
    assert row is not None
    return row


def test_trends_that_lag_keep_their_months(site: Site) -> None:
    site.worker.apply(site.worker.chunk(0))
    site.logs[0].append(event(9_000, "user-1", "item-1"))
    site.worker.drain()
    site.age(JULY)
    with pytest.raises(Unavailable, match="flow trends has not counted"):
        site.retain(IN_AUGUST)
    assert len(site.months()) == 3
    site.check()
    catch_up(site.connection)
    site.retain(IN_AUGUST)
    site.check()


def test_a_running_flow_trends_gives_way(site: Site) -> None:
    """It holds histories that reach further back."""
    running = Process(site.connection)
    site.logs[1].append(event(9_001, "user-3", "item-3"))
    site.worker.drain()
    batch = running.read_batch()
    site.retain(IN_JULY)
    assert batch is not None
    with pytest.raises(Fenced):
        running.write(batch)
    catch_up(site.connection)
    site.check()


def test_a_month_that_somebody_reads_goes_next_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vane.retention.DROP_ATTEMPTS_MAX", 1)
    with connect(site.settings, "reader") as reader, reader.transaction():
        reader.execute("select from interaction limit 1")
        done = site.retain(IN_JULY)
    assert (done.dropped, done.left) == ([], ["interaction_2025_06"])
    site.check()
    assert site.retain(IN_JULY).dropped == ["interaction_2025_06"]


def test_only_one_at_a_time(site: Site) -> None:
    with connect(site.settings, "other") as other:
        assert store.lock_retention(other)
        with pytest.raises(Unavailable, match="another vane retain"):
            site.retain(IN_JULY)

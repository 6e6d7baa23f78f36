"""Simulated traffic through a whole `vane up`."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.running import VANE, RunningUp, wait_until
from vane.cli.simulate import _first_items, user_ids
from vane.errors import NotFound
from vane.settings import Settings
from vane.store.accounts import DEMO_ACCOUNTS
from vane.store.connection import Connection
from vane.store.simulation import read_simulation_items

SIMULATED = "select count(*) from interaction where user_id like 'sim-%'"
IN_TRENDS = "select coalesce(sum(events), 0) from item_trend"


def vane(up: RunningUp, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*VANE, *arguments, "--data-dir", str(up.data_dir)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def load_items(up: RunningUp, folder: Path, count: int = 30) -> None:
    file = folder / "items.jsonl"
    words = ("red", "green", "blue", "fast", "slow")
    rows = [
        {
            "item_id": f"toy-{number}",
            "title": f"A {words[number % 5]} toy {number}",
            "category": words[number % 3],
            "tags": [words[number % 5]],
            "price": 5.0,
        }
        for number in range(count)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = vane(up, "load", "items", str(file), "--wait")
    assert done.returncode == 0, done.stderr


def number(up: RunningUp, query: str) -> int:
    with psycopg.connect(up.endpoints.postgres) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def test_all_that_is_sent_is_applied_and_moves_the_trends(
    vane_up: RunningUp, tmp_path: Path
) -> None:
    load_items(vane_up, tmp_path)
    before, counted = number(vane_up, SIMULATED), number(vane_up, IN_TRENDS)
    started = time.monotonic()
    arguments = ("--duration", "5s", "--rate", "50", "--users", "20", "--seed", "3", "--json")
    done = vane(vane_up, "simulate", *arguments)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started > 5
    summary = json.loads(done.stdout)
    assert (summary["events"], summary["seed"]) == (250, 3)
    assert sum(summary["actions"].values()) == 250
    wait_until(lambda: number(vane_up, SIMULATED) == before + 250, 30)
    wait_until(lambda: number(vane_up, IN_TRENDS) >= counted + 250, 30)  # others' may come, too
    trending = httpx.get(f"{vane_up.endpoints.api}/v1/trending").json()
    assert trending["items"]
    assert vane(vane_up, "verify").returncode == 0


def test_ctrl_c_ends_with_the_summary(vane_up: RunningUp, tmp_path: Path) -> None:
    load_items(vane_up, tmp_path)
    before = number(vane_up, SIMULATED)
    command = [*VANE, "simulate", "--duration", "forever", "--data-dir", str(vane_up.data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: number(vane_up, SIMULATED) > before, 30)
        os.kill(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    events = int(output.splitlines()[-1].split(" events of ")[0].replace(",", ""))
    wait_until(lambda: number(vane_up, SIMULATED) == before + events, 30)


def test_up_with_simulation_waits_for_items_and_then_lives(tmp_path: Path) -> None:
    with RunningUp("--no-demo", "--simulate", "40") as up:
        up.wait_ready()
        load_items(up, tmp_path)
        wait_until(lambda: number(up, SIMULATED) > 100, 30, up.output())
        assert up.stop() == 0, up.output()
        assert "ended" not in up.output()
        assert "lost" not in up.output()


@pytest.mark.parametrize("arguments", [("simulate",), ("up", "--simulate")])
def test_a_replay_of_old_logs_is_not_mixed_with_simulated_events(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    servers = ("VANE_KAFKA_BOOTSTRAP", "VANE_DATABASE_URL", "VANE_REDIS_URL")
    environ = {**os.environ, **dict.fromkeys(servers, "nowhere"), "VANE_CLOCK": "event"}
    command = [*VANE, *arguments, "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)
    assert done.returncode == 2
    assert done.stderr == (
        "vane: VANE_CLOCK=event replays old logs: simulated events would be newer\n"
    )
    assert not (tmp_path / "data").exists()


def test_only_available_items_are_met(connection: Connection) -> None:
    connection.execute(
        "insert into item (item_id, version, kind, category, tags, price, available) values "
        "('a', 1, 'car', 'suv', '{x,y}', 5, true), ('b', 1, 'film', null, '{}', null, true), "
        "('c', 1, 'car', 'suv', '{}', 5, false)"
    )
    found = sorted(read_simulation_items(connection))
    assert found == [("a", "car", "suv", ["x", "y"], True), ("b", "film", None, [], False)]


def test_an_empty_catalogue_is_said(settings: Settings) -> None:
    with pytest.raises(NotFound, match="the catalogue has no items: vane load items"):
        _first_items(settings, lambda: False, wait=False)


def test_demo_accounts_take_part_only_when_asked() -> None:
    demo = [account.user_id for account in DEMO_ACCOUNTS]
    assert user_ids(8, with_demo_accounts=True) == [*demo, "sim-1", "sim-2"]
    assert user_ids(2, with_demo_accounts=False) == ["sim-1", "sim-2"]

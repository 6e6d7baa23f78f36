"""`vane evaluate` on files: in process, through a stand-in, through a whole Vane."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.test_tune import fill
from vane.cli.live_system import LiveContender
from vane.cli.site_log import read_contents, read_site_log
from vane.client.topic import Keyed
from vane.contest import Contest
from vane.errors import InputFileError
from vane.evaluation import targets
from vane.interaction import decode_plain, timestamp_us
from vane.settings import Settings
from vane.store.connection import Connection
from vane.tuning import Tuning

ITEMS = 40
START = 1_700_000_000


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A site without text where everyone goes from item k to item k + 1."""
    items, events = tmp_path / "items.jsonl", tmp_path / "events.csv"
    items.write_text("".join(json.dumps({"item_id": f"i{k}"}) + "\n" for k in range(ITEMS)))
    drawn, ts = random.Random(1), START
    places = {user: drawn.randrange(ITEMS) for user in range(25)}
    rows = ["user_id,item_id,action,timestamp"]
    for _ in range(600):
        user = drawn.randrange(25)
        ts += drawn.choice([0, 60, 3_600])
        places[user] += 1
        action = drawn.choice(["view", "click", "purchase"])
        rows.append(f"u{user},i{places[user] % ITEMS},{action},{ts}")
    events.write_text("\n".join(rows) + "\n")
    return items, events


def evaluate(
    *arguments: str | Path, cache: Path, **environ: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "vane", "evaluate", *map(str, arguments)],
        env={**os.environ, "XDG_CACHE_HOME": str(cache), **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def methods(report: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each for each in report["methods"]}


def test_in_process_with_table_and_plot(files: tuple[Path, Path], tmp_path: Path) -> None:
    items, events = files
    out = tmp_path / "out"
    done = evaluate(
        "--items",
        items,
        "--events",
        events,
        "--targets",
        "60",
        "--out",
        out,
        "--json",
        cache=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report == json.loads((out / "evaluation.json").read_text())
    assert (report["targets"], report["mode"], report["items"]) == (60, "in process", ITEMS)
    found = methods(report)
    assert found["vane"]["ratio"]["low"] > 1.5
    assert found["vane"]["diversity_10"] is None
    table = (out / "evaluation.md").read_text()
    assert table.count("| popular") == 4
    assert "**vane**" in table
    assert (out / "evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_items_may_be_left_out(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = evaluate("--events", files[1], "--targets", "20", "--json", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["items"] == ITEMS


def test_the_log_of_a_running_vane_needs_no_files(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    fill(connection, users=40, events_each=20)
    before = connection.execute("select count(*) from model").fetchone()
    done = evaluate(
        "--targets", "50", "--json", cache=tmp_path, VANE_DATABASE_URL=settings.database_url
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["events"], report["users"], report["items"]) == (800, 40, 60)
    assert methods(report)["vane"]["ratio"]["low"] > 1.5
    assert connection.execute("select count(*) from model").fetchone() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--events", "gone.csv"], "gone.csv: No such file or directory"),
        (["--items", "items.jsonl"], "--items alone: name what happened with --events"),
        (["--through-api"], "--through-api replays a file: name it with --events"),
        (["--events", "short.csv"], "2 events with 0 to predict behind the first 80%"),
        (["--events", "odd.csv"], "odd.csv, line 3: action: unknown action 'sneeze'"),
        (["--events", "events.csv", "--from", "1.5"], "Invalid value for '--from'"),
        (
            ["--events", "events.csv", "--through-api", "--data-dir", "nowhere"],
            "no vane up is running on nowhere: start it, or leave --data-dir out",
        ),
    ],
)
def test_wrong_inputs_are_named(
    files: tuple[Path, Path], tmp_path: Path, arguments: list[str], says: str
) -> None:
    head = "user_id,item_id,action,timestamp\n"
    (tmp_path / "short.csv").write_text(f"{head}a,x,click,{START}\na,y,click,{START + 1}\n")
    (tmp_path / "odd.csv").write_text(f"{head}a,x,click,{START}\na,y,sneeze,{START}\n")
    done = subprocess.run(
        [sys.executable, "-m", "vane", "evaluate", *arguments],
        cwd=tmp_path,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_row_names_line_and_field(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text('{"user_id": "a", "item_id": "x", "action": "click", "ts": 5}\n')
    with pytest.raises(InputFileError, match="line 1: ts: before 2000"):
        read_site_log(None, file, Settings(), Tuning(), 0.8)


def test_a_log_is_put_in_order_and_knows_what_may_be_shown(tmp_path: Path) -> None:
    items, events = tmp_path / "items.jsonl", tmp_path / "events.jsonl"
    items.write_text('{"item_id": "b", "available": false}\n{"item_id": "a", "title": "A"}\n')
    rows = [
        ("u", "c", "click", 9),
        ("u", "a", "view", 3),
        ("v", "b", "click", 5),
        ("v", "a", "click", 7),
    ]
    events.write_text(
        "".join(
            json.dumps({"user_id": u, "item_id": i, "action": a, "ts": START + t}) + "\n"
            for u, i, a, t in rows
        )
    )
    log = read_site_log(items, events, Settings(), Tuning(), 0.8)
    assert log.ids == ["b", "a", "c"]
    assert log.events.item.tolist() == [1, 0, 1, 2]
    assert log.positive.tolist() == [False, False, True, False]
    assert log.table().selectable(np.arange(3)).tolist() == [False, True, False]


def test_contents_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text('{"item_id": "a", "title": "A"}\n{"item_id": "b"}\n')
    events = tmp_path / "events.csv"
    events.write_text(f"user_id,item_id,action,timestamp\nu,a,click,{START}\n")
    log = read_site_log(items, events, Settings(), Tuning(), 0.8)
    calls = []

    def load(*_: object) -> object:
        calls.append(1)
        return lambda texts: np.ones((len(texts), 384), np.float32)

    monkeypatch.setattr("vane.cli.site_log.load_encoder", load)
    for _ in range(2):
        contents = read_contents(log.catalogue, Settings(), tmp_path / "cache", lambda _done: None)
        assert contents.any(axis=1).tolist() == [True, False]
    assert len(calls) == 1


class StandIn:
    """A Vane that keeps what it was given, and answers with the newest items."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.events: list[Keyed] = []
        self.tuned_at = -1
        self.asked: list[tuple[str, int]] = []

    def add_items(self, messages: Sequence[Keyed]) -> None:
        self.items += [message.key.decode() for message in messages]

    def add_events(self, messages: Sequence[Keyed]) -> None:
        self.events += messages

    def tune(self) -> None:
        self.tuned_at = len(self.events)

    def recommend(self, user: str) -> list[str]:
        self.asked.append((user, len(self.events)))
        newest = [decode_plain(message.value).item_id for message in reversed(self.events)]
        return [*dict.fromkeys(newest)][:20]


def test_a_live_vane_is_asked_before_the_events_of_that_time(files: tuple[Path, Path]) -> None:
    log = read_site_log(*files, Settings(), Tuning(), 0.8)
    low = 480
    rows = targets(log.events, log.positive, low, 600, 40, seed=3)
    stand_in = StandIn()
    contest = Contest(log.events, len(log.ids), None)
    contest.run([LiveContender(log, stand_in)], low, rows)
    assert stand_in.items == [item.item_id for item in log.catalogue]
    assert stand_in.events == log.messages[: len(stand_in.events)]
    assert low - 3 <= stand_in.tuned_at <= low
    assert len(stand_in.asked) == 40
    for row, (user, told) in zip(rows.tolist(), stand_in.asked, strict=True):
        event = decode_plain(log.messages[row].value)
        assert user == event.user_id
        assert timestamp_us(decode_plain(log.messages[told - 1].value).ts) < timestamp_us(event.ts)
        assert decode_plain(log.messages[told].value).ts == event.ts


def test_a_whole_vane_answers_as_the_process_does(files: tuple[Path, Path], tmp_path: Path) -> None:
    items, events = files
    arguments = ["--items", items, "--events", events, "--targets", 25, "--json"]
    done = evaluate(*map(str, arguments), "--through-api", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    live = json.loads(done.stdout)
    assert live["mode"] == "through the API"
    inside = json.loads(evaluate(*map(str, arguments), cache=tmp_path).stdout)
    ours, theirs = methods(live)["vane"], methods(inside)["vane"]
    assert ours["ratio"]["low"] > 1.5
    assert ours["ndcg_10"]["mean"] == pytest.approx(theirs["ndcg_10"]["mean"], abs=0.15)
    base = "popular, half-life 1 d"
    assert methods(live)[base]["ndcg_10"] == methods(inside)[base]["ndcg_10"]

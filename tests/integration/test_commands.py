"""Flow commands: settings at once, long work beside it, each command once, bad ones told."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event, Thread
from typing import Any

import msgspec
import pytest
from bytewax.testing import run_main

import flows.command_runner
from flows.command_runner import CommandRunner
from flows.commands import FLOW, TOPIC, CommandWriter, build
from flows.kafka import Chunk, Share
from flows.meter import FlowMeter
from schemas.events import AdminCommand
from tests.running import wait_until
from vane.client.topic import Keyed, TopicWriter
from vane.commands import arguments_of, parse_command
from vane.errors import Fenced, InvalidEvent
from vane.kafka_admin import create_topics
from vane.settings import Settings
from vane.store.commands import list_commands, note_sent
from vane.store.connection import Connection, connect
from vane.store.positions import Stream, TopicIdentity, open_log, take_position
from vane.store.tuning import read_tuning, tuning_history

NOW = 1_700_000_000_000
ANSWERS = "print('{\"activated\": false}')"


def command(name: str, command_id: str, **args: Any) -> bytes:
    return msgspec.json.encode(AdminCommand(command_id, name, NOW, args))  # type: ignore[arg-type]


class Reader:
    """A topic that is a list, and who writes what it says."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self.writer = CommandWriter(settings, connection, FlowMeter(FLOW))
        self._stream = Stream(FLOW, open_log(connection, TopicIdentity("c", TOPIC, "1")), 0)
        self.offset, self._epoch = take_position(connection, self._stream, start=0, owner="test")

    def read(self, *messages: bytes | None) -> Chunk:
        chunk = self.chunk(*messages)
        self.writer.apply(chunk)
        self.offset = chunk.next_offset
        return chunk

    def chunk(self, *messages: bytes | None) -> Chunk:
        offsets = list(range(self.offset, self.offset + len(messages)))
        end = self.offset + len(messages)
        keys: list[bytes | None] = [None] * len(messages)
        place = (self._stream, self._epoch, self.offset, end, end)
        return Chunk(*place, list(messages), keys, offsets, lambda _: 0)


@pytest.fixture
def reader(settings: Settings, connection: Connection) -> Reader:
    return Reader(settings, connection)


def states(connection: Connection) -> dict[str, str]:
    return {row.command_id: row.state for row in list_commands(connection, None, 100)}


def counts(connection: Connection) -> tuple[int, ...]:
    row = connection.execute(
        "select applied, dead_lettered, duplicates from stream_position where flow = 'commands'"
    ).fetchone()
    return tuple(row or ())


def test_settings_hold_with_the_position_and_only_once(
    reader: Reader, connection: Connection
) -> None:
    first = command("set_settings", "c1", action_weights={"wish": 3})
    chunk = reader.read(first, command("set_settings", "c2", excluding_actions=["wish"]))
    tuning, version = read_tuning(connection)
    assert tuning.action_weights["wish"] == 3
    assert tuning.excluding_actions == {"wish"}
    assert version == 3
    reader.read(first, command("set_settings", "c3", action_weights={"view": 9}), first)
    with pytest.raises(Fenced):
        reader.writer.apply(chunk)
    assert read_tuning(connection)[1] == 4
    assert counts(connection) == (3, 0, 2)
    assert states(connection) == {"c1": "done", "c2": "done", "c3": "done"}
    assert list_commands(connection, "c2", 1)[0].result == {"version": 3}
    assert tuning_history(connection, 1)[0].changed_by == "admin-commands c3"


def test_bad_commands_are_dead_letters_and_stop_no_others(
    reader: Reader, connection: Connection
) -> None:
    reader.read(
        None,
        b"{",
        b"[" * 9_000,
        command("restart", "x1"),
        command("tune", "x2", events=7),
        command("rebuild", "x3", half_life_long="soon"),
        command("set_settings", "x4", nonsense=1),
        command("set_settings", "x5", half_life_long_s=1.0),
        command("set_settings", "good", action_weights={"wish": 3}),
        command("rebuild", "a\nb"),
    )
    letters = connection.execute('select field, reason from dead_letter order by "offset"')
    fields = [field for field, _ in letters.fetchall()]
    assert fields == [
        *("$", "$", "$", "command", "args.events", "args.half_life_long", "nonsense"),
        *("half_life_long_s", "command_id"),
    ]
    assert counts(connection) == (1, 9, 0)
    assert states(connection) == {"x4": "failed", "x5": "failed", "good": "done"}
    assert "vane rebuild" in str(list_commands(connection, "x5", 1)[0].error)
    assert read_tuning(connection)[0].action_weights["wish"] == 3


def test_a_command_that_was_announced_is_done_once(reader: Reader, connection: Connection) -> None:
    sent = parse_command(command("rebuild", "r1", user="u"))
    note_sent(connection, sent)
    assert states(connection) == {"r1": "sent"}
    reader.read(msgspec.json.encode(sent))
    note_sent(connection, sent)
    assert states(connection) == {"r1": "queued"}


@pytest.mark.parametrize(
    ("name", "args", "line"),
    [
        ("tune", {}, ["tune", "--json"]),
        (
            "retrain",
            {"events": 1_000, "seed": 3},
            ["retrain", "--json", "--events", "1000", "--seed", "3"],
        ),
        (
            "rebuild",
            {"half_life_long": "30d", "half_life_short": "1.5h", "trends": False},
            [
                "rebuild",
                "--json",
                "--half-life-long",
                "30d",
                "--half-life-short",
                "1.5h",
                "--no-trends",
            ],
        ),
        (
            "rebuild",
            {"user": "--all", "trends": True},
            ["rebuild", "--json", "--user=--all", "--trends"],
        ),
    ],
)
def test_arguments_become_options(name: str, args: Any, line: list[str]) -> None:
    assert arguments_of(name, args) == line


@pytest.mark.parametrize(
    ("name", "args", "field"),
    [
        ("tune", {"trends": True}, "args.trends"),
        ("tune", {"events": True}, "args.events"),
        ("tune", {"events": 2**40}, "args.events"),
        ("rebuild", {"half_life_long": "0d"}, "args.half_life_long"),
        ("rebuild", {"half_life_long": 7}, "args.half_life_long"),
        ("rebuild", {"user": ""}, "args.user"),
        ("rebuild", {"user": "a\x00"}, "args.user"),
        ("rebuild", {"trends": "no"}, "args.trends"),
    ],
)
def test_wrong_arguments_are_named(name: str, args: Any, field: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        arguments_of(name, args)
    assert caught.value.field == field


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Commands run a Python program instead of `vane`."""

    def run(program: str) -> None:
        def start(_arguments: Any, _settings: Any, said: Any, warned: Any) -> Any:
            line = [sys.executable, "-c", program]
            return subprocess.Popen(line, stdout=said, stderr=warned)

        monkeypatch.setattr(flows.command_runner, "start_own", start)

    return run


def looked_until(runner: CommandRunner, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        runner.look()
        time.sleep(0.02)


def test_what_fails_says_why_and_the_next_one_runs(
    reader: Reader, settings: Settings, connection: Connection, scripted: Callable[[str], None]
) -> None:
    reader.read(command("tune", "t1"), command("tune", "t2"))
    runner = CommandRunner(settings, connection)
    scripted("import sys; sys.exit('vane: no luck')")
    looked_until(runner, lambda: states(connection)["t1"] == "running")
    scripted(ANSWERS)
    looked_until(runner, lambda: states(connection)["t2"] == "done")
    failed, done = (list_commands(connection, name, 1)[0] for name in ("t1", "t2"))
    assert failed.error == "exit status 1: vane: no luck"
    assert done.result == {"activated": False}


def test_what_was_cut_off_is_begun_again(
    reader: Reader, settings: Settings, connection: Connection, scripted: Callable[[str], None]
) -> None:
    reader.read(command("rebuild", "r1"))
    scripted("import time; time.sleep(60)")
    runner = CommandRunner(settings, connection)
    runner.look()
    assert states(connection) == {"r1": "running"}
    runner.stop()
    assert states(connection) == {"r1": "queued"}
    runner.look()
    CommandRunner(settings, connection)  # the process before was killed
    assert states(connection) == {"r1": "queued"}
    runner.stop()


@pytest.fixture
def running(settings: Settings) -> Iterator[None]:
    """The whole flow on a real broker, in a thread."""
    create_topics(settings.kafka_bootstrap, {TOPIC: 1})
    stop = Event()
    flow = build(settings, Share(), stop, FlowMeter(FLOW))
    thread = Thread(target=lambda: run_main(flow))  # type: ignore[no-untyped-call]
    thread.start()
    yield
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.usefixtures("running")
def test_a_rebuild_through_the_topic_changes_the_half_lives(
    settings: Settings, connection: Connection
) -> None:
    writer = TopicWriter(settings.kafka_bootstrap, TOPIC, 1_000)
    name = f"rebuild-{time.time_ns()}"
    raw = command("rebuild", name, half_life_short="3h")
    for _ in writer.write([Keyed(b"rebuild", raw)]):
        pass
    wait_until(lambda: states(connection).get(name) in {"done", "failed"}, 60)
    row = list_commands(connection, name, 1)[0]
    assert (row.state, row.error) == ("done", None)
    assert row.result is not None
    assert row.result["users"] == 0
    with closing(connect(settings, "test")) as other:
        assert read_tuning(other)[0].half_life_short_s == 3 * 3_600

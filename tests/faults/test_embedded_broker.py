"""The embedded broker's death in a whole `vane up`: noticed, a new log, an honest message."""

import os
import signal

import pytest

from tests.faults.load import Load, Mix
from tests.running import RunningUp, program_of, wait_until
from vane.audit import audit_all
from vane.settings import Settings
from vane.store.connection import Connection, connect
from vane.store.tuning import read_tuning
from vane.store.verification import open_snapshot

pytestmark = pytest.mark.faults

EVENTS = 1_000


def applied(connection: Connection) -> int:
    [(count,)] = connection.execute("select count(*) from interaction").fetchall()
    return int(count)


def test_the_broker_dies(seed: int) -> None:
    with RunningUp("--no-demo", "--flows", "interactions,trends") as up:
        endpoints = up.wait_ready()
        load = Load(
            seed, Mix(partitions=Settings().topic_partitions, poison=0, repeated=0), endpoints.kafka
        )
        settings = Settings(database_url=endpoints.postgres)
        with connect(settings, "fault test") as connection:
            load.produce(EVENTS)
            load.flush()
            wait_until(lambda: applied(connection) == EVENTS, 60, up.output())
            [broker] = [pid for pid in up.descendants() if program_of(pid) == "tansu"]
            os.kill(broker, signal.SIGKILL)
            up.wait_for_output("flows and API stopped, as the topics are gone")
            up.wait_for_output("acknowledged messages that no flow had seen yet are lost")
            logs = "select count(*) from log where topic = 'user-interactions'"
            wait_until(lambda: connection.execute(logs).fetchall() == [(2,)], 60, up.output())
            load.new_log()
            load.produce(EVENTS)
            load.flush()
            wait_until(lambda: applied(connection) == 2 * EVENTS, 90, up.output())
            rows = connection.execute("select user_id, event_id from interaction").fetchall()
            assert not load.ledger.expected() - type(load.ledger.expected())(rows)
            tuning, _ = read_tuning(connection)
            with open_snapshot(connection) as snapshot:
                report = audit_all(snapshot, tuning.half_lives_s, lambda _: None)
            assert report.listed == [], f"seed {seed}: {report.listed}"
        assert up.stop() == 0, up.output()

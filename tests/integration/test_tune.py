"""`vane tune` and `vane retrain` on real servers: from a log to a model that serves."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest
import redis

from schemas.events import SettingsHint
from vane.bus import SETTINGS
from vane.features import FEATURES
from vane.linear import LinearRanker
from vane.ranking import Model
from vane.settings import Settings, variable
from vane.store.connection import Connection
from vane.store.models import default_model, publish_learned, publish_model, read_model
from vane.store.positions import TopicIdentity, open_log

START = datetime(2026, 3, 1, tzinfo=UTC)
ITEMS = 60


def fill(connection: Connection, users: int, events_each: int, seed: int = 1) -> None:
    """A site where everyone goes from item k to item k + 1, in two partitions."""
    random = Random(seed)
    connection.cursor().executemany(
        "insert into item (item_id, version, title) values (%s, 1, '')",
        [(f"i{number}",) for number in range(ITEMS)],
    )
    steps = [
        (START + timedelta(seconds=random.uniform(0, 1e6)), user, step)
        for user in range(users)
        for step in range(events_each)
    ]
    firsts = [random.randrange(ITEMS) for _ in range(users)]
    times = iter(sorted(when for when, _, _ in steps))
    turns = [user for user in range(users) for _ in range(events_each)]
    random.shuffle(turns)
    taken = [0] * users
    rows = []
    log_id = open_log(connection, TopicIdentity("test", "user-interactions", "1"))
    ends = [0, 0]
    for user in turns:
        item = f"i{(firsts[user] + taken[user]) % ITEMS}"
        partition = user % 2
        rows.append((log_id, partition, ends[partition], f"u{user}", item, next(times)))
        ends[partition] += 1
        taken[user] += 1
    with connection.transaction():
        for partition in range(2):
            connection.execute(
                "insert into stream_position (flow, log_id, partition, start_offset, next_offset, "
                "applied) values ('interactions', %s, %s, 0, %s, %s)",
                [log_id, partition, ends[partition], ends[partition]],
            )
        connection.cursor().executemany(
            'insert into interaction (log_id, partition, "offset", recorded_at, event_id, '
            "user_id, item_id, action, ts, weight, excludes, item_slot) "
            "values (%s, %s, %s, now(), gen_random_uuid(), %s, %s, 'click', %s, 2, false, 0)",
            rows,
        )


def vane(settings: Settings, *arguments: str) -> dict[str, Any]:
    names = ("database_url", "redis_url")
    environ = {variable(name): getattr(settings, name) for name in names}
    done = subprocess.run(
        [sys.executable, "-m", "vane", *arguments, "--json"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_tune_learns_from_the_log_and_retrain_keeps_what_is_as_good(
    settings: Settings, connection: Connection
) -> None:
    fill(connection, users=70, events_each=20)
    with redis.Redis.from_url(settings.redis_url) as client, client.pubsub() as hints:
        hints.subscribe(SETTINGS)
        found = vane(settings, "tune")
        heard = [m["data"] for m in iter(lambda: hints.get_message(timeout=0.2), None)]
    assert found["activated"]
    assert found["lists"] > 1_000
    assert found["after"]["ndcg_10"] > 1.3 * found["before"]["ndcg_10"]
    assert msgspec.json.decode(heard[-1], type=SettingsHint).changed == "model"

    model, positions = read_model(connection)
    assert model.network is not None
    assert min(model.linear_version, model.network_version) > 0
    assert list(positions.values()) == [700, 700]
    weights = dict(zip(model.linear.used, model.linear.weights, strict=True))
    assert weights["share_next"] > 3 * abs(weights["share_popular_never"])

    again = vane(settings, "retrain")
    assert (again["activated"], again["reason"]) == (False, "not better")
    assert read_model(connection).model.version == model.version


def test_the_same_log_gives_the_same_model(settings: Settings, connection: Connection) -> None:
    fill(connection, users=10, events_each=12)
    contents = []
    for _ in range(2):
        connection.execute("delete from model")
        assert vane(settings, "tune")["activated"]
        contents.append(read_model(connection).model.linear.to_bytes())
    assert contents[0] == contents[1]
    assert read_model(connection).model.network is None


@pytest.mark.parametrize("command", ["tune", "retrain"])
def test_an_empty_log_activates_nothing(
    settings: Settings, connection: Connection, command: str
) -> None:
    found = vane(settings, command)
    assert not found["activated"]
    assert found["reason"] == "the log has no events yet"
    assert read_model(connection).model.version == default_model().version


def test_a_short_log_activates_nothing(settings: Settings, connection: Connection) -> None:
    fill(connection, users=3, events_each=4)
    found = vane(settings, "tune")
    assert (found["activated"], found["before"]) == (False, None)
    assert found["reason"].startswith("too few lists to learn from: ")


def test_a_damaged_model_is_refused_and_the_default_serves(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    ranker = LinearRanker(FEATURES)
    ranker.weights += 1.0
    version = publish_model(connection, Model(ranker), {}, {}).linear_version
    assert read_model(connection).model.linear.weights.tolist() == ranker.weights.tolist()
    connection.execute("update model set content = set_byte(content, 50, 7)")
    model = read_model(connection).model
    assert model.linear.weights.tolist() == default_model().linear.weights.tolist()
    assert model.linear_version == version
    assert f"model version {version} is refused" in caplog.text
    assert "its bytes are damaged" in caplog.text


def test_only_one_of_two_writers_takes_the_place_of_a_model(connection: Connection) -> None:
    nobodys = Model(LinearRanker(FEATURES))
    served = publish_learned(connection, nobodys, {"1/0": 5})
    assert publish_learned(connection, nobodys, {}) is None
    for _ in range(9):
        assert served is not None
        served = publish_learned(connection, served, {"1/0": 6})
    (kept,) = connection.execute("select count(*) from model").fetchone() or (0,)
    assert kept == 5
    assert read_model(connection).positions == {"1/0": 6}

"""Flow learning on real PostgreSQL: follows the log, publishes, adopts, goes on where it was."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event

import pytest

import flows.teacher
import vane.learning
from flows.learning import LogFollower
from flows.teacher import Teacher
from tests.integration.test_tune import fill
from tests.running import wait_until
from vane.features import FEATURES
from vane.linear import Doubles, Floats, LinearRanker
from vane.settings import Settings, variable
from vane.store.connection import Connection, connect
from vane.store.models import Positions, publish_linear, read_model

USERS, EVENTS_EACH = 30, 12


@pytest.fixture
def stop() -> Event:
    return Event()


@pytest.fixture
def teach(settings: Settings, stop: Event) -> Iterator[Callable[[], tuple[Teacher, LogFollower]]]:
    """A new process's teacher and its place in the log; publishes after every batch."""
    eager = Settings(
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        learning_publish_ms=100,
        learning_targets_per_s=1_000,
    )
    opened: list[tuple[Teacher, LogFollower]] = []

    def begin() -> tuple[Teacher, LogFollower]:
        teacher = Teacher(eager, connect(eager, "test"), stop)
        follower = LogFollower(teacher.connection, 10_000, teacher.learned_before)
        opened.append((teacher, follower))
        return teacher, follower

    yield begin
    stop.set()
    for teacher, _ in opened:
        teacher.connection.close()


def read_all(teacher: Teacher, follower: LogFollower) -> Positions:
    """As the flow does, to the end of the log."""
    while True:
        batch = follower.read_batch()
        if batch.known:
            teacher.recall(batch.blocks)
        else:
            time.sleep(0.11)
            teacher.learn(batch.blocks, follower.positions, behind=batch.left > 0)
            if not batch.left:
                return follower.positions


def test_it_learns_publishes_and_goes_on_where_it_was(
    connection: Connection, teach: Callable[[], tuple[Teacher, LogFollower]]
) -> None:
    fill(connection, USERS, EVENTS_EACH)
    positions = read_all(*teach())
    model, stored = read_model(connection)
    assert stored == positions == {"1/0": 180, "1/1": 180}
    assert model.linear.lists > 200
    weights = dict(zip(model.linear.used, model.linear.weights, strict=True))
    assert weights["share_next"] == max(weights.values())

    teacher, follower = teach()
    assert follower.read_batch().known
    read_all(teacher, follower)
    again, _ = read_model(connection)
    assert again.linear.to_bytes() == model.linear.to_bytes()


def test_a_model_activated_by_another_is_adopted_not_overwritten(
    connection: Connection, teach: Callable[[], tuple[Teacher, LogFollower]]
) -> None:
    fill(connection, USERS, EVENTS_EACH)
    teacher, follower = teach()
    tuned = LinearRanker(FEATURES)
    tuned.weights += 0.5
    version = publish_linear(connection, tuned, {}, replacing=0)
    read_all(teacher, follower)
    assert read_model(connection).model.linear_version == version
    assert teacher._learner.linear.to_bytes() == tuned.to_bytes()


@pytest.mark.parametrize("better", [True, False])
def test_trees_serve_only_if_they_are_better(
    connection: Connection,
    teach: Callable[[], tuple[Teacher, LogFollower]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    better: bool,
) -> None:
    for module in (flows.teacher, vane.learning):
        monkeypatch.setattr(module, "LISTS_FOR_TREES", 100)
    monkeypatch.setattr(vane.learning, "TreeRanker", _Oracle)
    monkeypatch.setattr(_Oracle, "sign", 1.0 if better else -1.0)
    fill(connection, USERS, EVENTS_EACH)
    bad = LinearRanker(FEATURES)
    bad.weights -= 3.0
    publish_linear(connection, bad, {}, replacing=0)
    teacher, follower = teach()
    read_all(teacher, follower)
    assert teacher._fit is not None
    teacher._fit.exception(10)
    teacher.learn([], follower.positions, behind=False)
    count = connection.execute("select count(*) from model where kind = 'trees'").fetchone()
    assert count == (int(better),)


class _Oracle:
    """Stands for trees that are very good, or very bad."""

    sign = 1.0
    features = FEATURES
    lists = 100

    @classmethod
    def fit(cls, *_: object, **__: object) -> "_Oracle":
        return cls()

    def scores(self, features: Floats) -> Doubles:
        return 100.0 * self.sign * features[:, FEATURES.index("share_next")].astype(float)

    def to_bytes(self) -> bytes:
        return b"oracle"


def test_the_process_publishes_and_ends_cleanly(settings: Settings, connection: Connection) -> None:
    fill(connection, 10, 10)
    names = ("database_url", "redis_url", "kafka_bootstrap")
    environ = {variable(name): getattr(settings, name) for name in names}
    process = subprocess.Popen(
        [sys.executable, "-m", "vane", "flow", "learning"],
        env={**os.environ, **environ, "VANE_LEARNING_TARGETS_PER_S": "1000"},
        stderr=subprocess.PIPE,
    )
    try:
        wait_until(lambda: read_model(connection).positions, 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
    assert read_model(connection).model.linear.lists > 0

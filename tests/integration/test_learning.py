"""Flow learning on real PostgreSQL: follows the log, publishes, adopts, goes on where it was."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event
from typing import Self

import numpy as np
import pytest

import flows.teacher
import vane.learning
from flows.learning import LogFollower
from flows.meter import FlowMeter
from flows.teacher import Teacher
from tests.integration.test_tune import fill
from tests.running import wait_until
from vane.features import FEATURES
from vane.linear import Doubles, Features, LabelledList, LinearRanker
from vane.metrics import LEARNING_STEP, LEARNING_TARGETS
from vane.network import NetworkRanker
from vane.ranking import Model
from vane.settings import Settings, variable
from vane.store.connection import Connection, connect
from vane.store.models import Positions, publish_learned, publish_model, publish_network, read_model

USERS, EVENTS_EACH = 30, 12


@pytest.fixture
def stop() -> Event:
    return Event()


@pytest.fixture
def meter() -> FlowMeter:
    return FlowMeter("learning")


@pytest.fixture
def teach(
    settings: Settings, stop: Event, meter: FlowMeter
) -> Iterator[Callable[[], tuple[Teacher, LogFollower]]]:
    """A new process's teacher and its place in the log; publishes after every batch."""
    eager = Settings(
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        learning_publish_ms=100,
        learning_targets_per_s=1_000,
    )
    opened: list[tuple[Teacher, LogFollower]] = []

    def begin() -> tuple[Teacher, LogFollower]:
        teacher = Teacher(eager, connect(eager, "test"), stop, meter)
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
    connection: Connection, teach: Callable[[], tuple[Teacher, LogFollower]], meter: FlowMeter
) -> None:
    fill(connection, USERS, EVENTS_EACH)
    positions = read_all(*teach())
    model, stored = read_model(connection)
    assert stored == positions == {"1/0": 180, "1/1": 180}
    assert model.linear.lists > 200
    weights = dict(zip(model.linear.used, model.linear.weights, strict=True))
    assert weights["share_next"] == max(weights.values())
    places = {
        place: meter.numbers.counter(LEARNING_TARGETS, place).value
        for place in ("top", "lower", "missed")
    }
    assert places["top"] + places["lower"] == model.linear.lists
    assert places["top"] > places["lower"], "what comes next is easy to tell in this log"
    assert 0 < meter.numbers.gauge(LEARNING_STEP).value < 0.5

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
    other = publish_model(connection, Model(tuned, network(1)), {}, {})
    read_all(teacher, follower)
    assert read_model(connection).model.version == other.version
    assert teacher._learner.linear.to_bytes() == tuned.to_bytes()
    assert teacher._learner.network is not None


def test_the_network_learns_live_and_goes_on_where_it_was(
    connection: Connection, teach: Callable[[], tuple[Teacher, LogFollower]]
) -> None:
    fill(connection, USERS, EVENTS_EACH)
    publish_model(connection, Model(LinearRanker(FEATURES), network(1)), {}, {})
    read_all(*teach())
    model, _ = read_model(connection)
    assert model.network is not None
    assert model.network.lists >= 20 + 192
    teacher, follower = teach()
    read_all(teacher, follower)
    again, _ = read_model(connection)
    assert again.network is not None
    assert again.network.to_bytes() == model.network.to_bytes()
    assert publish_learned(connection, Model(model.linear), {}) is None


@pytest.mark.parametrize("better", [True, False])
def test_a_network_serves_only_if_it_is_better(
    connection: Connection,
    teach: Callable[[], tuple[Teacher, LogFollower]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    better: bool,
) -> None:
    for module in (flows.teacher, vane.learning):
        monkeypatch.setattr(module, "LISTS_FOR_NETWORK", 100)
    monkeypatch.setattr(vane.learning, "NetworkRanker", _Oracle)
    monkeypatch.setattr(_Oracle, "sign", 1.0 if better else -1.0)
    fill(connection, USERS, EVENTS_EACH)
    publish_model(connection, bad_model(), {}, {})
    teacher, follower = teach()
    read_all(teacher, follower)
    assert teacher._fit is not None
    teacher._fit.exception(10)
    teacher.learn([], follower.positions, behind=False)
    served = read_model(connection).model.network
    assert (served is not None) == better
    assert (teacher._learner.network is not None) == better


def test_a_network_that_was_fitted_meanwhile_leaves_alone_what_others_activated(
    connection: Connection,
    teach: Callable[[], tuple[Teacher, LogFollower]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (flows.teacher, vane.learning):
        monkeypatch.setattr(module, "LISTS_FOR_NETWORK", 100)
    monkeypatch.setattr(vane.learning, "NetworkRanker", _Oracle)
    fill(connection, USERS, EVENTS_EACH)
    publish_model(connection, bad_model(), {}, {})
    teacher, follower = teach()
    read_all(teacher, follower)
    assert teacher._fit is not None
    assert teacher._fit.result(10).better
    other = publish_network(connection, network(2), {})
    teacher.learn([], follower.positions, behind=False)
    assert read_model(connection).model.network_version == other


def test_few_lists_are_not_enough_against_a_network_of_many(
    connection: Connection,
    teach: Callable[[], tuple[Teacher, LogFollower]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flows.teacher, "LISTS_FOR_NETWORK", 100)
    fill(connection, USERS, EVENTS_EACH)
    teacher, follower = teach()
    tuned = network(1)
    tuned.lists = 5_000
    publish_model(connection, Model(LinearRanker(FEATURES), tuned), {}, {})
    teacher._fit_due = 0.0
    read_all(teacher, follower)
    assert teacher._learner.network is not None
    assert teacher._learner.network.lists >= 5_000
    assert teacher._fit is None


def bad_model() -> Model:
    linear = LinearRanker(FEATURES)
    linear.weights -= 3.0
    return Model(linear)


class _Oracle(NetworkRanker):
    """Stands for a network that is very good, or very bad."""

    sign = 1.0

    @classmethod
    def fit(cls, *_: object, **__: object) -> Self:
        return cls.from_bytes(network(1).to_bytes(), FEATURES)

    def scores(self, features: Features, best: int | None = None) -> Doubles:  # noqa: ARG002
        return 100.0 * self.sign * features[:, FEATURES.index("share_next")].astype(float)


def network(seed: int) -> NetworkRanker:
    """One that learned nothing of use."""
    rng = np.random.default_rng(seed)
    rows = rng.random((20, 30, len(FEATURES))).astype(np.float32)
    lists = [LabelledList(features, int(rng.integers(30))) for features in rows]
    return NetworkRanker.fit(FEATURES, lists, seed=seed)


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

"""Real servers stopped and frozen under the API: what is answered, and how soon."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from api.health import READY_TIMEOUT_S
from api.services import ANSWER_S_MAX
from api.waiting import Token
from schemas.events import PreferenceHint
from tests.api.conftest import ADMIN_KEY, Api, running, wait_until
from tests.api.seed import Seed
from tests.api.test_stream import opened
from vane.bus import PREFERENCES
from vane.embedded.broker import Broker
from vane.embedded.postgres import SETTINGS, Postgres
from vane.embedded.redis import Redis
from vane.embedded.server import Server
from vane.kafka_admin import create_topics, describe_topic
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.migrate import migrate
from vane.store.positions import open_log

LIST = "/v1/users/ada/recommendations"
TTL_S = 0.3
SOON_S = ANSWER_S_MAX + 1.5
"""A list that PostgreSQL has no part in, on a busy machine."""

Fault = Callable[[Server], AbstractContextManager[None]]


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    family = psutil.Process(server.process.pid).children(recursive=True)
    assert family
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in family:
            process.resume()


FAULTS = pytest.mark.parametrize("fault", [stopped, frozen])


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="vane-fb-"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


@pytest.fixture(scope="module")
def postgres(folder: Path) -> Iterator[Postgres]:
    fast = {**SETTINGS, "fsync": "off", "full_page_writes": "off"}
    server = Postgres(folder / "data", folder / "pg", folder, settings=fast).start()
    with connect(Settings(database_url=server.uri), "tests") as connection:
        migrate(connection)
        Seed(connection).items(40)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def redis(folder: Path) -> Iterator[Redis]:
    server = Redis(folder / "redis", folder).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def broker(folder: Path) -> Iterator[Broker]:
    server = Broker(folder).start()
    create_topics(server.bootstrap, {"user-interactions": 2})
    yield server
    server.kill()


@pytest.fixture
def own_settings(postgres: Postgres, redis: Redis, broker: Broker) -> Settings:
    return Settings(
        database_url=postgres.uri,
        redis_url=redis.url,
        kafka_bootstrap=broker.bootstrap,
        access="open",
        admin_key=ADMIN_KEY,
        cache_ttl_ms=round(1e3 * TTL_S),
    )


@pytest.fixture
def own(own_settings: Settings) -> Iterator[tuple[Api, Seed]]:
    """An API on the servers of this module, and user ada with a state."""
    with connect(own_settings, "tests") as connection, running(own_settings) as api:
        connection.execute("truncate interaction, user_preference")
        seed = Seed(connection)
        seed.user("ada", ["cars-0", "cars-1"])
        api.sync()
        wait_until(lambda: api.services.subscription.connected and bool(api.services.memory.items))
        yield api, seed


def timed(call: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began


@FAULTS
def test_without_redis_lists_come_from_postgres_as_old_as_the_cache_lets_them(
    own: tuple[Api, Seed], redis: Redis, fault: Fault
) -> None:
    api, seed = own
    with opened(api) as stream:
        assert stream.version() == 1
        with fault(redis):
            for _ in range(2):
                version = seed.bump("ada")
                began = time.monotonic()
                wait_until(lambda v=version: api.get(LIST).json()["version"] == v)  # type: ignore[misc]
                assert time.monotonic() - began < TTL_S + 1
                assert stream.version() == version
                assert time.monotonic() - began < 3
            assert api.get("/readyz").status_code == 200
        wait_until(lambda: api.services.subscription.connected, timeout_s=15)
        version = seed.bump("ada")
        wait_until(lambda: api.publisher.publish(PREFERENCES, hint(version)), timeout_s=15)
        assert stream.version() == version


def hint(version: int) -> PreferenceHint:
    return PreferenceHint([("ada", version)], 1, 0, version, 0.0)


@FAULTS
def test_without_postgres_what_is_known_goes_on(
    own: tuple[Api, Seed], postgres: Postgres, fault: Fault
) -> None:
    api, _ = own
    fresh = api.get(LIST)
    assert fresh.status_code == 200
    with opened(api) as stream:
        assert stream.next().data == fresh.text
        with fault(postgres):
            time.sleep(TTL_S)
            known, took_s = timed(lambda: api.get(LIST))
            assert (known.status_code, known.content) == (200, fresh.content)
            assert int(known.headers["age"]) >= 0
            assert took_s < SOON_S
            token = Token(1, {0: 10**9}).encode()
            waited, took_s = timed(lambda: api.get(f"{LIST}?after={token}&wait_ms=100"))
            assert (waited.content, waited.headers["vane-applied"]) == (fresh.content, "false")
            assert took_s < SOON_S + 1
            popular, took_s = timed(lambda: api.get("/recommend/nobody"))
            assert (popular.json()["strategy"], len(popular.json()["items"])) == ("trending", 10)
            assert "age" in popular.headers
            assert took_s < SOON_S
            with opened(api) as other:
                assert other.next().data == fresh.text
            bounded_problems(api)
            assert api.get("/livez").status_code == 200
        if fault is stopped:
            reconnect(api)
        version = bumped_again(postgres)
        assert stream.version() == version, "the stream goes on when PostgreSQL is back"
    wait_until(lambda: "age" not in api.get(LIST).headers)
    assert api.get("/readyz").status_code == 200


def bounded_problems(api: Api) -> None:
    """What nobody knows by heart is a 503 soon, readiness too."""
    for path, bound_s in (("/v1/items/cars-7", SOON_S), ("/readyz", READY_TIMEOUT_S + 1.5)):
        refused, took_s = timed(lambda path=path: api.get(path))  # type: ignore[misc]
        assert refused.status_code == 503, path
        assert took_s < bound_s, path
        if path != "/readyz":
            assert refused.headers["retry-after"] == "1"
            assert refused.headers["content-type"] == "application/problem+json"


def reconnect(api: Api) -> None:
    wait_until(lambda: api.get("/readyz").status_code == 200, timeout_s=20)


def bumped_again(postgres: Postgres) -> int:
    with psycopg.connect(postgres.uri, autocommit=True) as connection:
        row = connection.execute(
            "update user_preference set version = version + 1 where user_id = 'ada'"
            " returning version"
        ).fetchone()
        assert row is not None
        return int(row[0])


def test_slow_postgres_is_given_up_on(own: tuple[Api, Seed], postgres: Postgres) -> None:
    api, _ = own
    fresh = api.get(LIST)
    time.sleep(TTL_S)
    with psycopg.connect(postgres.uri) as blocker:
        blocker.execute("lock table user_preference in access exclusive mode")
        known, took_s = timed(lambda: api.get(LIST))
        assert (known.content, "age" in known.headers) == (fresh.content, True)
        assert took_s < SOON_S
    wait_until(lambda: "age" not in api.get(LIST).headers)


def test_without_postgres_from_the_start_there_is_a_503_then_lists(
    own_settings: Settings, postgres: Postgres
) -> None:
    with stopped(postgres), running(own_settings) as api:
        refused, took_s = timed(lambda: api.get(LIST))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert took_s < SOON_S
        stream = api.get(LIST + "/stream")
        assert (stream.status_code, stream.headers["retry-after"]) == (503, "1")
        assert api.get("/livez").status_code == 200
        postgres.start()
        wait_until(lambda: api.get(LIST).status_code == 200, timeout_s=20)
        postgres.kill()


@pytest.fixture
def soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.ingest.DELIVERY_TIMEOUT_MS", 1_500)


@FAULTS
@pytest.mark.usefixtures("soon_given_up")
def test_without_kafka_events_are_refused_whole(
    own: tuple[Api, Seed], broker: Broker, fault: Fault
) -> None:
    api, seed = own
    event = {"user_id": "ada", "item_id": "cars-1", "action": "view"}
    assert api.client.post("/v1/events", json=event).status_code == 202
    with fault(broker):
        batch = {"events": [event] * 100}
        refused, took_s = timed(lambda: api.client.post("/v1/events", json=batch))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert took_s < 1.5 + 1 + 1
        assert api.get(LIST).status_code == 200
        assert api.get("/readyz").status_code == 503
    if fault is stopped:
        create_topics(broker.bootstrap, {"user-interactions": 2})
        open_log(seed.connection, describe_topic(broker.bootstrap, "user-interactions")[0])
    wait_until(lambda: api.client.post("/v1/events", json=event).status_code == 202, timeout_s=40)


def test_half_of_the_catalogue_goes_and_all_that_is_left_was_seen(own: tuple[Api, Seed]) -> None:
    api, seed = own
    left = [f"cars-{number}" for number in range(0, 40, 2)]
    seed.connection.execute("update item set available = false where not item_id = any(%s)", [left])
    try:
        wait_until(lambda: names(api) <= {*left})
        assert len(names(api)) == 10
        seed.user("eve", left)
        wait_until(lambda: len(names(api, "eve")) == 10)
        assert names(api, "eve") <= {*left}
    finally:
        seed.connection.execute("update item set available = true")


def names(api: Api, user: str = "ada") -> set[str]:
    body = api.get(f"/v1/users/{user}/recommendations").json()
    return {item["item_id"] for item in body["items"]}


@pytest.mark.parametrize("broken", ['"nonsense"', '{"half_life_long_s": -1}', "[]"])
def test_broken_settings_leave_the_last_good_ones(
    own: tuple[Api, Seed], broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    api, seed = own
    good = seed.connection.execute("select value from setting").fetchone()
    assert good is not None
    store(api, seed, {**good[0], "action_weights": {**good[0]["action_weights"], "wave": 1.0}})
    event = {"user_id": "ada", "item_id": "cars-1", "action": "wave"}
    wait_until(lambda: api.client.post("/v1/events", json=event).status_code == 202)
    gauge = api.services.metrics.settings_broken
    store(api, seed, json.loads(broken))
    assert gauge.value == 1
    assert api.get(LIST).status_code == 200
    assert api.client.post("/v1/events", json=event).status_code == 202
    for _ in range(2):
        api.sync()
    assert [r.levelname for r in caplog.records if "last good" in r.message] == ["ERROR"]
    store(api, seed, good[0])
    assert gauge.value == 0
    assert api.client.post("/v1/events", json=event).status_code == 422


def store(api: Api, seed: Seed, value: Any) -> None:
    seed.connection.execute("update setting set value = %s", [json.dumps(value)])
    api.sync()

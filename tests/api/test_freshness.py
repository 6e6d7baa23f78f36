import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest

from api.waiting import Token
from schemas.events import PreferenceHint
from tests.api.conftest import Api, running, wait_until
from tests.api.seed import Seed
from tests.support import open_test_log
from vane.bus import PREFERENCES
from vane.settings import Settings

ADA = "/v1/users/ada/recommendations"


def hint(user: str, version: int, next_offset: int = 1, log: int = 1) -> PreferenceHint:
    return PreferenceHint([(user, version)], log, 0, next_offset, 0.0)


@contextmanager
def called(api: Api, path: str) -> Iterator[list[Any]]:
    """A request in flight during the block; its answer is in the list afterwards."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(api.get(path)))
    thread.start()
    try:
        yield answers
    finally:
        thread.join(20)


def test_the_entity_tag_names_the_list(api: Api, seed: Seed) -> None:
    seed.user("ada", seed.items(20)[:2])
    api.sync()
    first = api.get(ADA)
    tag = first.headers["etag"]
    assert first.json()["request_id"] == tag.strip('"')
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        for path in (ADA, ADA + "?limit=10"):  # from the cache, and computed
            again = api.get(path, headers={"If-None-Match": given})
            if path == ADA or given == "*":
                assert (again.status_code, again.content) == (304, b"")
                assert again.headers["etag"].startswith('"')
    assert api.get(ADA, headers={"If-None-Match": '"other"'}).content == first.content
    assert api.get(ADA + "?limit=5").headers["etag"] != tag
    seed.bump("ada")
    api.hint(PREFERENCES, hint("ada", 2))
    changed = api.get(ADA, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert changed.headers["etag"] != tag


def test_the_tag_agrees_over_processes_and_restarts(
    api: Api, api_settings: Settings, seed: Seed
) -> None:
    seed.user("ada", seed.items(20)[:2])
    api.sync()
    tag = api.get(ADA).headers["etag"]
    with running(api_settings) as other:
        assert other.get(ADA).headers["etag"] == tag


def test_an_answer_is_kept_until_a_hint_names_its_user(api: Api, seed: Seed) -> None:
    seed.user("ada", seed.items(20)[:2])
    api.sync()
    first = api.get(ADA)
    seed.bump("ada")
    api.hint(PREFERENCES, hint("bob", 9))
    assert api.get(ADA).content == first.content
    api.hint(PREFERENCES, hint("ada", 2))
    assert api.get(ADA).json()["version"] == 2


def test_a_hint_that_overtakes_a_fill_wins(api: Api, seed: Seed) -> None:
    seed.user("ada", seed.items(20)[:2])
    api.sync()
    read, release = threading.Event(), threading.Event()
    recommender: Any = api.services.recommender
    original: Callable[..., Awaitable[Any]] = recommender.moment

    async def slow(*arguments: Any) -> Any:
        found = await original(*arguments)
        read.set()
        await asyncio.to_thread(release.wait, 10)
        return found

    recommender.moment = slow
    with called(api, ADA) as answers:
        assert read.wait(10)
        recommender.moment = original
        seed.bump("ada")
        api.hint(PREFERENCES, hint("ada", 2))
        release.set()
    assert answers[0].json()["version"] == 1
    assert api.get(ADA).json()["version"] == 2


def test_fills_and_hints_in_a_race_never_leave_an_old_list(api: Api, seed: Seed) -> None:
    """Whoever asks after a hint was taken gets its version at least, whoever fills meanwhile."""
    seed.user("ada", seed.items(20)[:2])
    api.sync()
    taken, ending, stale = [1], threading.Event(), list[tuple[int, int]]()

    def poll(limit: int) -> None:
        with httpx.Client(base_url=api.client.base_url) as client:
            while not ending.is_set():
                least = taken[0]
                version = client.get(f"{ADA}?limit={limit}").json()["version"]
                if version < least:
                    stale.append((least, version))

    pollers = [threading.Thread(target=poll, args=(5 + number % 2,)) for number in range(4)]
    for poller in pollers:
        poller.start()
    for _ in range(150):
        version = seed.bump("ada")
        api.hint(PREFERENCES, hint("ada", version))
        taken[0] = version
    ending.set()
    for poller in pollers:
        poller.join(10)
    assert stale == []
    assert api.services.metrics.cache["overtaken"].value > 0, "there was no race"


def test_a_reconnected_subscription_drops_everything(
    api: Api, seed: Seed, settings: Settings
) -> None:
    seed.user("ada", seed.items(20)[:2])
    api.sync()
    assert api.get(ADA).json()["version"] == 1
    seed.bump("ada")
    api.publisher._client.client_kill_filter(_type="pubsub")
    wait_until(lambda: api.get(ADA).json()["version"] == 2)


def test_without_redis_answers_live_for_their_time(
    api_settings: Settings, seed: Seed, connection: Any
) -> None:
    seed.user("ada", seed.items(20)[:2])
    alone = replace(api_settings, redis_url="redis://127.0.0.1:1", cache_ttl_ms=300)
    with running(alone) as api:
        assert api.get(ADA).json()["version"] == 1
        seed.bump("ada")
        assert api.get(ADA).json()["version"] == 1
        wait_until(lambda: api.get(ADA).json()["version"] == 2, timeout_s=2)
        ready = api.get("/readyz")
        assert (ready.status_code, ready.json()["dependencies"]["redis"]) == (
            200,
            "no subscription",
        )


def test_after_a_token_the_answer_is_fresh(api: Api, seed: Seed) -> None:
    log = open_test_log(seed.connection)
    seed.position("interactions", log, 0, 5)
    seed.user("ada", seed.items(20)[:2])
    api.sync()
    assert api.get(ADA).json()["version"] == 1  # now it is in the cache
    token = Token(log, {0: 6}).encode()
    late = api.get(ADA, params={"after": token, "wait_ms": 80})
    assert (late.headers["vane-applied"], late.status_code) == ("false", 200)
    with called(api, f"{ADA}?after={token}&wait_ms=5000") as answers:
        time.sleep(0.15)
        assert answers == []
        seed.bump("ada")
        seed.position("interactions", log, 0, 6)  # and no hint
    assert answers[0].headers["vane-applied"] == "true"
    assert answers[0].json()["version"] == 2
    for _ in range(2):  # the second one is not from the cache, which knows no such header
        now = api.get(ADA, params={"after": token, "wait_ms": 0})
        assert now.headers["vane-applied"] == "true"


def test_a_hint_ends_the_wait(api: Api, seed: Seed) -> None:
    seed.items(3)
    token = Token(1, {0: 6}).encode()
    began = time.monotonic()
    with called(api, f"{ADA}?after={token}&wait_ms=9000") as answers:
        time.sleep(0.1)
        api.hint(PREFERENCES, PreferenceHint([], 1, 0, 6, 0.0))
    assert answers[0].headers["vane-applied"] == "true"
    assert time.monotonic() - began < 5


def test_a_token_of_another_log_is_not_applied(api: Api, seed: Seed) -> None:
    log = open_test_log(seed.connection)
    seed.position("interactions", log, 0, 100)
    token = Token(log + 1, {0: 6}).encode()
    answer = api.get(ADA, params={"after": token, "wait_ms": 0})
    assert answer.headers["vane-applied"] == "false"


@pytest.mark.parametrize("token", ["x", "*", "MS4w", "ä", "A" * 40_000, Token(1, {}).encode()])
def test_a_malformed_token_is_refused(api: Api, token: str) -> None:
    answer = api.get(ADA, params={"after": token})
    assert (answer.status_code, answer.json().get("field")) == (422, "after")


def test_without_postgres_the_last_known_answer_is_given_with_its_age(
    api_settings: Settings, seed: Seed, postgres_uri: str
) -> None:
    seed.user("ada", seed.items(20)[:2])
    with running(replace(api_settings, cache_ttl_ms=0)) as api:
        fresh = api.get(ADA)
        assert "age" not in fresh.headers
        wait_until(lambda: len(api.services.memory.items) > 0)
        name = seed.connection.info.dbname
        with psycopg.connect(postgres_uri, autocommit=True) as admin:
            admin.execute(f"alter database {name} allow_connections false")
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'vane api'"
            )
            try:
                old = api.get(ADA)
                assert (old.status_code, old.content) == (200, fresh.content)
                assert int(old.headers["age"]) >= 0
                other = api.get("/v1/users/bob/recommendations?limit=3&category=cars")
                assert (other.json()["strategy"], len(other.json()["items"])) == ("trending", 3)
                assert int(other.headers["age"]) >= 0
                gone = api.get("/v1/items/cars-1")
                assert (gone.status_code, gone.headers["retry-after"]) == (503, "1")
                assert gone.headers["content-type"] == "application/problem+json"
                ready = api.get("/readyz")
                assert ready.status_code == 503
                assert ready.json()["dependencies"]["postgres"] != "ok"
                assert api.get("/livez").status_code == 200
            finally:
                admin.execute(f"alter database {name} allow_connections true")
        wait_until(lambda: "age" not in api.get(ADA).headers)
        assert api.get("/readyz").json()["status"] == "ok"

"""What the API measures."""

import time
from datetime import UTC, datetime

from api.cache import Answer, Cache
from schemas.events import CatalogHint, PreferenceHint
from tests.api.conftest import Api
from tests.api.seed import Seed
from tests.exposed import Samples, read_exposed, total
from vane.api_metrics import (
    API_CACHE,
    API_EVENTS,
    API_HINT_DELAY_SECONDS,
    API_HINTS,
    API_REQUEST_SECONDS,
    API_REQUESTS,
)
from vane.bus import CATALOG, PREFERENCES
from vane.meter import OTHER
from vane.metrics import FRESHNESS
from vane.store.connection import Connection


def scrape(api: Api) -> Samples:
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "secret" not in answer.text
    return read_exposed(answer.text, "api")


def test_the_api_exposes_its_part_of_the_list_and_no_ids(api: Api, seed: Seed) -> None:
    seed.user("secret-user", seed.items(3, "secret")[:1])
    api.sync()
    for _ in range(3):
        api.get("/v1/users/secret-user/recommendations?kind=secret")
    api.get("/v1/items/secret-1")
    api.get("/secret-path")
    api.client.request("SECRET", "/v1/trending")
    event = {"user_id": "secret-user", "item_id": "secret-1", "action": "view"}
    batch = {"events": [event, {**event, "action": "secret"}]}
    assert api.client.post("/v1/events", json=batch).status_code == 202
    api.hint(CATALOG, CatalogHint(["secret-1"], 0.0))
    samples = scrape(api)
    recommendations = "/v1/users/{user_id:path}/recommendations"
    assert total(samples, API_REQUESTS, recommendations, "200") == 3
    assert total(samples, API_REQUESTS, "unmatched", "404") == 1
    assert total(samples, API_REQUESTS, OTHER) == 1
    assert total(samples, API_REQUEST_SECONDS, recommendations) == 3
    assert total(samples, API_CACHE, "hit") == 2
    assert total(samples, API_EVENTS, "accepted") == total(samples, API_EVENTS, "rejected") == 1
    assert total(samples, API_HINTS, "CatalogHint") == 1
    assert samples["vane_api_redis_connected",] == 1
    assert samples["vane_api_cache_entries",] >= 2


def test_freshness_counts_the_first_answer_that_shows_an_event(
    api: Api, seed: Seed, connection: Connection
) -> None:
    seed.user("ada", seed.items(5)[:1])
    api.sync()
    path = "/v1/users/ada/recommendations"
    api.get(path)
    assert total(scrape(api), FRESHNESS, "served") == 0, "no hint said that it is new"
    connection.execute("update user_preference set version = 2, as_of = now() - interval '4 s'")
    api.hint(PREFERENCES, PreferenceHint([("ada", 2)], 1, 0, 1, time.time() - 0.3))
    for _ in range(3):
        assert api.get(path).json()["version"] == 2
    samples = scrape(api)
    assert total(samples, FRESHNESS, "served") == 1
    assert 4 <= samples["vane_freshness_seconds_sum", "served"] < 14
    assert total(samples, API_HINT_DELAY_SECONDS) == 1
    assert 0.3 <= samples["vane_api_hint_delay_seconds_sum",] < 10


def test_an_answer_is_the_first_once_and_only_with_the_version_of_the_hint() -> None:
    now = [100.0]
    cache = Cache(10, 5.0, clock=lambda: now[0])

    def answer(version: int) -> Answer:
        return Answer(b"", b"", "/", ("user:ada",), version, datetime.now(UTC))

    assert cache.first_shown_s(answer(1)) is None
    cache.drop("user:ada", 2)
    now[0] = 103.0
    assert cache.first_shown_s(answer(1)) is None
    assert cache.first_shown_s(answer(2)) == 3.0
    assert cache.first_shown_s(answer(2)) is None
    cache.drop("user:ada", 3)
    assert cache.first_shown_s(answer(3)) == 0.0

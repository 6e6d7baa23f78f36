"""What the API measures."""

import asyncio
import time
from collections import Counter
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
    API_LISTED_ITEMS,
    API_LISTS_MADE,
    API_MEMORY,
    API_NEAR_ROWS,
    API_NEAR_SEARCHES,
    API_REQUEST_SECONDS,
    API_REQUESTS,
    API_STAGE_SECONDS,
    REASONS,
    STAGES,
)
from vane.bus import CATALOG, PREFERENCES, count_shown
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


def test_a_list_tells_its_stages_its_reasons_and_what_it_read(api: Api, seed: Seed) -> None:
    items = seed.items(60)
    seed.user("ada", items[:1])
    api.sync()
    path = "/v1/users/ada/recommendations"
    shown = api.get(f"{path}?limit=5").json()["items"]
    samples = scrape(api)
    for stage in STAGES:
        assert total(samples, API_STAGE_SECONDS, stage) >= 1, stage
    assert total(samples, API_STAGE_SECONDS, "encoding") == 1
    assert total(samples, API_LISTS_MADE, "personal") == 1
    reasons = Counter(item["reason"]["code"] for item in shown)
    for reason in REASONS:
        assert total(samples, API_LISTED_ITEMS, reason) == reasons[reason], reason
    assert total(samples, API_NEAR_SEARCHES, "full") == 2, "59 items are left for 40 places"
    assert total(samples, API_NEAR_ROWS) == 2 * 40 + 59
    assert total(samples, API_NEAR_SEARCHES, "short") == 1, "nearest to the item are all others"
    assert total(samples, API_MEMORY, "nearest", "miss") == 1
    api.get(path)
    samples = scrape(api)
    assert total(samples, API_MEMORY, "nearest", "miss") == 1
    assert total(samples, API_MEMORY, "nearest", "hit") == 1
    assert total(samples, API_STAGE_SECONDS, "encoding") == 2


def test_the_share_of_the_catalogue_that_was_shown_counts_each_item_once(
    api: Api, seed: Seed
) -> None:
    seed.items(40, "coverage")  # no other test shows these
    api.sync()
    url, now_s = api.services.settings.redis_url, time.time()
    before = count_shown(url, 3_600, now_s)
    shown = {
        item["item_id"]
        for user in ("ada", "bob")
        for item in api.get(f"/v1/users/{user}/recommendations?limit=7").json()["items"]
    }
    asyncio.run_coroutine_threadsafe(api.services.coverage.flush(), api.loop).result(5)
    assert count_shown(url, 3_600, now_s) - before == len(shown)
    assert count_shown(url, 3_600, now_s + 90 * 60) == 0, "not in the last hour by then"
    assert count_shown(url, 86_400, now_s + 90 * 60) >= len(shown)

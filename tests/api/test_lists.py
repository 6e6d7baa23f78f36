"""What lists are made from: sources, the learned model, and input that is odd."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from api.recommender import Query
from schemas.events import SettingsHint
from schemas.responses import ListedItem, Recommendations
from tests.api.conftest import Api, running, wait_until
from tests.api.seed import NOW, Seed
from vane.bus import SETTINGS
from vane.features import FEATURES
from vane.linear import LabelledList, LinearRanker
from vane.network import NetworkRanker
from vane.ranking import Model
from vane.retrieval import SOURCES
from vane.settings import Settings
from vane.store.models import publish_model


def listed(api: Api, user: str, **params: object) -> Recommendations:
    api.sync()
    answer = api.get(f"/v1/users/{user}/recommendations", params={"limit": 10} | params)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=Recommendations)


def ids(items: list[ListedItem]) -> list[str]:
    return [item.item_id for item in items]


def textless(seed: Seed, count: int, **columns: object) -> list[str]:
    """Items about which only their popularity tells anything, the first one the strongest."""
    found = [seed.item(f"bare-{number:02d}", None, **columns) for number in range(count)]
    for number, item in enumerate(found):
        seed.trend(item, 20.0 - 0.1 * number)
    return found


def test_two_events_change_the_list(api: Api, seed: Seed) -> None:
    cars, films = seed.items(40, "cars", seed=1), seed.items(40, "films", seed=2)
    for number, item in enumerate(cars + films):
        seed.trend(item, 1.0 + 0.01 * (number * 37 % 80))
    before = listed(api, "ada")
    assert before.strategy == "trending"
    seed.user("ada", films[:2])
    after = listed(api, "bob"), listed(api, "ada", limit=11)  # another limit: not from the cache
    assert ids(after[0].items) == ids(before.items)
    assert after[1].strategy == "personal"
    among = [
        sum(item.category == "films" for item in body.items[:10]) for body in (before, after[1])
    ]
    assert among[1] > among[0]


def test_without_text_what_others_touched_too_comes_up(api: Api, seed: Seed) -> None:
    bare = textless(seed, 60)
    seed.neighbours(bare[50], {bare[51]: 9.0, bare[52]: 8.0})
    seed.interaction("ada", bare[50], action="purchase")
    body = listed(api, "ada")
    assert body.strategy == "personal"
    assert {bare[51], bare[52]} <= set(ids(body.items))
    reasons = {item.item_id: item.reason for item in body.items}
    assert reasons[bare[51]].code == "together"
    assert reasons[bare[51]].item_id == bare[50]
    assert reasons[bare[51]].text == f"Others who bought The {bare[50]} also went for this"


def test_a_catalogue_of_three_items(api: Api, seed: Seed) -> None:
    cars = seed.items(3)
    assert sorted(ids(listed(api, "nobody").items)) == cars
    seed.user("ada", cars[:1])
    seed.neighbours(cars[0], {cars[2]: 3.0})
    assert sorted(ids(listed(api, "ada").items)) == cars[1:]


def test_a_category_with_nothing_left_gives_what_was_seen(api: Api, seed: Seed) -> None:
    seed.items(30, "cars", seed=1)
    films = seed.items(3, "films", seed=2)
    seed.user("ada", films)
    assert sorted(ids(listed(api, "ada", category="films").items)) == films
    assert listed(api, "ada", category="nothing").items == []


def test_a_long_list_goes_on_where_the_sources_end(api: Api, seed: Seed) -> None:
    textless(seed, 5)
    rest = [seed.item(f"cold-{number:03d}") for number in range(150)]
    body = listed(api, "nobody", limit=100)
    assert len(ids(body.items)) == len(set(ids(body.items))) == 100
    assert ids(body.items)[0] == "bare-00"
    assert len(set(ids(body.items)) & set(rest)) == 95


@pytest.mark.parametrize("events", [1, 100_000])
def test_a_user_with_few_or_very_many_events(api: Api, seed: Seed, events: int) -> None:
    cars = seed.items(60)
    seed.user("ada", cars[:1])
    seed.connection.execute(
        "insert into interaction select 1, 1, n, now(), 'e', 'ada', 'gone-' || n, 'view',"
        " %s + n * interval '1 second', 1, 1, n %% 2 = 0, 0 from generate_series(2, %s) as n",
        [NOW - timedelta(days=5), events],
    )
    seed.connection.execute("analyze interaction")
    found = listed(api, "ada")
    assert len(found.items) == 10
    assert cars[0] not in ids(found.items)


def test_more_hidden_items_than_are_read_stay_out_too(api: Api, seed: Seed) -> None:
    bare = textless(seed, 20)
    seed.connection.execute(
        "insert into interaction select 1, 1, n, now(), 'e', 'ada', 'gone-' || n, 'hide', %s,"
        " -4, 1, true, 0 from generate_series(1, 5000) as n",
        [NOW],
    )
    for item in bare[:15]:
        seed.interaction("ada", item, action="hide", weight=-4.0, excludes=True)
    seed.connection.execute("update interaction set ts = ts - interval '1 year' where excludes")
    seed.connection.execute(
        "insert into interaction select 1, 2, n, now(), 'e', 'ada', 'seen-' || n, 'view', %s,"
        " 1, 1, false, 0 from generate_series(1, 3000) as n",
        [NOW],
    )
    assert sorted(ids(listed(api, "ada", limit=5).items)) == bare[15:]


@pytest.mark.parametrize("year", [1999, 2300])
@pytest.mark.parametrize("clock", ["wall", "event"])
def test_a_clock_that_jumps(api_settings: Settings, seed: Seed, clock: str, year: int) -> None:
    cars = seed.items(12)
    seed.user("ada", cars[:2])
    seed.neighbours(cars[0], {cars[5]: 4.0})
    odd = datetime(year, 1, 1, tzinfo=UTC)
    seed.trend(cars[4], odd.timestamp() / 86_400)
    seed.connection.execute("update item_trend set last_ts = %s, first_ts = %s", [odd, odd])
    seed.connection.execute("update item_neighbour set as_of = %s", [odd])
    seed.connection.execute("update interaction set ts = %s where item_id = 'cars-1'", [odd])
    with running(replace(api_settings, clock=clock)) as api:  # type: ignore[arg-type]
        body = listed(api, "ada", explain=True)
    assert sorted(ids(body.items)) == sorted(cars[2:])
    assert all(np.isfinite(item.score) for item in body.items)


def test_by_the_clock_of_the_events_now_is_the_newest_one(
    api_settings: Settings, seed: Seed
) -> None:
    """What was popular at that time is popular now, whatever the wall clock says."""
    ever, then = textless(seed, 2)
    newest = NOW.timestamp()
    for item, weight, age_s in ((ever, 8.0, 300 * 86_400.0), (then, 4.0, 60.0)):
        heat = np.log2(weight)
        seed.connection.execute(
            "update item_trend set heat_15m = %(h)s + %(t)s / 900, heat_1h = %(h)s + %(t)s / 3600,"
            " heat_2h24m = %(h)s + %(t)s / 8640, heat_1d = %(h)s + %(t)s / 86400,"
            " heat_7d = %(h)s + %(t)s / 604800, heat_never = %(h)s, last_ts = to_timestamp(%(t)s)"
            " where item_id = %(item)s",
            {"h": heat, "t": newest - age_s, "item": item},
        )
    with running(replace(api_settings, clock="event")) as api:
        listed(api, "nobody")
        assert api.services.knowledge.now_us() == round((newest - 60.0) * 1e6)
        moment = api.services.recommender.moment("nobody", Query())
        found = asyncio.run_coroutine_threadsafe(moment, api.loop).result(10)
    shown = dict(zip(found.ids(np.arange(2)), found.sources.values, strict=True))
    day = SOURCES.index("popular_1d")
    assert shown[then][day] == pytest.approx(4.0, rel=1e-3)
    assert shown[ever][day] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("clock", ["wall", "event"])
def test_by_the_clock_of_the_events_what_is_kept_grows_old_with_them(
    api_settings: Settings, seed: Seed, clock: str
) -> None:
    """Answers and neighbour rows, when an hour of the log has passed in a moment."""
    kept = clock == "wall"
    cars = seed.items(12)
    seed.user("ada", cars[:1])
    seed.neighbours(cars[0], {cars[5]: 4.0})
    seed.trend(cars[4], 1.0)
    seed.connection.execute("update item_trend set last_ts = %s", [NOW])
    with running(replace(api_settings, clock=clock)) as api:  # type: ignore[arg-type]

        def together() -> list[int]:
            moment = api.services.recommender.moment("ada", Query())
            found = asyncio.run_coroutine_threadsafe(moment, api.loop).result(10)
            values = found.sources.values[:, SOURCES.index("together")]
            numbers = found.sources.numbers[values > 0]
            return [int(found.shelf.table.ids[number].split("-")[1]) for number in numbers]

        before = listed(api, "ada")
        assert together() == [5]
        seed.connection.execute("update item_neighbour set neighbours = %s", [[cars[6]]])
        later = NOW + timedelta(hours=1)
        seed.connection.execute(
            "update item_trend set last_ts = %s, changed_xid = pg_current_xact_id()", [later]
        )
        api.sync()
        assert (together() == [5]) is kept
        assert (listed(api, "ada").request_id == before.request_id) is kept


def test_another_model_serves_without_a_restart(api: Api, seed: Seed) -> None:
    bare = textless(seed, 30)
    first = listed(api, "nobody")
    assert ids(first.items) == bare[:10]
    ranker = LinearRanker(FEATURES)
    ranker.weights = -ranker.weights
    publish_model(seed.connection, Model(ranker), {}, {})
    api.hint(SETTINGS, SettingsHint(changed="model", ts=0.0))
    wait_until(lambda: api.services.knowledge.model.linear_version > 0)
    second = listed(api, "nobody", limit=9)
    assert ids(second.items) != ids(first.items)[:9]
    third = listed(api, "nobody", limit=11)
    assert third.request_id != second.request_id


def test_shares_add_up_to_the_score_of_the_network_too(api: Api, seed: Seed) -> None:
    textless(seed, 40)
    cars = seed.items(20)
    seed.user("ada", cars[:3])
    rng = np.random.default_rng(1)
    lists = [
        LabelledList(rng.random((30, len(FEATURES))).astype(np.float32), int(rng.integers(30)))
        for _ in range(60)
    ]
    linear = LinearRanker(FEATURES)
    linear.learn(lists)
    model = Model(linear, NetworkRanker.fit(FEATURES, lists, seed=1))
    publish_model(seed.connection, model, {}, {})
    body = listed(api, "ada", explain=True)
    assert api.services.knowledge.model.network is not None
    for item in body.items:
        assert isinstance(item.components, dict)
        assert sum(item.components.values()) == pytest.approx(item.score, abs=1e-5)
        assert {"content_long", "popular_1d", "rest"} <= item.components.keys()


def test_one_author_does_not_fill_a_list(api: Api, seed: Seed) -> None:
    mine = textless(seed, 20, author="Ann")
    others = [seed.item(f"other-{number}", author=f"Bob {number}") for number in range(6)]
    for number, item in enumerate(others):
        seed.trend(item, 15.0 - number)
    body = listed(api, "nobody")
    assert len(set(ids(body.items)) & set(mine)) == 4
    assert len(body.items) == 10

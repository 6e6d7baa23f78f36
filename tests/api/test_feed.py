"""A feed: pages of one list that stays as it was, whatever happens meanwhile."""

import base64
import time
from typing import Any

import httpx
import pytest

from api.cursor import Cursor, user_hash
from tests.api.conftest import Api
from tests.api.seed import Seed


def page(api: Api, **params: object) -> dict[str, Any]:
    answer = api.get("/v1/feed", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ids(body: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in body["items"]]


def shop(api: Api, seed: Seed, count: int = 60) -> None:
    seed.items(count, "cars", seed=1, price=9.5, image_url="https://example.com/car.jpg")
    seed.items(count, "films", seed=2, kind="video", embeds=["cars-1", "gone", "sold", "cars-0"])
    seed.item("sold", available=False)
    for number in range(count):
        seed.trend(f"films-{number}", 5.0 - 0.01 * number)
    api.sync()


def test_pages_never_repeat_or_skip_while_the_taste_moves(api: Api, seed: Seed) -> None:
    shop(api, seed)
    seed.user("ada", ["films-1", "films-2"])
    first = page(api, user_id="ada", limit=17)
    shown, body = ids(first), first
    while body["next_cursor"]:
        for item in ids(body)[:3]:  # the user goes on, and the taste and what was seen move
            seed.interaction("ada", item, action="like", weight=4.0)
        seed.bump("ada")
        seed.trend(f"cars-{len(shown) // 2}", 9_000.0 + len(shown))
        api.sync()
        body = page(api, user_id="ada", limit=17, cursor=body["next_cursor"])
        assert (body["request_id"], body["version"]) == (first["request_id"], first["version"])
        scores = [item["score"] for item in body["items"]]
        assert len(scores) <= 17
        shown += ids(body)
    unseen = {f"{name}-{n}" for name in ("cars", "films") for n in range(60)}
    assert len(shown) == len(set(shown))
    assert set(shown) == unseen - {"films-1", "films-2"}
    assert first["strategy"] == body["strategy"] == "personal"
    assert page(api, user_id="ada", limit=17)["request_id"] != first["request_id"]


def test_cards_bring_what_they_embed(api: Api, seed: Seed) -> None:
    shop(api, seed, 5)
    cards = {item["item_id"]: item for item in page(api)["items"]}
    assert cards["cars-2"]["embeds"] == []
    first, second = cards["films-1"]["embeds"]  # neither what is gone nor what was sold
    assert first == {
        "item_id": "cars-1",
        "title": "The cars-1",
        "kind": "product",
        "price": 9.5,
        "currency": None,
        "image_url": "https://example.com/car.jpg",
        "url": None,
    }
    assert second["item_id"] == "cars-0"


def test_what_is_hidden_or_gone_meanwhile_stays_out(api: Api, seed: Seed) -> None:
    shop(api, seed, 10)
    first = page(api, user_id="ada", limit=5, kind="video")
    rest = page(api, user_id="ada", limit=5, cursor=first["next_cursor"])
    assert rest["next_cursor"] is None
    hidden, sold, *others = ids(rest)
    seed.interaction("ada", hidden, action="hide", weight=-4.0, excludes=True)
    seed.connection.execute("update item set available = false where item_id = %s", [sold])
    api.sync()
    assert ids(page(api, user_id="ada", limit=5, cursor=first["next_cursor"])) == others
    assert set(ids(first) + ids(rest)) == {f"films-{number}" for number in range(10)}


def test_a_long_feed_ends_and_polls_get_a_304(api: Api, seed: Seed) -> None:
    shop(api, seed, 130)
    answer = api.get("/v1/feed?limit=100")
    again = api.get("/v1/feed?limit=100", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    rest = page(api, limit=100, cursor=answer.json()["next_cursor"])
    assert (len(rest["items"]), rest["next_cursor"]) == (100, None)
    assert len(answer.json()["next_cursor"]) < 1_200


def test_a_cursor_of_another_process_serves(api: Api, seed: Seed) -> None:
    """Nothing is remembered between pages: another process could answer the next one."""
    shop(api, seed, 10)
    first = page(api, limit=5)
    api.services.recommender._changed(None)
    second = page(api, limit=5, cursor=first["next_cursor"])
    assert not set(ids(first)) & set(ids(second))


def problem(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("field")


def test_cursors_that_are_none(api: Api, seed: Seed) -> None:
    shop(api, seed, 10)
    good = page(api, user_id="ada", limit=5)["next_cursor"]
    raw = bytearray(base64.urlsafe_b64decode(good + "=" * (-len(good) % 4)))
    raw[40] ^= 1
    flipped = base64.urlsafe_b64encode(raw).decode()
    damaged = [good[:-3], good + "AAAA", flipped, "x", "ß", "!" * 50, "A" * 10_000, good * 2]
    for cursor in damaged:
        answer = api.get("/v1/feed", params={"user_id": "ada", "cursor": cursor})
        assert problem(answer) == (422, "cursor"), cursor
    for other in ({"user_id": "bob"}, {}):
        answer = api.get("/v1/feed", params={"cursor": good} | other)
        assert problem(answer) == (422, "cursor")
    assert problem(api.get("/v1/feed", params={"user_id": "a\x00"})) == (422, "user_id")
    assert problem(api.get("/v1/feed?limit=101")) == (422, "limit")


@pytest.mark.parametrize(("age_s", "status"), [(3_500, 200), (3_700, 410)])
def test_an_old_cursor_is_gone(api: Api, seed: Seed, age_s: int, status: int) -> None:
    shop(api, seed, 10)
    rest = Cursor.decode(page(api, limit=5)["next_cursor"], None, time.time())
    assert rest.user == user_hash(None)
    old = rest._replace(issued_s=int(time.time()) - age_s).encode()
    answer = api.get("/v1/feed", params={"cursor": old})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].endswith("json")

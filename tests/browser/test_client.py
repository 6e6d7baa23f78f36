"""The browser client on a page of its own: live lists, events that are never lost, impressions."""

import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition
from playwright.sync_api import Page, Route, expect

from schemas.events import RecommendationLog
from tests.browser.conftest import OpenPage, OwnApi
from tests.browser.test_feed import cards
from tests.running import RunningUp, wait_until
from vane.settings import Settings

EMPTY = "/livez"
"""A page of the site on which nothing runs."""
CREATE = """async (userId) => {
  const { createVane } = await import("/web/client.js");
  const errors = [], lists = [];
  const vane = createVane({ userId, onError: (error) => errors.push(error) });
  window.t = { errors, lists, vane };
}"""
FOLLOW = "(query) => { t.end = t.vane.onChange(query, (list) => t.lists.push(list)); }"
HIDE_FIRST = """() => {
  const { request_id, items } = t.lists.at(-1);
  return t.vane.track("hide", items[0].item_id, { request_id, position: 0 });
}"""


@pytest.fixture
def user() -> str:
    return f"reader {uuid.uuid4().hex}"


def client(page: Page, user: str) -> Page:
    page.evaluate(CREATE, user)
    return page


def events_of(site: str, user: str) -> int:
    return int(httpx.get(f"{site}/v1/users/{user}/profile").json()["events"])


def follow_a_change(page: Page) -> None:
    """The list comes at once, and again without an item that was hidden."""
    page.evaluate(FOLLOW, {"limit": 6})
    page.wait_for_function("t.lists.length == 1")
    first = page.evaluate("t.lists[0].items.map((item) => item.item_id)")
    assert len(first) == 6
    assert page.evaluate(HIDE_FIRST)
    page.wait_for_function(
        "(id) => t.lists.at(-1).items.every((one) => one.item_id != id)", arg=first[0]
    )
    assert page.evaluate("[t.vane.waiting, t.errors.length]") == [0, 0]


def test_a_list_follows_by_a_stream(open_page: OpenPage, user: str) -> None:
    page = client(open_page(EMPTY), user)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    follow_a_change(page)
    assert [url for url in requests if "/recommendations?" in url] == []
    assert len([url for url in requests if "/recommendations/stream?limit=6" in url]) == 1
    seen = page.evaluate("(t.end(), t.lists.length)")
    page.evaluate("t.vane.track('hide', t.lists.at(-1).items[0].item_id)")
    page.wait_for_timeout(500)
    assert page.evaluate("t.lists.length") == seen


def test_a_list_follows_by_polls_where_no_stream_opens(open_page: OpenPage, user: str) -> None:
    page = open_page(EMPTY)
    page.route("**/stream?**", lambda route: route.fulfill(status=503))
    follow_a_change(client(page, user))


def test_events_of_a_time_without_vane_are_sent_once_by_the_next_page(
    open_page: OpenPage, own_api: OwnApi, user: str
) -> None:
    page = client(open_page(EMPTY, base=own_api.url), user)
    items = [item["item_id"] for item in httpx.get(f"{own_api.url}/v1/trending").json()["items"]]
    own_api.stop()
    page.evaluate("(ids) => { ids.forEach((id) => t.vane.track('view', id)) }", items[:3])
    page.wait_for_function("t.errors.length > 0")
    assert page.evaluate("t.vane.waiting") == 3
    other = page.context.new_page()
    page.close()
    own_api.start()
    other.goto(own_api.url + EMPTY)
    client(other, user)
    other.wait_for_function("t.vane.waiting == 0")
    wait_until(lambda: events_of(own_api.url, user) == 3, 10)
    other.evaluate("(id) => t.vane.track('view', id)", items[3])
    wait_until(lambda: events_of(own_api.url, user) == 4, 10)


def test_what_was_done_on_the_page_without_vane_is_sent_by_the_next_one(
    open_page: OpenPage, own_api: OwnApi
) -> None:
    page = open_page(base=own_api.url)
    key = cards(page)[0]
    own_api.stop()
    page.locator(".card[data-key]").first.get_by_role("button", name="Not for me").click()
    expect(page.get_by_role("alert")).to_contain_text("1 action is kept and will be sent")
    other = page.context.new_page()
    page.close()
    own_api.start()
    other.goto(own_api.url)
    expect(other.locator(f'.card[data-key="{key}"]')).to_have_count(0)
    assert len(cards(other)) == 24


def test_an_event_whose_answer_was_lost_counts_once(
    open_page: OpenPage, site: str, user: str
) -> None:
    page = client(open_page(EMPTY), user)
    lost = list[dict[str, Any]]()

    def lose(route: Route) -> None:
        if not lost:
            lost.append(route.fetch().json())  # Vane has it, the page never hears of it
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/events", lose)
    item = httpx.get(f"{site}/v1/trending").json()["items"][0]["item_id"]
    assert page.evaluate("(id) => t.vane.track('like', id)", item)
    assert lost[0]["accepted"] == 1
    page.evaluate("(id) => t.vane.track('view', id)", item)
    wait_until(lambda: events_of(site, user) == 2, 10)


def test_a_refused_event_is_told_and_does_not_hold_up_the_others(
    open_page: OpenPage, user: str
) -> None:
    page = client(open_page(EMPTY), user)
    answers = page.evaluate("Promise.all([t.vane.track('dance', 'x'), t.vane.track('view', 'x')])")
    assert answers[0] is None
    assert page.evaluate("[t.vane.waiting, t.errors.map((error) => error.field)]") == [
        0,
        ["action"],
    ]


RENEW = """async ([userId, token]) => {
  const { createVane } = await import("/web/client.js");
  const errors = [], onError = (error) => errors.push(error.status);
  const vane = createVane({ userId, token: "ended", onError });
  window.t = { vane, errors, sent: vane.track("view", "volvo-v60") };
}"""


def test_events_wait_for_a_fresh_token(open_page: OpenPage, closed_api: OwnApi, site: str) -> None:
    session = httpx.post(f"{closed_api.url}/v1/sessions", json={}).json()
    page = open_page(EMPTY, base=closed_api.url)
    page.evaluate(RENEW, [session["user_id"], session["token"]])
    page.wait_for_function("t.errors.length > 1")
    assert page.evaluate("[t.vane.waiting, t.errors[0]]") == [1, 401]
    assert page.evaluate("(token) => (t.vane.renew(token), t.sent)", session["token"])
    wait_until(lambda: events_of(site, session["user_id"]) == 1, 10)


def seen_by(up: RunningUp, user: str) -> list[RecommendationLog]:
    """What the topic has of a user."""
    consumer = Consumer(
        {
            "bootstrap.servers": up.endpoints.kafka,
            "group.id": "unused",
            "enable.partition.eof": True,
        }
    )
    found = []
    for partition in range(Settings().topic_partitions):
        consumer.assign([TopicPartition("recommendation-log", partition, 0)])
        while (message := consumer.poll(5)) is not None and not message.error():
            if message.key() == user.encode():
                found.append(msgspec.json.decode(message.value() or b"", type=RecommendationLog))
    consumer.close()
    return found


SHOW = """(count) => {
  const list = t.lists[0];
  document.body.replaceChildren(...list.items.slice(0, count).map((item, position) => {
    const card = document.createElement("p");
    card.style.height = "700px";
    t.vane.watch(card, list, position);
    return card;
  }));
}"""


def test_what_was_on_the_screen_for_a_second_is_told_once(
    open_page: OpenPage, vane_up: RunningUp, user: str
) -> None:
    page = client(open_page(EMPTY), user)
    page.evaluate(FOLLOW, {"limit": 6})
    page.wait_for_function("t.lists.length == 1")
    page.evaluate(SHOW, 4)
    page.wait_for_timeout(1_300)
    page.evaluate("scrollTo(0, 1400)")
    page.wait_for_timeout(200)
    page.evaluate("scrollTo(0, 0)")  # the third one was there too briefly
    page.wait_for_timeout(1_300)
    page.evaluate("t.vane.stop()")
    wait_until(lambda: seen_by(vane_up, user), 10)
    records = seen_by(vane_up, user)
    lists: list[dict[str, Any]] = page.evaluate("t.lists")
    assert {record.request_id for record in records} == {lists[0]["request_id"]}
    assert {record.kind for record in records} == {"seen"}
    found = [(item.item_id, item.position) for record in records for item in record.items]
    assert found == [(lists[0]["items"][0]["item_id"], 0)]


EXAMPLE = re.compile(r"^```html\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_example_of_the_docs_runs(open_page: OpenPage, site: str) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
    (html,) = EXAMPLE.findall(text)
    user = f"reader-{uuid.uuid4().hex}"
    page = open_page(EMPTY)
    body = html.replace("ada", user)
    page.route("**/example", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto(f"{site}/example")
    rows = page.get_by_role("listitem")
    expect(rows).to_have_count(12)
    rows.first.click()
    wait_until(lambda: events_of(site, user) == 1, 10)

"""What the page tells by itself: what was on the screen, and events of who has left meanwhile."""

import httpx
from playwright.sync_api import Page, expect

from schemas.events import RecommendationLog
from tests.browser.conftest import OpenPage, OwnApi
from tests.browser.test_client import events_of, seen_by
from tests.browser.test_feed import cards, log_in
from tests.browser.test_session import user_of
from tests.running import RunningUp, wait_until

IN_SIGHT = """all => all.filter((card) => {
  const { top, bottom, height } = card.getBoundingClientRect();
  return Math.min(bottom, innerHeight) - Math.max(top, 0) >= height / 2;
}).map((card) => card.dataset.key)"""
EVENTS = "**/v1/events"


def watched(page: Page) -> list[str]:
    """Cards of the feed, half of each in sight, once they have been there for a second."""
    cards(page)
    found: list[str] = page.eval_on_selector_all(".grid .card[data-key]", IN_SIGHT)
    assert 0 < len(found) < 24
    page.wait_for_timeout(1_300)
    return found


def told(up: RunningUp, user: str) -> list[RecommendationLog]:
    wait_until(lambda: seen_by(up, user), 15)
    return seen_by(up, user)


def test_the_page_tells_which_cards_were_on_the_screen(
    open_page: OpenPage, site: str, vane_up: RunningUp
) -> None:
    page = open_page()
    seen, user = watched(page), user_of(page)
    order = cards(page)
    shown = httpx.get(f"{site}/v1/users/{user}/recommendations?limit=24").json()
    records = told(vane_up, user)
    assert {record.kind for record in records} == {"seen"}
    first = [record for record in records if record.request_id == shown["request_id"]] or records
    places = {item.item_id: item.position for record in first for item in record.items}
    assert places == {item: order.index(item) for item in seen}


def test_what_goes_with_a_basket_and_what_is_discovered_is_told_too(
    open_page: OpenPage, vane_up: RunningUp
) -> None:
    page = open_page("/#/discover")
    page.locator(".card .card-link").first.wait_for()
    page.wait_for_timeout(1_300)
    (discovered,) = {record.request_id for record in told(vane_up, user_of(page))}
    page.goto(f"{page.url.partition('#')[0]}#/item/volvo-v60")
    page.locator(".detail").get_by_role("button", name="Add to basket").click()
    with page.expect_response("**/v1/recommendations") as asked:
        page.get_by_role("link", name="Basket (1)").click()
    basket = asked.value.json()["request_id"]
    assert basket != discovered
    wait_until(
        lambda: basket in {record.request_id for record in seen_by(vane_up, user_of(page))}, 15
    )


def test_what_a_visitor_saw_is_the_visitors_also_after_a_login(
    open_page: OpenPage, vane_up: RunningUp, account: str
) -> None:
    page = open_page("/#/login")
    page.goto(f"{page.url.partition('#')[0]}#/")
    seen, visitor = watched(page), user_of(page)
    log_in(page, account)
    found = {item.item_id for record in told(vane_up, visitor) for item in record.items}
    assert found == {*seen}


def away(page: Page) -> None:
    """No event arrives; everything else does."""
    page.context.route(EVENTS, lambda route: route.abort())


def back(page: Page) -> None:
    page.context.unroute(EVENTS)
    page.reload()


def waiting(page: Page) -> int:
    """Events that the page keeps until they get through."""
    count: int = page.evaluate(
        "Object.keys(localStorage).filter((key) => key.startsWith('vane.event.')).length"
    )
    return count


def hide_unheard(page: Page) -> str:
    """The visitor, whose one event waits."""
    away(page)
    page.locator(".card[data-key]").first.get_by_role("button", name="Not for me").click()
    expect(page.get_by_role("alert")).to_contain_text("1 action is kept")
    return user_of(page)


def test_what_a_visitor_did_without_vane_counts_for_the_account(
    open_page: OpenPage, site: str, account: str
) -> None:
    page = open_page()
    first = cards(page)[0]
    visitor = hide_unheard(page)
    log_in(page, account)
    user = user_of(page)
    assert user != visitor
    back(page)
    wait_until(lambda: events_of(site, user) == 1, 10)
    expect(page.locator(f'.card[data-key="{first}"]')).to_have_count(0)
    assert "vane.left" in page.evaluate("Object.keys(localStorage)")
    page.reload()
    cards(page)
    assert "vane.left" not in page.evaluate("Object.keys(localStorage)")


def test_by_keys_too_events_of_who_was_left_are_sent_with_their_own_token(
    open_page: OpenPage, site: str, closed_api: OwnApi
) -> None:
    page = open_page(base=closed_api.url)
    cards(page)
    visitor = hide_unheard(page)
    offers = page.get_by_role("list", name="Or act as somebody who likes:")
    offers.get_by_role("button").first.click()
    expect(page.get_by_role("button", name="Be yourself")).to_be_visible()
    persona = user_of(page)
    assert persona != visitor
    wait_until(lambda: waiting(page) > 1, 30)  # the first like comes behind a list of what to like
    back(page)
    wait_until(lambda: events_of(site, visitor) == 1, 30)
    wait_until(lambda: events_of(site, persona) >= 1, 30)

"""An API that goes away and comes back, and two tabs."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, OwnApi
from tests.browser.test_feed import cards, log_in

AWAY = re.compile("Vane does not answer")


def test_an_api_that_is_away_is_said_and_what_was_done_meanwhile_counts(
    open_page: OpenPage, own_api: OwnApi
) -> None:
    page = open_page(base=own_api.url)
    key = cards(page)[0]
    banner = page.get_by_role("alert")
    expect(banner).to_have_count(0)
    own_api.stop()
    expect(banner).to_have_text(AWAY)
    assert len(cards(page)) == 24
    page.locator(".card[data-key]").first.get_by_role("button", name="Not for me").click()
    expect(banner).to_contain_text("1 action is kept and will be sent")
    own_api.start()
    expect(banner).to_have_count(0)
    expect(page.locator(f'.card[data-key="{key}"]')).to_have_count(0)
    page.reload()
    assert key not in cards(page)


def test_a_page_opened_while_the_api_went_away_comes_by_itself(
    open_page: OpenPage, own_api: OwnApi
) -> None:
    page = open_page(base=own_api.url)
    page.route("**/v1/**", lambda route: route.abort())
    page.evaluate("localStorage.clear()")
    page.reload()
    expect(page.get_by_role("alert")).to_have_text(AWAY)
    page.unroute("**/v1/**")
    page.get_by_role("button", name="Try now").click()
    assert len(cards(page)) == 24


def test_two_tabs_share_who_is_logged_in_and_what_was_done(
    open_page: OpenPage, account: str
) -> None:
    first = open_page()
    cards(first)
    second = first.context.new_page()
    second.goto(first.url)
    cards(second)
    log_in(first, account)
    expect(second.get_by_role("heading", level=1)).to_have_text(
        f"For you, {account.removesuffix('@example.com')}"
    )
    key = cards(first)[0]
    assert cards(second)[0] == key
    first.locator(".card[data-key]").first.get_by_role("button", name="Not for me").click()
    expect(second.locator(f'.card[data-key="{key}"]')).to_have_count(0)
    second.get_by_role("button", name="Log out").click()
    expect(first.get_by_role("link", name="Log in")).to_be_visible()

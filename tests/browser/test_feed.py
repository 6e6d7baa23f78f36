import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenPage

UPDATED = re.compile(r"Updated [\d.]+ (ms|s) after your click")
BECAUSE = re.compile("Because you")


def cards(page: Page) -> list[str]:
    """The ids of the feed, in order."""
    page.wait_for_selector(".grid .card[data-key]")
    found: list[str] = page.eval_on_selector_all(
        ".grid .card[data-key]", "all => all.map(card => card.dataset.key)"
    )
    return found


def log_in(page: Page, email: str) -> None:
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Email").fill(email)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^For you, "))


def test_a_stranger_sees_a_feed_and_whom_to_be(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.get_by_role("heading", level=1)).to_contain_text("turns with every click")
    assert len(cards(page)) == 24
    expect(page.get_by_role("button", name="John")).to_be_visible()
    kinds = page.get_by_role("navigation", name="Kinds").get_by_role("link")
    expect(kinds).to_have_text(["All", "Cars", "Films", "Videos", "Articles"])


def test_a_chip_shows_one_kind_and_back_shows_all(open_page: OpenPage) -> None:
    page = open_page()
    everything = cards(page)
    page.get_by_role("link", name="Videos").click()
    expect(page.locator(".card[data-key]")).to_have_count(3)
    expect(page.get_by_role("link", name="Videos")).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(page.locator(".card[data-key]")).to_have_count(24)
    assert cards(page) == everything


def test_log_in_reload_and_log_out(open_page: OpenPage, account: str) -> None:
    page = open_page()
    cards(page)
    visitor = page.evaluate("localStorage['vane.session']")
    log_in(page, account)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        f"For you, {account.removesuffix('@example.com')}"
    )
    assert len(cards(page)) == 24
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Log in")).to_be_visible()
    another = page.evaluate("localStorage['vane.session']")  # the first one has become the account
    assert "anon-" in visitor
    assert "anon-" in another
    assert another != visitor


def test_visitors_have_an_id_of_their_own(open_page: OpenPage) -> None:
    first, second = open_page(), open_page()
    ids = set()
    for page in (first, second):
        cards(page)
        stored = page.evaluate("JSON.parse(localStorage['vane.session']).user_id")
        page.reload()
        cards(page)
        assert page.evaluate("JSON.parse(localStorage['vane.session']).user_id") == stored
        ids.add(stored)
    assert len(ids) == 2


def test_an_unknown_account_is_a_message_and_may_be_created(open_page: OpenPage) -> None:
    page = open_page("/#/login")
    email = page.get_by_label("Email")
    email.fill("nobody-at-all@example.com")
    email.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(
        "There is no account for nobody-at-all@example.com."
    )
    expect(email).to_be_focused()
    page.get_by_role("button", name="Create it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("nobody-at-all")


def test_a_click_changes_the_feed_without_reload_and_a_reload_keeps_it(
    open_page: OpenPage, account: str
) -> None:
    page = open_page()
    log_in(page, account)
    page.evaluate("window.notReloaded = true")
    before = cards(page)
    page.locator(".card", has_text="Skoda").first.get_by_role("link").click()
    expect(page.get_by_role("status")).to_have_text(UPDATED)
    page.get_by_role("link", name="Your feed", exact=True).click()
    expect(page.locator(".card .reason", has_text=BECAUSE).first).to_be_visible()
    after = cards(page)
    assert after != before
    assert page.evaluate("window.notReloaded")
    expect(page.get_by_role("complementary")).to_contain_text("Opened just now")
    page.reload()
    assert cards(page) == after


def test_what_is_hidden_leaves_the_list_where_it_stands(open_page: OpenPage) -> None:
    page = open_page()
    first = page.locator(".card[data-key]").first
    name, key = first.get_by_role("heading").text_content(), cards(page)[0]
    first.get_by_role("button", name="Not for me").click()
    expect(page.locator(f'.card[data-key="{key}"]')).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text(UPDATED)
    expect(page.get_by_role("complementary")).to_contain_text(f"{name}Hidden")
    page.reload()
    assert key not in cards(page)


@pytest.mark.parametrize(("motion", "animated"), [("no-preference", True), ("reduce", False)])
def test_cards_move_unless_the_reader_wants_less_motion(
    open_page: OpenPage, motion: Any, animated: Any
) -> None:
    page = open_page(reduced_motion=motion)
    cards(page)
    page.evaluate(
        """() => {
          window.moves = 0;
          const animate = Element.prototype.animate;
          Element.prototype.animate = function (...all) {
            window.moves += 1;
            return animate.apply(this, all);
          };
        }"""
    )
    page.locator(".card[data-key]").first.get_by_role("button", name="Like").click()
    expect(page.get_by_role("status")).to_have_text(UPDATED)
    assert (page.evaluate("window.moves") > 0) is animated


def test_an_empty_catalogue_is_said_to_be_loading_and_fills_by_itself(
    open_page: OpenPage,
) -> None:
    page = open_page("/#/login")
    empty = {"user_id": "x", "request_id": "0", "version": 0, "strategy": "trending", "items": []}

    def answer(route: Route) -> None:
        route.fulfill(json=empty, headers={"ETag": '"empty"'})

    page.route("**/recommendations?*", answer)
    page.route("**/recommendations/stream?*", lambda route: route.abort())
    page.reload()
    page.get_by_role("link", name="Go on without an account").click()
    expect(page.get_by_role("heading", name="Catalogue is loading…")).to_be_visible()
    page.unroute("**/recommendations?*")
    assert len(cards(page)) == 24
    expect(page.get_by_role("heading", name="Catalogue is loading…")).to_have_count(0)

"""From a visitor to an account, and the page where every call needs a token."""

import httpx
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, OwnApi
from tests.browser.test_feed import cards, log_in
from tests.running import wait_until


def user_of(page: Page) -> str:
    """Who uses the page; a page that was just opened asks for its visitor first."""
    wait_until(lambda: page.evaluate("'vane.session' in localStorage"), 10)
    return str(page.evaluate("JSON.parse(localStorage['vane.session']).user_id"))


def hide_first(page: Page) -> str:
    key = cards(page)[0]
    page.locator(".card[data-key]").first.get_by_role("button", name="Not for me").click()
    expect(page.locator(f'.card[data-key="{key}"]')).to_have_count(0)
    return key


def test_what_a_visitor_did_is_the_accounts_after_one_merge(
    open_page: OpenPage, site: str, account: str
) -> None:
    page, merges = open_page(), list[str]()
    page.on("request", lambda call: merges.append(call.url) if "/merge" in call.url else None)
    key = hide_first(page)
    visitor = user_of(page)
    log_in(page, account)
    assert key not in cards(page)
    page.reload()
    assert key not in cards(page)
    user = user_of(page)
    assert httpx.get(f"{site}/v1/users/{user}/profile").json()["events"] >= 1
    assert httpx.get(f"{site}/v1/users/{visitor}/profile").json()["events"] == 0
    assert merges == [f"{site}/v1/users/{user}/merge"]
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Log in")).to_be_visible()
    assert user_of(page) not in {user, visitor}
    assert len(merges) == 1


def test_a_login_that_cannot_hand_the_visitor_over_does_not_happen(
    open_page: OpenPage, account: str
) -> None:
    page = open_page("/#/login")
    visitor = user_of(page)
    page.route("**/merge", lambda route: route.abort())
    page.get_by_label("Email").fill(account)
    page.get_by_label("Email").press("Enter")
    expect(page.locator("#login-error")).to_contain_text("does not answer")
    assert user_of(page) == visitor
    page.unroute("**/merge")
    log_in(page, account)
    assert user_of(page) != visitor


def test_the_page_works_where_every_call_needs_a_token(
    open_page: OpenPage, closed_api: OwnApi, account: str
) -> None:
    page = open_page(base=closed_api.url)
    assert len(cards(page)) == 24
    key, visitor = hide_first(page), user_of(page)
    page.reload()
    assert key not in cards(page)
    assert httpx.get(f"{closed_api.url}/v1/users/{visitor}/profile").status_code == 401
    page.goto(f"{closed_api.url}/#/login")
    page.get_by_label("Email").fill(account)
    page.get_by_label("Email").press("Enter")
    expect(page.locator("#login-error")).to_contain_text("needs an API key with scope ingest")
    assert user_of(page) == visitor


def test_a_session_that_ended_begins_anew(open_page: OpenPage, closed_api: OwnApi) -> None:
    page = open_page(base=closed_api.url)
    assert len(cards(page)) == 24
    visitor = user_of(page)
    spoil = "key => localStorage[key] = localStorage[key].replace(/[^.]+$/, 'x\"}')"
    for stored in ("vane.session", "vane.visitor"):
        page.evaluate(spoil, stored)
    page.reload()
    assert len(cards(page)) == 24
    assert user_of(page) != visitor

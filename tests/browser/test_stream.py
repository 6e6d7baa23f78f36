"""The feed follows its stream, and asks where there is none."""

import re

import httpx
import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import OpenPage
from tests.browser.test_feed import cards

LISTS = re.compile(r"/recommendations(\?|$)")


def hide_elsewhere(page: Page, site: str) -> str:
    """Hide the first card's item as another device of the same visitor would; its id."""
    key = cards(page)[0]
    user = page.evaluate("JSON.parse(localStorage['vane.session']).user_id")
    event = {"user_id": user, "item_id": key, "action": "hide"}
    assert httpx.post(f"{site}/v1/events", json=event).status_code == 202
    return key


def test_a_change_from_elsewhere_comes_by_the_stream_and_nothing_is_asked(
    open_page: OpenPage, site: str
) -> None:
    page = open_page()
    cards(page)
    asked: list[Request] = []

    def note(request: Request) -> None:
        if LISTS.search(request.url):
            asked.append(request)

    page.on("request", note)
    page.wait_for_timeout(2_500)
    key = hide_elsewhere(page, site)
    expect(page.locator(f'.card[data-key="{key}"]')).to_have_count(0, timeout=3_000)
    assert asked == []


@pytest.mark.parametrize("answer", ["none", "refused"])
def test_without_a_stream_the_page_asks(open_page: OpenPage, site: str, answer: str) -> None:
    page = open_page("/web/icon.svg")  # of the same origin, and no page that asks
    page.context.route(
        "**/recommendations/stream**",
        lambda route: (
            route.abort()
            if answer == "none"
            else route.fulfill(status=503, content_type="text/event-stream", body="")
        ),
    )
    page.goto(site)
    key = hide_elsewhere(page, site)
    expect(page.locator(f'.card[data-key="{key}"]')).to_have_count(0, timeout=6_000)

"""For everyone: phones, dark mode, keyboards, screen readers."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage

VIEWS = {
    "feed": ("/", ".card[data-key]"),
    "item": ("/#/item/video-skoda-octavia", "[aria-label='Similar items'] .card"),
    "odd item": ("/#/item/long", "[aria-label='Similar items'] .card"),
    "search": ("/#/search?q=skoda", "[aria-label='Results'] .card"),
    "login": ("/#/login", ".login"),
    "discover": ("/#/discover", "[aria-label=Discover] .card"),
    "basket": ("/#/basket", ".view h1"),
    "no item": ("/#/item/nothing", ".state h1"),
}
PHONE_PX = 360


def opened(open_page: OpenPage, view: str, **options: Any) -> Page:
    path, shown = VIEWS[view]
    page = open_page(path, **options)
    page.wait_for_selector(shown)
    return page


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page: OpenPage, view: str, scheme: Any) -> None:
    page = opened(open_page, view, color_scheme=scheme, reduced_motion="reduce")
    page.get_by_role("complementary").or_(page.locator(".login")).first.wait_for()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_axe_would_find_something(open_page: OpenPage) -> None:
    page = opened(open_page, "login")
    page.evaluate("document.querySelector('label[for=email]').remove()")
    page.evaluate("document.getElementById('email').removeAttribute('placeholder')")
    assert Axe().run(page).violations_count > 0


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_never_scrolls_sideways(open_page: OpenPage, view: str) -> None:
    page = opened(open_page, view, width=PHONE_PX, is_mobile=True, has_touch=True)
    wide = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
             .filter((e) => !e.closest(".chips") && e.getBoundingClientRect().right > innerWidth)
             .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE_PX


def test_the_keyboard_reaches_everything(open_page: OpenPage) -> None:
    page = opened(open_page, "feed")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    card = page.locator(".card[data-key]").first
    card.get_by_role("link").focus()
    page.keyboard.press("Tab")
    expect(card.get_by_role("button", name="Like")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_focus_stays_in_the_list_when_its_card_leaves(open_page: OpenPage) -> None:
    page = opened(open_page, "feed")
    card = page.locator(".card[data-key]").first
    key = card.get_attribute("data-key")
    card.get_by_role("button", name="Not for me").press("Enter")
    expect(page.locator(f'.card[data-key="{key}"]')).to_have_count(0)
    expect(page.locator(".card[data-key]").first.get_by_role("link")).to_be_focused()

"""What the page shows of how it works: basket, taste, reasons, an event's way, personas, a feed."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.test_feed import BECAUSE, cards, log_in
from tests.browser.test_page import FILES, WEB

BYTES_MAX = 150_000
FIRST_PAINT_MS_MAX = 1_000
FIRST_PAINT = """() => new Promise((resolve) => {
  const paint = (entries) => entries.find(({ name }) => name === "first-contentful-paint");
  new PerformanceObserver((list) => {
    const first = paint(list.getEntries());
    if (first) resolve(first.startTime);
  }).observe({ type: "paint", buffered: true });
})"""
OF_HEADER = "header.top, header.top *"
BEYOND = """all => all.filter((one) => one.getBoundingClientRect().right > innerWidth)
  .map((one) => one.outerHTML)"""
MILLISECONDS = re.compile(r"^[\d,.]+ (ms|s)$")


def panel(page: Page) -> Locator:
    return page.get_by_role("complementary")


def add_to_basket(page: Page, item: str) -> None:
    page.goto(f"{page.url.partition('#')[0]}#/item/{item}")
    button = page.locator(".detail").get_by_role("button", name="Add to basket")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")


def priced_card(page: Page) -> Locator:
    cards(page)
    return page.locator(".card[data-key]").filter(has=page.locator(".action-cart")).first


def test_a_basket_from_card_and_item_goes_with_others_and_is_bought(open_page: OpenPage) -> None:
    page = open_page()
    card = priced_card(page)
    key, title = card.get_attribute("data-key"), card.get_by_role("heading").inner_text()
    card.get_by_role("button", name="Add to basket").click()
    other = "skoda-superb" if key != "skoda-superb" else "volvo-v60"
    add_to_basket(page, other)
    with page.expect_request("**/v1/recommendations") as asked:
        page.get_by_role("link", name="Basket (2)").click()
    body: Any = asked.value.post_data_json
    assert body["items"] == [key, other]
    lines = page.get_by_role("list", name="In your basket").get_by_role("listitem")
    expect(lines).to_have_count(2)
    expect(lines.first).to_contain_text(title)
    together = page.get_by_role("list", name="Goes with your basket")
    expect(together.get_by_role("listitem")).to_have_count(8)
    expect(together.locator(f"a[href$='/{other}'].card-link")).to_have_count(0)
    page.reload()
    expect(lines).to_have_count(2)
    lines.first.get_by_role("button", name="Remove").press("Enter")
    expect(lines).to_have_count(1)
    page.get_by_role("button", name="Check out").click()
    expect(page.get_by_role("status").filter(has_text="Bought")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(lines).to_have_count(0)
    expect(panel(page)).to_contain_text("Bought just now")


def test_a_visitor_brings_the_basket_into_the_account_and_nobody_else_has_it(
    open_page: OpenPage, account: str
) -> None:
    page = open_page("/#/item/volvo-v60")
    add_to_basket(page, "volvo-v60")
    log_in(page, account)
    expect(page.get_by_role("link", name="Basket (1)")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Basket", exact=True)).to_be_visible()


def test_the_taste_moves_with_every_event(open_page: OpenPage) -> None:
    page = open_page("/#/item/mazda-mx-5")
    bars = panel(page).get_by_role("list", name="Categories").get_by_role("listitem")
    expect(bars).to_have_count(1)
    expect(bars.first).to_contain_text("roadster")
    expect(bars.first).to_contain_text("100 %")
    page.goto(f"{page.url.partition('#')[0]}#/item/the-long-orbit")
    page.locator(".detail").get_by_role("button", name="Like").click()
    expect(bars.first).to_contain_text("science fiction")
    expect(bars.nth(1)).to_contain_text("roadster")
    expect(bars.nth(1).locator(".bar-change")).to_have_text(re.compile("^\N{MINUS SIGN}\\d+$"))


def test_every_card_says_why_and_leads_to_what_caused_it(open_page: OpenPage) -> None:
    page = open_page("/#/item/skoda-octavia")
    similar = page.get_by_role("list", name="Similar items").locator(".card .reason")
    expect(similar).to_have_text(["Similar to Skoda Octavia 2019"] * 8)
    page.locator(".detail").get_by_role("button", name="Like").click()
    page.get_by_role("link", name="Your feed", exact=True).click()
    why = page.locator(".grid .card[data-key] .reason")
    expect(why.filter(has_text=BECAUSE).first).to_be_visible()
    assert all(why.all_inner_texts())
    assert why.count() == len(cards(page))
    why.get_by_role("link", name="Because you liked Skoda Octavia 2019").first.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Skoda Octavia 2019")


def test_an_event_shows_when_it_was_taken_committed_and_pushed(open_page: OpenPage) -> None:
    page = open_page()
    first = page.locator(".card[data-key]").first
    title = first.get_by_role("heading").inner_text()
    first.get_by_role("button", name="Like").click()
    step = panel(page).get_by_role("list", name="The last events").get_by_role("listitem").first
    expect(step).to_contain_text(f"Liked {title}")
    for stage in ("taken", "committed", "pushed"):
        expect(step.locator(f".time-{stage} dd")).to_have_text(MILLISECONDS)
    taken, committed, pushed = (
        float(
            step.locator(f".mark-{stage}").evaluate(
                "mark => parseFloat(mark.style.left || mark.style.insetInlineStart)"
            )
        )
        for stage in ("taken", "committed", "pushed")
    )
    assert 0 < taken <= committed <= pushed <= 100


def test_without_a_stream_nothing_is_said_to_be_pushed(open_page: OpenPage, site: str) -> None:
    page = open_page("/web/icon.svg")
    page.context.route("**/recommendations/stream**", lambda route: route.abort())
    page.goto(site)
    page.locator(".card[data-key]").first.get_by_role("button", name="Like").click()
    step = panel(page).get_by_role("list", name="The last events").get_by_role("listitem").first
    expect(step.locator(".time-committed dd")).to_have_text(MILLISECONDS)
    expect(step.locator(".time-pushed dd")).to_have_text("\N{EN DASH}")


@pytest.mark.parametrize("access", ["open", "keys"])
def test_a_persona_turns_the_list_and_leaves_the_visitor_alone(
    open_page: OpenPage, site: str, access: str, request: pytest.FixtureRequest
) -> None:
    base = site if access == "open" else request.getfixturevalue("closed_api").url
    page = open_page(base=base)
    before = cards(page)
    visitor = page.evaluate("localStorage['vane.visitor']")
    offers = page.get_by_role("list", name="Or act as somebody who likes:")
    expect(offers.get_by_role("button")).to_have_count(5)
    offer = offers.get_by_role("button", name="Films: ").first
    persona = offer.inner_text()
    offer.click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(f"For somebody who likes {persona}")
    bars = panel(page).get_by_role("list", name="Categories").get_by_role("listitem")
    expect(bars.first).to_contain_text(persona.removeprefix("Films: "))
    expect(page.locator(".reason", has_text=BECAUSE).first).to_be_visible()
    assert cards(page) != before
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.eval_on_selector_all(OF_HEADER, BEYOND) == []
    page.get_by_role("button", name="Be yourself").click()
    expect(heading).to_contain_text("turns with every click")
    assert page.evaluate("localStorage['vane.session']") == visitor


def test_the_feed_across_kinds_goes_on_to_its_end(open_page: OpenPage) -> None:
    page = open_page("/#/discover")
    found = page.get_by_role("list", name="Discover").locator("> .card .card-link")
    expect(found.first).to_be_visible()
    end = page.get_by_role("button", name="Begin anew")
    for _ in range(10):
        page.mouse.wheel(0, 5_000)
        page.wait_for_timeout(100)
        if end.is_visible():
            break
    expect(end).to_be_visible()
    addresses = found.evaluate_all("all => all.map((link) => link.hash)")
    assert len(addresses) == len(set(addresses)) > 36
    shown = page.get_by_role("list", name="Shown in it").first
    expect(shown.get_by_role("link").first).to_be_visible()
    end.press("Enter")
    expect(found).not_to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_used_page(open_page: OpenPage, scheme: Any) -> None:
    page = open_page("/#/item/volvo-v60", color_scheme=scheme, reduced_motion="reduce")
    add_to_basket(page, "volvo-v60")
    page.get_by_role("link", name="Basket (1)").click()
    expect(page.get_by_role("list", name="Goes with your basket")).to_be_visible()
    expect(panel(page).locator(".time-pushed dd").first).to_have_text(MILLISECONDS)
    for view in ("Basket (1)", "For you"):
        page.get_by_role("link", name=view).click()
        page.locator(".card .reason").first.wait_for()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [360, 700, 1000])
def test_a_used_page_never_scrolls_sideways(open_page: OpenPage, width: int) -> None:
    page = open_page("/#/item/volvo-v60", width=width)
    add_to_basket(page, "volvo-v60")
    page.get_by_role("link", name="Basket (1)").click()
    expect(page.get_by_role("list", name="Goes with your basket")).to_be_visible()
    expect(panel(page).locator(".time-pushed dd").first).to_have_text(MILLISECONDS)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_whole_page_is_small() -> None:
    own = [file for file in FILES if file.suffix != ".svg"]
    assert len(own) > 20
    assert sum(file.stat().st_size for file in own) < BYTES_MAX
    assert WEB / "index.html" in own


def test_the_first_paint_takes_less_than_a_second(open_page: OpenPage) -> None:
    page = open_page()
    paints = []
    for _ in range(3):
        page.reload()
        paints.append(float(page.evaluate(FIRST_PAINT)))
    assert min(paints) < FIRST_PAINT_MS_MAX, paints

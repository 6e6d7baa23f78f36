import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Route, expect

from tests.browser.catalogue import HTML_TITLE
from tests.browser.conftest import OpenPage


def test_a_typo_is_corrected_while_typing(open_page: OpenPage) -> None:
    page = open_page()
    box = page.get_by_role("combobox", name="Search")
    box.press_sequentially("Scoda", delay=20)
    found = page.get_by_role("list", name="Results")
    expect(found).to_contain_text("€15,900")
    results = found.get_by_role("heading", level=3)
    expect(results.first).to_have_text(re.compile("^Skoda "))
    expect(page.locator(".summary")).to_contain_text("“skoda” (you typed “Scoda”)")
    expect(box).to_be_focused()
    expect(results.nth(4)).to_have_text(re.compile("^Skoda "))
    box.fill("")
    expect(page.locator(".card[data-key]")).to_have_count(24)
    expect(box).to_be_focused()


def test_what_is_typed_before_the_scripts_ran_is_searched(open_page: OpenPage) -> None:
    page = open_page("/web/icon.svg")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/web/app.js", hold)
    page.goto(page.url.replace("/web/icon.svg", "/"), wait_until="commit")
    page.get_by_role("combobox").press_sequentially("fabia")
    held.pop().continue_()
    expect(page.locator(".summary")).to_contain_text("for “fabia”")
    expect(page.get_by_role("combobox")).to_have_value("fabia")


def test_suggestions_while_one_types(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("combobox", name="Search").press_sequentially("oct")
    options = page.locator("#suggestions option")
    expect(options.first).to_have_attribute("value", re.compile("Octavia"))
    page.get_by_role("combobox", name="Search").fill("")
    expect(options).to_have_count(0)


def test_a_search_can_be_linked_and_finds_nothing_in_words(open_page: OpenPage) -> None:
    page = open_page("/#/search?q=zzqqxxyy")
    expect(page.locator(".summary")).to_contain_text("Nothing found for “zzqqxxyy”")
    expect(page.get_by_role("combobox")).to_have_value("zzqqxxyy")


@pytest.mark.parametrize("text", ["x" * 10_240, "ä" * 3_400, "'; drop table item; -- " * 400])
def test_a_query_of_10_kb_gets_an_answer(open_page: OpenPage, text: str) -> None:
    page = open_page()
    page.get_by_role("combobox").fill(text)
    expect(page.locator(".summary")).to_contain_text("Too much to search for")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_detail_of_a_link_and_the_way_back(open_page: OpenPage) -> None:
    page = open_page("/#/item/skoda-octavia")
    expect(page.get_by_role("heading", level=1)).to_have_text("Skoda Octavia 2019")
    expect(page).to_have_title("Skoda Octavia 2019 · Vane")
    main = page.get_by_role("main")
    expect(main).to_contain_text("roomy family estate")
    expect(main).to_contain_text("€15,900")
    expect(main.locator("dl")).to_have_text("MakeSkodaYear2019FueldieselPower110 kWBodyestate")
    similar = page.get_by_role("list", name="Similar items").get_by_role("listitem")
    expect(similar).to_have_count(8)
    similar.first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Skoda Octavia 2019")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Skoda Octavia 2019")


def test_a_video_shows_the_cars_in_it_without_those_that_are_gone(open_page: OpenPage) -> None:
    page = open_page("/#/item/video-skoda-octavia")
    shown = page.get_by_role("list", name="In this video").get_by_role("heading", level=3)
    expect(shown).to_have_text(["Skoda Octavia 2019", "Volvo V60 2020", "Toyota Corolla 2020"])


def test_a_rating_counts(open_page: OpenPage) -> None:
    page = open_page("/#/item/paper-boats")
    expect(page.get_by_role("complementary")).to_contain_text("From 1 event")
    page.get_by_role("button", name="Rate 5 of 5").click()
    expect(page.get_by_role("complementary")).to_contain_text("Rated just now")
    expect(page.get_by_role("button", name="Rate 5 of 5")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("path", ["/#/item/html", "/#/search?q=bold"])
def test_html_and_sql_in_a_title_are_text(open_page: OpenPage, path: str) -> None:
    page = open_page(path)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    title = page.get_by_role("main").get_by_role("heading", name=HTML_TITLE)
    expect(title.first).to_have_text(HTML_TITLE)
    assert page.locator("[onerror], main b, main script").count() == 0
    assert dialogs == []


@pytest.mark.parametrize(
    ("item", "title"),
    [
        ("a/b c?d#é", "An id with a slash, a space and signs"),
        ("untitled", "Untitled film"),
    ],
)
def test_odd_items_have_a_page(open_page: OpenPage, item: str, title: str) -> None:
    page = open_page(f"/#/item/{quote(item, safe='')}")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


@pytest.mark.parametrize("item", ["sold-long-ago", "x" * 200, "%00", "%E0%A4%A"])
def test_an_unknown_item_is_a_page_that_says_so(open_page: OpenPage, item: str) -> None:
    page = open_page(f"/#/item/{item}")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such item")
    page.get_by_role("link", name="Back to your feed").click()
    expect(page.locator(".card[data-key]")).to_have_count(24)

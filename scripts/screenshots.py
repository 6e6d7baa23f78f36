"""Draw docs/images/ from the page of a running `vane up` with its demo catalogue.

John, of the demo accounts, likes a few items first, so that the pictures show what a reader would
see after a minute. `screenshots.py http://127.0.0.1:8000`
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
DESKTOP, PHONE = (1280, 860), (390, 844)
TASTE = ("skoda octavia", "estate")
"""Searches whose first results the account likes."""
LIKES = 2
IN_VIEW = """[...document.images]
    .filter((i) => i.getBoundingClientRect().top < innerHeight).every((i) => i.complete)"""


def open_page(browser: Browser, size: tuple[int, int], *, dark: bool = False) -> Page:
    """A page of its own visitor."""
    return browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        device_scale_factor=1.5,
        bypass_csp=True,  # waiting for a function evaluates text
    )


def save(page: Page, name: str) -> None:
    """A picture of what can be seen, once nothing moves."""
    page.mouse.move(0, 0)
    page.wait_for_function(IN_VIEW)
    page.wait_for_function("document.getAnimations().length === 0")
    page.screenshot(path=IMAGES / f"{name}.png")


def log_in(page: Page, url: str) -> None:
    """One click on the page's first offer."""
    page.goto(url)
    page.get_by_role("button", name="John").click()
    page.get_by_role("heading", name="For you, John").wait_for()
    page.wait_for_selector(".card[data-key]")


def like(page: Page) -> None:
    """Like the first results of some searches."""
    for text in TASTE:
        page.get_by_role("combobox", name="Search").fill(text)
        page.wait_for_function("(text) => document.title.includes(text)", arg=text)
        page.wait_for_selector("[aria-label=Results] .card")
        for index in range(LIKES):
            page.get_by_role("list", name="Results").get_by_role("button", name="Like").nth(
                index
            ).click()
            page.wait_for_function("document.getElementById('status').textContent !== ''")


def draw(browser: Browser, url: str) -> None:
    """All pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    page = open_page(browser, DESKTOP)
    log_in(page, url)
    like(page)
    page.get_by_role("combobox", name="Search").fill("Scoda")
    page.get_by_text("you typed “Scoda”").wait_for()
    save(page, "search")
    page.get_by_role("link", name="Vane, to your feed").click()
    page.locator(".reason", has_text="Because you").first.wait_for()
    page.locator(".card[data-key]").first.get_by_role("button", name="Like").click()
    page.get_by_role("status").get_by_text("after your click").wait_for()
    page.wait_for_function("document.querySelector('.fresh') === null")
    page.evaluate("scrollTo(0, 0)")
    save(page, "feed")
    page.locator(".card[data-key] .card-link").first.click()
    page.get_by_role("list", name="Similar items").wait_for()
    page.get_by_role("status").get_by_text("after your click").wait_for()
    save(page, "detail")
    phone = open_page(browser, PHONE, dark=True)
    log_in(phone, url)
    phone.locator(".reason", has_text="Because you").first.wait_for()
    save(phone, "phone-dark")


def main() -> None:
    """Draw from the page at the address given."""
    program = shutil.which("chromium")
    if program is None or len(sys.argv) != 2:  # noqa: PLR2004 - the program and the address
        raise SystemExit("usage: screenshots.py http://127.0.0.1:8000 (needs chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        draw(browser, sys.argv[1])
        browser.close()


if __name__ == "__main__":
    main()

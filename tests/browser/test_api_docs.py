"""The example of docs/api.md for every use in a page runs in a page."""

import httpx

from tests.api.test_api_docs import FILM, PAGE
from tests.browser.conftest import OpenPage
from tests.browser.test_client import EMPTY

IMPORT = 'import { Vane } from "/web/vane.js";'


def test_every_use_runs_in_a_page(open_page: OpenPage, site: str) -> None:
    item = httpx.get(f"{site}/v1/trending").json()["items"][0]["item_id"]
    _, _, code = PAGE.read_text(encoding="utf-8").partition(f"```javascript\n{IMPORT}")
    code = code.partition("```")[0].replace(FILM, item)
    told = "token, list, basket, feed, found, suggestions, item, similar, popular, taste, stored"
    answers = open_page(EMPTY).evaluate(
        f'async () => {{ const {{ Vane }} = await import("/web/vane.js");\n{code}'
        f"return {{ {told}, visitor }}; }}"
    )
    for name in ("token", "similar", "popular", "visitor"):
        assert answers[name], name
    for name in ("list", "basket", "feed"):
        assert answers[name]["items"], name
    assert answers["item"]["item_id"] == item
    assert any(event["item_id"] == item for event in answers["stored"]["events"])

"""What the server says of the page's files, and the page's promises about its own code."""

import re
from pathlib import Path

import httpx
import pytest

from tests.running import RunningUp
from vane.store.accounts import DEMO_ACCOUNTS

WEB = Path(__file__).resolve().parents[2] / "web"
FILES = sorted(file for file in WEB.rglob("*.*") if file.suffix in {".html", ".js", ".css", ".svg"})
LINES_MAX = 300


def name(file: Path) -> str:
    return str(file.relative_to(WEB))


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_file_is_served_and_revalidated(vane_up: RunningUp, file: Path) -> None:
    types = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
    path = "/" if file.name == "index.html" else f"/web/{name(file)}"
    answer = httpx.get(vane_up.endpoints.api + path)
    assert answer.content == file.read_bytes()
    assert answer.headers["content-type"].startswith(types.get(file.suffix, "image/svg+xml"))
    assert answer.headers["x-content-type-options"] == "nosniff"
    known = {"If-None-Match": answer.headers["etag"]}
    again = httpx.get(vane_up.endpoints.api + path, headers=known)
    assert (again.status_code, again.content) == (304, b"")


def test_the_policy_allows_own_code_alone(vane_up: RunningUp) -> None:
    policy = httpx.get(vane_up.endpoints.api).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["..%2fpyproject.toml", "%2e%2e/api/page.py", "x.js", "", "css"])
def test_nothing_else_is_served(vane_up: RunningUp, path: str) -> None:
    answer = httpx.get(f"{vane_up.endpoints.api}/web/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("file", FILES, ids=name)
def test_files_are_short_and_never_make_markup_of_data(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    limit = LINES_MAX if file.suffix == ".js" else 2 * LINES_MAX
    assert len(source.splitlines()) < limit
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|\beval\b|https?://(?!www.w3.org)", source
    )


def test_the_accounts_offered_are_those_of_the_demo() -> None:
    source = (WEB / "session.js").read_text(encoding="utf-8")
    names = re.findall(r'"([A-Z][a-z]+)"', source)
    assert names == [account.name for account in DEMO_ACCOUNTS]
    emails = [f"{person.lower()}{number}@example.com" for number, person in enumerate(names, 1)]
    assert emails == [account.email for account in DEMO_ACCOUNTS]

"""The page in a real Chromium, on a whole `vane up` with forty items."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.catalogue import write_catalogue
from tests.running import VANE, RunningUp
from vane.embedded.broker import free_port

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 15_000
EXPECTED = "Failed to load resource"
"""What Chromium writes of every answer that says no: some tests ask for these."""

OpenPage = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; only a machine that is not the CI's may lack it."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        assert "CI" not in os.environ, "no chromium: .ci/run installs it"
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        expect.set_options(timeout=TIMEOUT_MS)
        opened = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def site(vane_up: RunningUp, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a running page with the test catalogue."""
    file = write_catalogue(tmp_path_factory.mktemp("catalogue") / "items.jsonl")
    load_items(file, vane_up.data_dir)
    return vane_up.endpoints.api


def load_items(file: Path, data_dir: Path) -> None:
    """`vane load items`, until they can be seen."""
    command = [*VANE, "load", "items", str(file), "--wait", "--data-dir", str(data_dir)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def account(site: str) -> str:
    """Email of an account of this test alone."""
    email = f"{os.urandom(6).hex()}@example.com"
    assert httpx.post(f"{site}/v1/accounts", json={"email": email}).status_code == 201
    return email


class OwnApi:
    """An API process of the test's own, always on the same port."""

    def __init__(self, up: RunningUp, **environ: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environ = environ | {"VANE_DATA_DIR": str(up.data_dir)}

    def start(self) -> None:
        command = [sys.executable, "-m", "vane", "api", "--port", str(self.port)]
        environ = os.environ | self._environ
        self._process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("serving on")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def own_api(vane_up: RunningUp, site: str) -> Iterator[OwnApi]:
    """An API on the same data, to be stopped and started."""
    api = OwnApi(vane_up)
    api.start()
    yield api
    api.stop()


@pytest.fixture
def closed_api(vane_up: RunningUp, site: str) -> Iterator[OwnApi]:
    """An API with access by keys on the same data."""
    api = OwnApi(vane_up, VANE_ACCESS="keys")
    api.start()
    yield api
    api.stop()


@dataclass
class Complaints:
    """What the pages of a test wrote to their consoles, or threw."""

    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(str(error)))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and EXPECTED not in message.text:
            self.found.append(message.text)


@pytest.fixture
def open_page(browser: Browser, site: str) -> Iterator[OpenPage]:
    """Opens pages of the site, each as another visitor; none may complain in its console."""
    complaints, contexts = Complaints(), []

    def opened(path: str = "/", width: int = 1280, base: str = site, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        context.on("page", complaints.watch)
        page = context.new_page()
        page.goto(base + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints.found == []

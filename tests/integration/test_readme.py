"""What README.md tells a new user to run does what it says, in its order."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.running import VANE, RunningUp, wait_until
from vane.demo import demo_items

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILM = "film-1968-2001-a-space-odyssey"
FILMS = 40


def blocks() -> Iterator[tuple[str, str]]:
    """The Python blocks and those with curl: language and text."""
    for language, text in BLOCK.findall(README.read_text(encoding="utf-8")):
        if language == "python" or "curl" in text:
            yield language, text


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[RunningUp]:
    """A Vane of its own, as its lists are looked at: some films of the demo, that of README too."""
    films = [item for item in demo_items(date(2026, 1, 1)) if item.kind == "film"]
    chosen = [film for film in films if film.item_id == FILM] + films[:FILMS]
    file = tmp_path / "films.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(film) + b"\n" for film in chosen))
    with RunningUp("--no-demo", environ={"VANE_SEARCH_MEANING": "off"}) as running:
        running.wait_ready()
        command = [*VANE, "load", "items", str(file), "--wait", "--data-dir", str(running.data_dir)]
        subprocess.run(command, check=True, capture_output=True)
        yield running


def run(block: tuple[str, str], up: RunningUp, folder: Path) -> str:
    """Output of a block that is run beside `vane-data`, as README's reader does."""
    language, text = block
    text = re.sub(r"(http://)?localhost:8000", up.endpoints.api, text)
    program = [sys.executable, "-W", "ignore::ResourceWarning", "-c"]
    command = [*program, text] if language == "python" else ["bash", "-euo", "pipefail", "-c", text]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout


def test_events_are_sent_and_recommendations_read(shop: RunningUp, tmp_path: Path) -> None:
    (tmp_path / "vane-data").symlink_to(shop.data_dir)
    profile = f"{shop.endpoints.api}/v1/users/ada/profile"
    produce, post, read, show = blocks()
    assert httpx.get(profile).json()["events"] == 0
    run(produce, shop, tmp_path)
    wait_until(lambda: httpx.get(profile).json()["events"] == 1, 30)
    assert json.loads(run(post, shop, tmp_path))["accepted"] == 1
    wait_until(lambda: httpx.get(profile).json()["events"] == 2, 30)

    items = json.loads(run(read, shop, tmp_path))["items"]
    assert len(items) == 3
    reason = "Because you liked 2001: A Space Odyssey (1968)"
    lines = run(show, shop, tmp_path).splitlines()
    assert len(lines) == 3
    assert any(line.endswith(reason) for line in lines)

"""What docs/tutorial.md tells a beginner to run does what it says, block after block."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import VANE, RunningUp

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REASON = "Because you liked A Year on Mars"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[RunningUp]:
    """A `vane up` without the demo, in the folder where the blocks run."""
    with RunningUp("--no-demo", environ={"VANE_SEARCH_MEANING": "off"}) as running:
        running.wait_ready()
        (tmp_path / "vane-data").symlink_to(running.data_dir)
        yield running


def run(block: str, up: RunningUp, folder: Path) -> str:
    """Output of a block, with the addresses of a running `vane up`."""
    text = block.replace("localhost:8000", up.endpoints.api.removeprefix("http://"))
    text = text.replace(".venv/bin/vane", " ".join(VANE))
    command = ["bash", "-euo", "pipefail", "-c", text]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_tutorial_does_what_it_says(shelf: RunningUp, tmp_path: Path) -> None:
    items, unknown, like, profile, others, checked = BLOCK.findall(PAGE.read_text("utf-8"))
    run(items, shelf, tmp_path)
    assert REASON not in run(unknown, shelf, tmp_path)
    liked = run(like, shelf, tmp_path)
    assert liked.count('"category": "space"') == 3
    assert REASON in liked
    assert "space" in run(profile, shelf, tmp_path)
    assert "Cakes Without Fear" in run(others, shelf, tmp_path)
    run(checked, shelf, tmp_path)

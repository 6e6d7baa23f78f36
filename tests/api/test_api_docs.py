"""The examples of docs/api.md for every use run, by curl and in Python."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.api.conftest import Api
from tests.api.seed import Seed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
FILM = "film-1968-2001-a-space-odyssey"


@pytest.fixture
def site(api: Api, seed: Seed) -> Api:
    films = seed.items(20, "films", kind="film")
    seed.user("u42", films[:3])
    api.sync()
    return api


def example(language: str, api: Api) -> str:
    _, _, uses = PAGE.read_text(encoding="utf-8").partition("## Every use, three ways")
    found = re.search(rf"^```{language}\n(.*?)^```$", uses, re.MULTILINE | re.DOTALL)
    assert found is not None
    address = f"{api.client.base_url.host}:{api.client.base_url.port}"
    return found[1].replace("localhost:8000", address).replace(FILM, "films-7")


def test_every_use_runs_by_curl(site: Api) -> None:
    lines = example("bash", site).splitlines()
    script = "\n".join(["set -e", lines[0], *(f"{line}; echo; echo --" for line in lines[1:])])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = done.stdout.removesuffix("\n--\n").split("\n--\n")
    assert len(answers) == len(lines) - 1
    assert all(answer.startswith("{") for answer in answers)


def test_every_use_runs_in_python(site: Api) -> None:
    names: dict[str, object] = {}
    exec(example("python", site), names)
    for name in ("basket", "feed", "similar", "popular", "visitor"):
        assert names[name], name

"""Search by meaning with the real model, in its process; without it, words are still found."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.api.conftest import Api, running, wait_until
from tests.api.seed import Seed
from vane.preference import Floats
from vane.settings import Settings
from vane.store.search_index import index_outdated

FILMS = {
    "The Matrix": "A programmer finds out that the world he lives in is a machine's dream.",
    "Jaws": "A police chief hunts a great white that takes bathers off a beach.",
    "Ratatouille": "A rat with a fine nose cooks in a Paris restaurant.",
    "Matrix Algebra": "Rows, columns and determinants for beginners.",
}


@pytest.fixture
def pids() -> list[int]:
    return []


@pytest.fixture
def api(api_settings: Settings, pids: list[int]) -> Iterator[Api]:
    """An API with its encoder, which keeps no answer; no process is left in the end."""
    with running(replace(api_settings, search_meaning="auto", cache_ttl_ms=0)) as started:
        yield started
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def searched(api: Api, text: str, **params: object) -> dict[str, Any]:
    answer = api.get("/v1/search", params={"q": text} | params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def titles(body: dict[str, Any]) -> list[str]:
    return [item["title"] for item in body["items"]]


def encoded(api: Api, text: str) -> Floats:
    work = api.services.encoder.encode(text)
    vector = asyncio.run_coroutine_threadsafe(work, api.loop).result(10)
    assert vector is not None
    return vector


def pid_of(api: Api) -> int:
    process = api.services.encoder._process
    assert process is not None
    return process.pid


def test_search_by_meaning(api: Api, seed: Seed, pids: list[int]) -> None:
    begun = time.monotonic()
    assert searched(api, "simulated reality")["mode"] == "lexical"  # the model is being loaded
    assert time.monotonic() - begun < 2
    wait_until(lambda: api.services.encoder.ready, 120)
    pids.append(pid_of(api))
    for title, text in FILMS.items():
        vector = encoded(api, f"{title}. {text}")
        seed.item(title, vector, title=title, description=text, tags=[], kind="film")
    index_outdated(seed.connection)
    api.sync()

    body = searched(api, "hacker learns that reality is simulated")
    assert (body["mode"], titles(body)[0]) == ("hybrid", "The Matrix")
    body = searched(api, "killer shark near swimmers")
    assert titles(body) == ["Jaws"]
    reason = {"code": "meaning", "text": "About “killer shark near swimmers”"}
    assert body["items"][0]["reason"] == reason
    assert titles(searched(api, "killer shark near swimmers", kind="book")) == []
    assert searched(api, "quarterly tax return")["items"] == []  # nothing is about that
    by_title = searched(api, "matrix algebra")
    assert titles(by_title)[0] == "Matrix Algebra"
    assert by_title["items"][0]["reason"]["code"] == "match"
    assert searched(api, "mat")["mode"] == "lexical"  # a beginning means nothing yet

    seed.user("ada", ["Ratatouille"])
    assert titles(searched(api, "killer shark near swimmers", user_id="ada")) == ["Jaws"]

    frozen = pid_of(api)
    os.kill(frozen, signal.SIGSTOP)
    begun = time.monotonic()
    for number in range(3):  # each would wait for its vector
        body = searched(api, f"ratatouille number {number}")
        assert (body["mode"], titles(body)[:1]) == ("lexical", ["Ratatouille"])
    assert time.monotonic() - begun < 3
    assert searched(api, "hacker learns that reality is simulated")["mode"] == "hybrid"  # is known
    os.kill(frozen, signal.SIGCONT)
    wait_until(lambda: searched(api, "ratatouille number 2")["mode"] == "hybrid")

    os.kill(frozen, signal.SIGKILL)
    wait_until(lambda: not api.services.encoder.ready)
    assert searched(api, "ratatouille number 3")["mode"] == "lexical"


def test_it_ends_while_it_is_being_loaded(api: Api) -> None:
    """The fixture must not wait for the model."""
    assert api.get("/v1/suggestions", params={"q": "a"}).status_code == 200
    wait_until(lambda: api.services.encoder._running is not None)
    time.sleep(0.5)


def test_where_it_is_off_nothing_begins(api_settings: Settings) -> None:
    with running(api_settings) as api:
        assert searched(api, "simulated reality")["mode"] == "lexical"
        assert api.services.encoder._running is None

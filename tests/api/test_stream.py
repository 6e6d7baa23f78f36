"""The stream of a user's list, read from a real server."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import httpx
import pytest

from api.callers import EVERYONE
from schemas.events import CatalogHint, PreferenceHint
from tests.api.conftest import Api, running, wait_until
from tests.api.seed import Seed
from vane.bus import CATALOG, PREFERENCES
from vane.settings import Settings

LIST = "/v1/users/ada/recommendations"
STREAM = LIST + "/stream"


class Event(NamedTuple):
    name: str
    id: str
    data: str


class Stream:
    """Reads events; comments count as heartbeats."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.heartbeats = 0
        self.retry_ms = 0
        self._lines = response.iter_lines()

    def next(self) -> Event:
        fields: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif "data" in fields:
                return Event(fields["event"], fields.get("id", ""), fields["data"])
            else:
                self.heartbeats += "" in fields
                self.retry_ms = int(fields.get("retry", self.retry_ms))
                fields = {}
        raise EOFError

    def version(self) -> int:
        return int(json.loads(self.next().data)["version"])


@contextmanager
def opened(api: Api, path: str = STREAM, **headers: str) -> Iterator[Stream]:
    with api.client.stream("GET", path, headers=headers) as response:
        yield Stream(response)


def hint(user: str, version: int) -> PreferenceHint:
    return PreferenceHint([(user, version)], 1, 0, version, 0.0)


@pytest.fixture
def ada(api: Api, seed: Seed) -> str:
    seed.user("ada", seed.items(20)[:2])
    api.sync()
    return "ada"


@pytest.mark.usefixtures("ada")
def test_the_list_comes_at_once_and_is_that_of_polls(api: Api) -> None:
    with opened(api) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        event = stream.next()
        polled = api.get(LIST)
        assert (event.name, event.data) == ("recommendations", polled.text)
        assert event.id == polled.json()["request_id"] == polled.headers["etag"].strip('"')
        assert 1_000 <= stream.retry_ms <= 3_000
    assert "x-cache" not in polled.headers


@pytest.mark.usefixtures("ada")
def test_parameters_are_those_of_the_list(api: Api) -> None:
    with opened(api, STREAM + "?limit=3&explain=true&access_token=none") as stream:
        assert stream.next().data == api.get(LIST + "?limit=3&explain=true").text
    for wrong, field in (("limit=0", "limit"), ("limit=x", "limit"), ("kind=%00", "kind")):
        refused = api.get(f"{STREAM}?{wrong}")
        assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert api.get("/v1/users//recommendations/stream").status_code == 422


@pytest.mark.parametrize("user", ["a/b", "a/recommendations/stream", "žluťoučký 🐎", "..", "%2f"])
def test_any_id_has_a_stream(api: Api, seed: Seed, user: str) -> None:
    seed.user(user, seed.items(20)[:2])
    api.sync()
    quoted = httpx.QueryParams({"x": user})
    path = f"/v1/users/{str(quoted).removeprefix('x=').replace('+', '%20').replace('..', '%2E%2E')}"
    with opened(api, f"{path}/recommendations/stream") as stream:
        body = json.loads(stream.next().data)
        assert (body["user_id"], body["version"]) == (user, 1)
        seed.bump(user)
        api.hint(PREFERENCES, hint(user, 2))
        assert stream.version() == 2


def test_a_hint_pushes_at_once_and_a_burst_four_times_a_second(
    api: Api, ada: str, seed: Seed
) -> None:
    with opened(api) as stream:
        assert stream.version() == 1
        time.sleep(0.3)
        seed.bump(ada)
        began = time.monotonic()
        api.publisher.publish(PREFERENCES, hint(ada, 2))
        assert stream.version() == 2
        assert time.monotonic() - began < 0.2, "the first of a burst comes at once"
        versions: list[int] = []
        times: list[float] = []
        for version in range(3, 103):
            seed.bump(ada)
            api.publisher.publish(PREFERENCES, hint(ada, version))
            time.sleep(0.01)
        while not versions or versions[-1] < 102:
            versions.append(stream.version())
            times.append(time.monotonic() - began)
        assert versions == sorted(set(versions))
        assert len(times) <= 4 * times[-1] + 1
        assert times[-1] < 2.5


@pytest.mark.usefixtures("ada")
def test_last_event_id_resumes(api: Api, seed: Seed) -> None:
    for quote in ("", '"'):
        with opened(api) as stream:
            last = stream.next().id
        with opened(api, **{"Last-Event-ID": quote + last + quote}) as stream:
            version = seed.bump("ada")
            api.publisher.publish(PREFERENCES, hint("ada", version))
            assert stream.version() == version, "not the list that the client has"
    with opened(api) as stream:
        last = stream.next().id
    with opened(api, **{"Last-Event-ID": "something else"}) as stream:
        assert stream.next().id == last


@pytest.mark.usefixtures("ada")
def test_streams_of_one_list_share_its_computation(api: Api, seed: Seed) -> None:
    recommender: Any = api.services.recommender
    original, calls = recommender.moment, []

    async def counted(*arguments: Any) -> Any:
        calls.append(arguments)
        return await original(*arguments)

    recommender.moment = counted
    with opened(api) as one, opened(api) as two, opened(api, STREAM + "?access_token=x") as three:
        assert one.next() == two.next() == three.next()
        assert len(calls) == 1
        seed.bump("ada")
        api.publisher.publish(PREFERENCES, hint("ada", 2))
        assert one.version() == two.version() == three.version() == 2
        assert len(calls) == 2
        assert api.get(LIST).json()["version"] == 2
        assert len(calls) == 2, "polls get the list of the streams"


def test_a_missed_hint_costs_the_time_to_live(api_settings: Settings, seed: Seed) -> None:
    seed.user("ada", seed.items(20)[:2])
    away = replace(api_settings, redis_url="redis://127.0.0.1:1", cache_ttl_ms=500)
    with running(away) as api, opened(api) as stream:
        assert stream.version() == 1
        seed.bump("ada")
        began = time.monotonic()
        assert stream.version() == 2
        assert time.monotonic() - began < 3
        seed.connection.execute("update user_preference set version = 1")
        assert stream.version() == 1, "a restored database may know less"


@pytest.mark.usefixtures("ada")
def test_an_item_that_goes_leaves_the_list(api: Api, seed: Seed) -> None:
    with opened(api) as stream:
        gone = json.loads(stream.next().data)["items"][0]["item_id"]
        seed.connection.execute("update item set available = false where item_id = %s", [gone])
        api.hint(CATALOG, CatalogHint([gone], 0.0))
        listed = [item["item_id"] for item in json.loads(stream.next().data)["items"]]
        assert gone not in listed


@pytest.mark.usefixtures("ada")
def test_streams_that_end_are_counted_and_spoil_no_histogram(api: Api) -> None:
    metrics = api.services.metrics
    with opened(api) as stream:
        stream.next()
        assert metrics.streams.value == 1
        time.sleep(0.4)
    wait_until(lambda: metrics.streams.value == 0)
    assert metrics.stream_ends["client"].value == 1
    assert metrics.stream_lists.value == 1
    text = api.get("/metrics").text
    (total,) = (
        line.split()[-1]
        for line in text.splitlines()
        if line.startswith("vane_api_request_seconds_sum") and "stream" in line
    )
    assert float(total) < 0.3


@pytest.mark.usefixtures("ada")
def test_a_half_closed_connection_frees_its_stream(api: Api) -> None:
    with raw_stream(api) as connection:
        wait_until(lambda: api.services.streams.readers == 1)
        connection.shutdown(socket.SHUT_WR)
        wait_until(lambda: api.services.streams.readers == 0, timeout_s=3)


@pytest.mark.usefixtures("ada")
def test_no_more_streams_than_allowed(api_settings: Settings, seed: Seed) -> None:
    with running(replace(api_settings, streams_max=1)) as api, opened(api) as stream:
        stream.next()
        refused = api.get(STREAM)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert api.get(LIST).status_code == 200


def test_a_slow_reader_is_dropped_and_hurts_nobody(
    api: Api, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.stream.SEND_S_MAX", 0.5)
    monkeypatch.setattr("api.stream_hub.GAP_S", 0.0)
    seed.user("ada", seed.items(200)[:2])
    api.sync()
    dropped = api.services.metrics.stream_ends["slow"]
    with raw_stream(api, STREAM + "?limit=100", receive_bytes=4_096) as slow:
        with opened(api, STREAM + "?limit=100") as quick:
            version, waits = quick.version(), []
            while not dropped.value:
                version = seed.bump("ada")
                began = time.monotonic()
                api.publisher.publish(PREFERENCES, hint("ada", version))
                assert quick.version() == version
                waits.append(time.monotonic() - began)
                assert sum(waits) < 30, "the one who does not read is kept"
            assert api.services.streams.readers == 1
            assert max(waits) < 0.45, "the others wait for the slow one"
        slow.settimeout(5)
        while slow.recv(1 << 16):
            pass


@pytest.mark.usefixtures("ada")
def test_a_silent_stream_has_heartbeats(
    api: Api, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.stream.HEARTBEAT_S", 0.1)
    with opened(api) as stream:
        stream.next()
        time.sleep(0.5)
        seed.bump("ada")
        api.hint(PREFERENCES, hint("ada", 2))
        assert stream.version() == 2
        assert 3 <= stream.heartbeats <= 6


def test_a_stream_is_for_its_user_and_as_long_as_the_token(
    api_settings: Settings, seed: Seed
) -> None:
    seed.user("ada", seed.items(20)[:2])
    with running(replace(api_settings, access="keys")) as api:

        def token(user: str) -> str:
            return str(api.services.callers.tokens.session(user, time.time()))

        own, other = token("ada"), token("bob")
        for given, status in (("", 401), ("?access_token=x", 401), (f"?access_token={other}", 403)):
            assert api.get(STREAM + given).status_code == status
        assert api.get(f"{LIST}?access_token={own}").status_code == 401, "only streams need that"
        with opened(api, f"{STREAM}?access_token={own}") as stream:
            assert stream.version() == 1
        with opened(api, STREAM, Authorization=f"Bearer {own}") as stream:
            assert stream.version() == 1


def test_a_stream_ends_with_its_token(api: Api, ada: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ending = EVERYONE._replace(until_s=time.time() + 0.8)
    monkeypatch.setattr("api.stream.caller_of", lambda _request: ending)
    with opened(api, f"/v1/users/{ada}/recommendations/stream") as stream:
        assert stream.version() == 1
        assert stream.next().name == "close"
    assert api.services.metrics.stream_ends["expired"].value == 1


@contextmanager
def raw_stream(api: Api, path: str = STREAM, receive_bytes: int = 0) -> Iterator[socket.socket]:
    """A connection on which a stream was asked for, and nothing read."""
    with socket.socket() as connection:
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.connect((api.client.base_url.host, api.client.base_url.port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: vane\r\n\r\n".encode())
        yield connection

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import httpx
import msgspec
import pytest

from schemas.responses import Health, Problem, Status
from tests.api.conftest import ADMIN_KEY, Api
from tests.api.seed import Seed
from vane.embedded.broker import free_port
from vane.settings import Settings
from vane.store.connection import Connection
from vane.store.positions import TopicIdentity, open_log


def problem(answer: httpx.Response) -> Problem:
    assert answer.headers["content-type"] == "application/problem+json"
    body = msgspec.json.decode(answer.content, type=Problem)
    assert body.status == answer.status_code
    return body


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/users/ada/recommendations?limit=0", "limit"),
        ("/v1/users/ada/recommendations?limit=101", "limit"),
        ("/v1/users/ada/recommendations?limit=x", "limit"),
        ("/v1/users/ada/recommendations?exclude_seen=perhaps", "exclude_seen"),
        ("/v1/users/ada/recommendations?wait_ms=10001", "wait_ms"),
        ("/v1/users/ada/recommendations?kind=a%00b", "kind"),
        ("/v1/users/ada/recommendations?category=" + "x" * 257, "category"),
        ("/v1/users/a%00b/recommendations", "user_id"),
        ("/v1/users/a%ffb/recommendations", "user_id"),
        ("/v1/users/" + "x" * 129 + "/recommendations", "user_id"),
        ("/v1/users//profile", "user_id"),
        ("/recommend/ada?n=0", "n"),
        ("/v1/items/a%0Ab", "item_id"),
        ("/v1/trending?limit=-1", "limit"),
    ],
)
def test_a_bad_parameter_is_named(api: Api, path: str, field: str) -> None:
    body = problem(api.get(path))
    assert (body.status, body.field) == (422, field)


def test_unknown_routes_and_methods_are_problems(api: Api) -> None:
    assert problem(api.get("/v1/nothing")).status == 404
    answer = api.client.delete("/v1/trending")
    assert problem(answer).status == 405
    assert answer.headers["allow"] == "GET"
    assert problem(api.get("/v1/trending/")).status == 404


def test_a_defect_is_a_problem_without_its_details(api: Api, seed: Seed) -> None:
    async def broken(*_: Any) -> None:
        raise ValueError("secret")

    store: Any = api.services.store
    store.item = broken
    answer = api.get("/v1/items/car")
    assert problem(answer).status == 500
    assert "secret" not in answer.text
    assert api.get("/livez").status_code == 200


def test_the_admin_api_looks_at_the_key_first(api: Api) -> None:
    for path in ("/v1/admin/status", "/v1/admin/nothing", "/v1/admin"):
        missing = api.get(path)
        assert problem(missing).status == 401
        assert "www-authenticate" in missing.headers
        assert problem(api.get(path, headers={"X-API-Key": "other"})).status == 403
    odd = [(b"X-API-Key", "é".encode())]
    wrong = api.client.post("/v1/admin/status", content=b"{", headers=odd)
    assert problem(wrong).status == 403
    assert api.get("/v1/%61dmin/status").status_code == 404
    assert api.get("/v1/admin/nothing", headers={"X-API-Key": ADMIN_KEY}).status_code == 404


def test_the_status(api: Api, seed: Seed, connection: Connection) -> None:
    old, new, catalog = (
        open_log(connection, TopicIdentity("cluster", topic, name))
        for topic, name in [
            ("user-interactions", "a"),
            ("user-interactions", "b"),
            ("product-updates", "c"),
        ]
    )
    seed.position("interactions", old, 0, 10)
    seed.position("interactions", new, 0, 20, end=25)
    seed.position("interactions", new, 1, 5, end=5)
    seed.position("catalog", catalog, 0, 7, end=9)
    seed.position("trends/00", old, 0, 4)
    seed.position("trends/07", new, 1, 3)
    seed.position("neighbours/00", old, 0, 9)  # what either lacks is lag
    seed.user("ada", seed.items(3)[:1])
    connection.execute("insert into setting values ('x', '1', 12)")
    answer = api.get("/v1/admin/status", headers={"X-API-Key": ADMIN_KEY})
    body = msgspec.json.decode(answer.content, type=Status)
    assert json.loads(answer.content)["flows"] == {
        "interactions": {
            "partitions": {
                "0": {"next_offset": 20, "end_offset": 25, "lag": 5},
                "1": {"next_offset": 5, "end_offset": 5, "lag": 0},
            },
            "lag": 5,
        },
        "trends": {"lag": 35 - 7},
        "catalog": {"partitions": {"0": {"next_offset": 7, "end_offset": 9, "lag": 2}}, "lag": 2},
    }
    assert (body.items, body.users, body.pending, body.dead_letters) == (3, 1, 0, 0)
    assert body.settings_version == 12


def test_readiness_names_every_dependency(api: Api) -> None:
    body = msgspec.json.decode(api.get("/readyz").content, type=Health)
    assert body == Health("ok", {"postgres": "ok", "kafka": "ok", "redis": "ok"})


def test_openapi_describes_every_route(api: Api) -> None:
    document = api.get("/openapi.json").json()
    assert {
        "/v1/users/{user_id}/recommendations",
        "/v1/users/{user_id}/profile",
        "/recommend/{user_id}",
        "/v1/items/{item_id}",
        "/v1/items/{item_id}/similar",
        "/v1/trending",
        "/v1/events",
        "/v1/admin/status",
        "/livez",
        "/readyz",
        "/metrics",
    } <= set(document["paths"])
    schemas = document["components"]["schemas"]
    assert "request_id" in schemas["Recommendations"]["properties"]
    references = set(_references(document))
    assert references <= {f"#/components/schemas/{name}" for name in schemas}
    assert api.get("/docs").status_code == 200


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for part in node for found in _references(part)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if "$ref" in node else []
    return own + [found for part in node.values() for found in _references(part)]


def environ(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "VANE_DATABASE_URL": settings.database_url,
        "VANE_REDIS_URL": settings.redis_url,
        "VANE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
    }


def test_sigterm_lets_requests_finish_and_ends_streams(api_settings: Settings) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "vane", "api", "--port", str(port)],
        env=environ(api_settings) | {"VANE_SHUTDOWN_GRACE_MS": "1000"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == f"serving on http://127.0.0.1:{port}\n"
    answers: list[httpx.Response] = []
    base = f"http://127.0.0.1:{port}"
    slow = f"{base}/v1/users/ada/recommendations?after=MS4wLTk&wait_ms=2500"
    assert httpx.get(f"{base}/readyz").status_code == 200
    thread = threading.Thread(target=lambda: answers.append(httpx.get(slow)))
    thread.start()
    with httpx.stream("GET", f"{base}/v1/users/ada/recommendations/stream") as stream:
        time.sleep(0.4)
        assert answers == []
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        time.sleep(0.3)
        assert httpx.get(f"{base}/readyz").json()["dependencies"]["process"] == "ends soon"
        assert httpx.get(f"{base}/recommend/ada").status_code == 200, "the listener is still there"
        assert stream.read().endswith(b"event: close\ndata: {}\n\n")
        assert 0.9 < time.monotonic() - began < 2, "streams end with the grace"
    thread.join(10)
    assert process.wait(15) == 0
    assert (answers[0].status_code, answers[0].headers["vane-applied"]) == (200, "false")
    told = [line[:14] for line in process.stderr.read().splitlines()]
    assert told == ["access is open", "VANE_ADMIN_KEY"]
    process.stdout.close()
    process.stderr.close()


def test_a_port_in_use_is_wrong_use(api_settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "vane", "api", "--port", str(port)],
            env=environ(api_settings),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"vane: port {port}: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["recommend", "ada"], 1, "vane: PostgreSQL: connection"),
        (["recommend", "ada", "--limit", "0"], 2, "vane: Invalid value for '--limit'"),
        (["similar", "x" * 129], 2, "vane: item: expected 1 to 128 characters, got 129"),
    ],
)
def test_a_command_that_cannot_answer_says_why_in_a_line(
    api_settings: Settings, words: list[str], status: int, line: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vane", *words],
        env=environ(api_settings) | {"VANE_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (status, 1)
    assert done.stderr.startswith(line)


def test_the_commands_answer_as_the_api_does(api: Api, api_settings: Settings, seed: Seed) -> None:
    cars = seed.items(5, title="[bold]Skoda[/] Octavia")
    seed.items(20, "films", seed=2)
    seed.user("ada", cars[:2])

    def vane(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "vane", *words],
            env=environ(api_settings) | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def same(words: list[str], path: str, **headers: str) -> None:
        assert json.loads(vane(*words, "--json")) == api.get(path, headers=headers).json()

    same(["recommend", "ada", "--explain"], "/v1/users/ada/recommendations?explain=true")
    same(["profile", "ada"], "/v1/users/ada/profile")
    same(["similar", cars[0]], f"/v1/items/{cars[0]}/similar")
    same(["status"], "/v1/admin/status", **{"X-API-Key": ADMIN_KEY})
    table = vane("recommend", "ada")
    assert "Because you viewed [bold]Skoda[/] Octavia" in table
    assert "personal" in table
    assert "tag-cars-1" in vane("profile", "ada")
    assert "Similar to" in vane("similar", cars[0])
    assert "settings version" in vane("status")

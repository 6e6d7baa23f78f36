"""The API keeps to its own OpenAPI document, whatever is sent to it."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from api.access import RULES
from api.answers import DOCUMENTED
from api.examples import EXAMPLES
from tests.api.conftest import ADMIN_KEY, Api
from tests.api.seed import Seed
from tests.support import unit_vectors

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
TOO_STRICT = "positive_data_acceptance"
"""A document cannot say that a time is after 2000, or that no user is merged into itself."""


def test_schemathesis_finds_nothing(api: Api, seed: Seed) -> None:
    for number in range(5):
        seed.item(f"i{number}")
    command: list[str | Path] = [SCHEMATHESIS, "run", f"{api.client.base_url}/openapi.json"]
    command += ["--seed", "1"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--no-color"]
    command += ["--exclude-checks", TOO_STRICT, "--continue-on-failure"]
    command += ["--suppress-health-check", "all", "--request-timeout", "20"]
    command += ["--exclude-path-regex", "/stream$", "-H", f"X-API-Key: {ADMIN_KEY}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
    assert re.search(r"(\d{3,}) generated, \1 passed", done.stdout), done.stdout


def test_every_route_is_documented_with_words_and_problems(api: Api) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    named = {rule.replace(":path}", "}") for rule in RULES if "/v1/" in rule}
    assert {name for name in operations if "/v1/" in name} == named
    for name, operation in operations.items():
        assert operation.get("description"), name
        if name.startswith(("POST /v1", "PUT /v1", "GET /v1/users", "GET /v1/admin")):
            assert "422" in operation["responses"] or "401" in operation["responses"], name


def test_every_body_has_an_example() -> None:
    documented = {kind.__name__: kind for kind in DOCUMENTED}
    assert EXAMPLES.keys() == documented.keys()
    for name, example in EXAMPLES.items():
        assert msgspec.convert(example, documented[name]) is not None


@pytest.mark.parametrize("method", ["OPTIONS", "PATCH"])
def test_a_method_that_is_not_allowed_names_all_that_are(api: Api, method: str) -> None:
    key = {"X-API-Key": ADMIN_KEY}
    reply = api.client.request(method, "/v1/admin/settings", headers=key)
    assert reply.status_code == 405
    assert {"GET", "PUT"} <= set(reply.headers["allow"].split(", "))


def test_the_way_to_erase_is_not_the_way_below(api: Api, seed: Seed) -> None:
    seed.item("i", unit_vectors(1)[0])
    seed.user("a/profile", ["i"])
    key = {"X-API-Key": ADMIN_KEY}
    assert api.client.delete("/v1/users/a/profile", headers=key).status_code == 405
    assert api.get("/v1/users/a%2Fprofile/profile").json()["events"] > 0

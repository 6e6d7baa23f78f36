import json
from typing import Any

import httpx
import pytest

from tests.api.conftest import Api
from vane.store.accounts import DEMO_ACCOUNTS, create_demo_accounts
from vane.store.connection import Connection


def post(api: Api, path: str, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api.client.post(path, content=content)


def test_a_demo_account_logs_in_by_email_in_any_case(api: Api, connection: Connection) -> None:
    create_demo_accounts(connection)
    create_demo_accounts(connection)
    assert DEMO_ACCOUNTS[0].email == "john1@example.com"
    for account in DEMO_ACCOUNTS:
        for email in (account.email, account.email.upper(), f" {account.email} "):
            answer = post(api, "/v1/sessions", {"email": email})
            assert (answer.status_code, answer.json()["user_id"]) == (200, account.user_id)


@pytest.mark.parametrize("body", [{}, {"email": None}, b""])
def test_an_anonymous_visitor_gets_an_id_of_its_own(api: Api, body: Any) -> None:
    found = {post(api, "/v1/sessions", body).json()["user_id"] for _ in range(20)}
    assert len(found) == 20
    assert all(user.startswith("anon-") and len(user) >= 26 for user in found)
    assert api.get(f"/v1/users/{found.pop()}/recommendations").status_code == 200


def test_an_account_that_does_not_exist_is_a_404_that_says_what_to_do(api: Api) -> None:
    answer = post(api, "/v1/sessions", {"email": "nobody@example.com"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    detail = answer.json()["detail"]
    assert detail == "no account for nobody@example.com; create one with POST /v1/accounts"


def test_an_account_is_created_once(api: Api) -> None:
    answer = post(api, "/v1/accounts", {"email": " New@Example.com", "name": " Ñew "})
    assert answer.status_code == 201
    account = answer.json()
    assert (account["email"], account["name"]) == ("New@Example.com", "Ñew")
    assert account["user_id"].startswith("user-")
    session = post(api, "/v1/sessions", {"email": "new@example.com"})
    assert session.json()["user_id"] == account["user_id"]
    again = post(api, "/v1/accounts", {"email": "new@example.com"})
    assert (again.status_code, again.json()["field"]) == (409, "email")


def test_an_account_of_another_system_logs_in(api: Api, connection: Connection) -> None:
    connection.execute("insert into account (user_id, email) values ('u/7', 'Eve@Example.com')")
    assert post(api, "/v1/sessions", {"email": "eve@example.com"}).json()["user_id"] == "u/7"


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/accounts"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "john"}, "email"),
        ({"email": "a b@c.d"}, "email"),
        ({"email": "a@b@c"}, "email"),
        ({"email": "a\0@b.c"}, "email"),
        ({"email": "a@b\u202e.c"}, "email"),
        ({"email": ""}, "email"),
        ({"email": 7}, "email"),
        ({"email": "x" * 250 + "@b.cd"}, "email"),
        (b'{"email": "\\udc00@b.c"}', "$"),
        ([], "$"),
        (b"{", "$"),
        (b"\xff", "$"),
        (b'{"a":' * 3_000, "$"),
    ],
)
def test_a_wrong_body_is_a_problem_that_names_the_field(
    api: Api, path: str, body: Any, field: str
) -> None:
    answer = post(api, path, body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_more_wrong_bodies(api: Api) -> None:
    assert post(api, "/v1/accounts", {"email": "a@b.c", "name": "a\nb"}).json()["field"] == "name"
    assert post(api, "/v1/accounts", {"email": "a@b.c", "name": "x" * 201}).status_code == 422
    assert post(api, "/v1/accounts", {}).json()["field"] == "email"
    assert post(api, "/v1/sessions", b" " * 20_000).status_code == 413
    assert api.get("/v1/sessions").status_code == 405

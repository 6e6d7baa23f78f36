"""Routes that tell a front end who its visitor is: accounts by email, or anonymous ones.

There are no passwords. Where access is open this is a login for demos; where it needs keys, a back
end logs people in by its own means and asks for their tokens, or makes them itself.
"""

import re
import secrets
import time
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from api.access import Rule, admit
from api.answers import JSON, SCHEMA_REF, documented
from api.body import read_object
from api.problems import problem, problem_response
from api.services import services_of
from schemas.requests import AccountRequest, SessionRequest
from schemas.responses import Account, FieldError, Session
from vane.errors import InvalidRequest, NotFound
from vane.store.accounts import create_account, find_account

router = APIRouter(tags=["sessions"])

ID_BYTES = 16
"""Random bytes in a new user id: nobody guesses one."""
ANONYMOUS = "anon-"
REGISTERED = "user-"

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


def _body(name: str) -> dict[str, Any]:
    schema = {"$ref": SCHEMA_REF.format(name=name)}
    return {"requestBody": {"content": {JSON: {"schema": schema}}}}


@router.post(
    "/v1/sessions",
    responses=documented(Session, 401, 403, 404, 413, 422, 503),
    openapi_extra=_body("SessionRequest"),
)
async def post_session(request: Request) -> Response:
    """A session for the account with an email address, or for a new anonymous visitor.

    There is no password: where access is open, whoever knows the address is let in; elsewhere it
    takes an API key with scope ingest.
    """
    wanted = await read_object(request, SessionRequest)
    services = services_of(request)
    if wanted.email is None:
        user_id = ANONYMOUS + secrets.token_urlsafe(ID_BYTES)
    else:
        await admit(request, Rule("ingest"))
        email = _checked_email(wanted.email)
        account = await find_account(services.store, email)
        if account is None:
            raise NotFound(f"no account for {email}; create one with POST /v1/accounts")
        user_id = account.user_id
    session = Session(user_id, services.callers.tokens.session(user_id, time.time()))
    return Response(msgspec.json.encode(session), media_type=JSON)


@router.post(
    "/v1/accounts",
    status_code=201,
    responses=documented(Account, 401, 403, 409, 413, 422, 503, status=201),
    openapi_extra=_body("AccountRequest"),
)
async def post_account(request: Request) -> Response:
    """Create an account; 409 where the email address has one."""
    wanted = await read_object(request, AccountRequest)
    email, name = _checked_email(wanted.email), wanted.name.strip()
    if name and not name.isprintable():
        raise InvalidRequest("name", "has a character that cannot be shown")
    account = Account(REGISTERED + secrets.token_urlsafe(ID_BYTES), email, name)
    if not await create_account(services_of(request).store, account):
        reason = f"{email} has an account; log in with POST /v1/sessions"
        return problem_response(problem(409, reason, FieldError("email", reason)))
    return Response(msgspec.json.encode(account), 201, media_type=JSON)


def _checked_email(text: str) -> str:
    email = text.strip()
    if not email.isprintable() or not _ADDRESS.fullmatch(email):
        raise InvalidRequest("email", "expected an address such as john1@example.com")
    return email

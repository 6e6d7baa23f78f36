"""Routes that tell a front end who its visitor is: accounts by email, or anonymous ones.

There are no passwords, so this is a login for demos: a shop passes its own user ids.
"""

import base64
import hashlib
import hmac
import logging
import re
import secrets
import time
from functools import cache
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

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
_log = logging.getLogger(__name__)


def _body(name: str) -> dict[str, Any]:
    schema = {"$ref": SCHEMA_REF.format(name=name)}
    return {"requestBody": {"content": {JSON: {"schema": schema}}}}


@router.post(
    "/v1/sessions",
    responses=documented(Session, 404, 413, 422, 503),
    openapi_extra=_body("SessionRequest"),
)
async def post_session(request: Request) -> Response:
    """A session for the account with an email address, or for a new anonymous visitor.

    There is no password: whoever knows the address is let in. For demos; a shop passes its own ids.
    """
    wanted = await read_object(request, SessionRequest)
    services = services_of(request)
    if wanted.email is None:
        user_id = ANONYMOUS + secrets.token_urlsafe(ID_BYTES)
    else:
        email = _checked_email(wanted.email)
        account = await find_account(services.store, email)
        if account is None:
            raise NotFound(f"no account for {email}; create one with POST /v1/accounts")
        user_id = account.user_id
    session = Session(user_id, session_token(services.settings.admin_key, user_id, time.time()))
    return Response(msgspec.json.encode(session), media_type=JSON)


@router.post(
    "/v1/accounts",
    status_code=201,
    responses=documented(Account, 409, 413, 422, 503, status=201),
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


def session_token(secret: str, user_id: str, issued_s: float) -> str:
    """User id and time of issue (seconds since 1970), signed by HMAC-SHA256; URL-safe.

    Args:
        secret: the admin key, from which the signing key is derived; empty: one of this process.
        user_id: of the visitor.
        issued_s: now.
    """
    payload = _text(msgspec.json.encode({"user_id": user_id, "issued": int(issued_s)}))
    signature = hmac.digest(_signing_key(secret), payload.encode(), hashlib.sha256)
    return f"{payload}.{_text(signature)}"


@cache
def _signing_key(secret: str) -> bytes:
    if not secret:
        _log.warning("VANE_ADMIN_KEY is not set: session tokens are signed by this process alone")
        return secrets.token_bytes(32)
    return hmac.digest(secret.encode(), b"vane session", hashlib.sha256)


def _checked_email(text: str) -> str:
    email = text.strip()
    if not email.isprintable() or not _ADDRESS.fullmatch(email):
        raise InvalidRequest("email", "expected an address such as john1@example.com")
    return email


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

"""The bodies of HTTP requests that are no events, as msgspec types."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events import NO_CONTROL, Id

_ADDRESS = {"pattern": "^[^@\\s]+@[^@\\s]+$"}

KEY_DAYS_MAX = 3_650
GRACE_MINUTES, GRACE_MINUTES_MAX = 60, 30 * 1_440

KeyScope = Literal["read", "ingest", "admin"]
"""What a key of the API may do; `admin` is all."""
Email = Annotated[str, Meta(max_length=254, extra_json_schema=_ADDRESS)]


class SessionRequest(Struct, frozen=True):
    """`POST /v1/sessions`; without an email the visitor stays anonymous."""

    email: Email | None = None


class AccountRequest(Struct, frozen=True):
    """`POST /v1/accounts`."""

    email: Email
    name: Annotated[str, Meta(max_length=200, extra_json_schema=NO_CONTROL)] = ""


class MergeRequest(Struct, frozen=True):
    """`POST /v1/users/{user_id}/merge`: the user id under which the user was seen until now."""

    visitor: Id
    visitor_token: str | None = None
    """Shows that the visitor is who asks; needed where access is by keys."""


class KeyRequest(Struct, frozen=True):
    """`POST /v1/admin/keys`."""

    name: Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema=NO_CONTROL)]
    scopes: Annotated[list[KeyScope], Meta(min_length=1, max_length=3)]
    expires_in_days: Annotated[int, Meta(ge=1, le=KEY_DAYS_MAX)] | None = None


class RotationRequest(Struct, frozen=True):
    """`POST /v1/admin/keys/{key_id}/rotate`: the old key is accepted so long beside the new one."""

    grace_minutes: Annotated[int, Meta(ge=0, le=GRACE_MINUTES_MAX)] = GRACE_MINUTES

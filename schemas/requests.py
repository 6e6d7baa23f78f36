"""The bodies of HTTP requests that are no events, as msgspec types."""

from typing import Annotated

from msgspec import Meta, Struct

from schemas.events import NO_CONTROL, Id

_ADDRESS = {"pattern": "^[^@\\s]+@[^@\\s]+$"}

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

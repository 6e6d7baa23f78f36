"""The bodies of HTTP requests that are no events, as msgspec types."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events import NO_CONTROL, EventId, Id, Timestamp

_ADDRESS = {"pattern": "^[^@\\s]+@[^@\\s]+$"}

LABEL_CHARS_MAX = 256
VALUES_MAX = 20
"""Kinds, categories or tags of a filter."""
EXCLUDED_MAX = 100
BOOSTS_MAX = 10
BASKET_ITEMS_MAX = 100
SEEN_ITEMS_MAX = 50

Label = Annotated[str, Meta(min_length=1, max_length=LABEL_CHARS_MAX, extra_json_schema=NO_CONTROL)]
Labels = Annotated[list[Label], Meta(max_length=VALUES_MAX)]
Price = Annotated[float, Meta(ge=0)]

KEY_NAME_MAX = 200
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

    name: Annotated[str, Meta(min_length=1, max_length=KEY_NAME_MAX, extra_json_schema=NO_CONTROL)]
    scopes: Annotated[list[KeyScope], Meta(min_length=1, max_length=3)]
    expires_in_days: Annotated[int, Meta(ge=1, le=KEY_DAYS_MAX)] | None = None


class RotationRequest(Struct, frozen=True):
    """`POST /v1/admin/keys/{key_id}/rotate`: the old key is accepted so long beside the new one."""

    grace_minutes: Annotated[int, Meta(ge=0, le=GRACE_MINUTES_MAX)] = GRACE_MINUTES


class Boost(Struct, frozen=True):
    """Items with this value are preferred by a factor, or with one below 1 avoided."""

    field: Literal["kind", "category", "tag"]
    value: Label
    factor: Annotated[float, Meta(ge=0.1, le=10)]


class BasketItem(Struct, frozen=True):
    """An item in a basket or session, and what was done with it."""

    item_id: Id
    action: Annotated[str, Meta(min_length=1, max_length=64)] = "cart"
    weight: Annotated[float, Meta(ge=-100, le=100)] | None = None
    """Instead of the action's."""
    ts: Timestamp | None = None
    """Now, where absent."""


class BasketRequest(Struct, frozen=True, kw_only=True):
    """`POST /v1/recommendations`: a basket or session, and what is asked for; empty parts mean any.

    `user_id` names the user, where one is known.
    """

    items: Annotated[list[Id | BasketItem], Meta(max_length=BASKET_ITEMS_MAX)] = []
    user_id: Id | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    kind: Labels = []
    category: Labels = []
    tags: Labels = []
    """At least one of them."""
    price_min: Price | None = None
    price_max: Price | None = None
    exclude: Annotated[list[Id], Meta(max_length=EXCLUDED_MAX)] = []
    boosts: Annotated[list[Boost], Meta(max_length=BOOSTS_MAX)] = []
    exclude_seen: bool = True
    explain: bool = False


class SeenItem(Struct, frozen=True):
    """An item that was on a user's screen: its place in the list, from 0, and its score there."""

    item_id: Id
    position: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    score: float = 0.0


class SeenList(Struct, frozen=True):
    """`POST /v1/impressions`: what a user saw of a list."""

    user_id: Id
    request_id: EventId
    items: Annotated[list[SeenItem], Meta(min_length=1, max_length=SEEN_ITEMS_MAX)]
    ts: Timestamp | None = None
    """Now, where absent."""

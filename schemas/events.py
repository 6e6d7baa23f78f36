"""The messages on Kafka and Redis, as msgspec types: the one source of `schemas/json/`.

Unknown fields are ignored everywhere, so that a producer may add its own.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

ID_LENGTH_MAX = 128
"""Characters in a `user_id` or `item_id`."""

NO_CONTROL = {"pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"}

Id = Annotated[str, Meta(min_length=1, max_length=ID_LENGTH_MAX, extra_json_schema=NO_CONTROL)]
EventId = Annotated[str, Meta(min_length=1, max_length=256, extra_json_schema=NO_CONTROL)]
OptionalId = Annotated[str, Meta(max_length=256, extra_json_schema=NO_CONTROL)] | None
Timestamp = Annotated[datetime, Meta(tz=True)] | int | float
"""RFC 3339 with an offset, or a number: milliseconds since 1970 (below 10^11: seconds)."""


class InteractionEvent(Struct, gc=False, frozen=True):
    """`user-interactions`: one thing that a user did with an item. Key: `user_id`."""

    event_id: EventId
    user_id: Id
    item_id: Id
    action: Annotated[str, Meta(min_length=1, max_length=64)]
    ts: Timestamp
    value: float | None = None
    session_id: OptionalId = None
    request_id: OptionalId = None
    position: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None


class CloudEvent(Struct, gc=False, frozen=True):
    """CloudEvents 1.0 in structured mode around an `InteractionEvent`."""

    specversion: Literal["1.0"]
    data: InteractionEvent


class Retry(Struct, gc=False, frozen=True):
    """A dead letter of `user-interactions` once more, as `vane dead-letters retry` produces it."""

    specversion: Literal["1.0"]
    vaneretry: Annotated[str, Meta(pattern=r"^[0-9]+/[0-9]+/[0-9]+$")]
    """The letter: log id, partition, offset."""
    data_base64: bytes


class Marker(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    """A place in `user-interactions` that `vane erase` has noted; it carries nothing."""

    specversion: Literal["1.0"]
    vanemarker: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]


class ItemStats(Struct, gc=False, frozen=True, omit_defaults=True):
    """How an item fares elsewhere, as its owner counts it."""

    plays: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    likes: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    comments: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    shares: Annotated[int, Meta(ge=0, le=2**53)] | None = None


class ProductUpdate(Struct, gc=False, frozen=True, omit_defaults=True):
    """`product-updates` (compacted): what is known of an item now. Key: `item_id`.

    `upsert` replaces the item, `patch` changes the fields it names, `delete` (or a null value)
    removes it.
    """

    item_id: Id
    op: Literal["upsert", "patch", "delete"] = "upsert"
    title: Annotated[str, Meta(max_length=1_000)] | msgspec.UnsetType | None = msgspec.UNSET
    description: Annotated[str, Meta(max_length=100_000)] | msgspec.UnsetType | None = msgspec.UNSET
    kind: Annotated[str, Meta(max_length=128)] | msgspec.UnsetType | None = msgspec.UNSET
    category: Annotated[str, Meta(max_length=256)] | msgspec.UnsetType | None = msgspec.UNSET
    tags: (
        Annotated[list[Annotated[str, Meta(max_length=256)]], Meta(max_length=100)]
        | msgspec.UnsetType
        | None
    ) = msgspec.UNSET
    price: Annotated[float, Meta(ge=0)] | msgspec.UnsetType | None = msgspec.UNSET
    currency: Annotated[str, Meta(max_length=16)] | msgspec.UnsetType | None = msgspec.UNSET
    url: Annotated[str, Meta(max_length=2_048)] | msgspec.UnsetType | None = msgspec.UNSET
    image_url: Annotated[str, Meta(max_length=2_048)] | msgspec.UnsetType | None = msgspec.UNSET
    author: Annotated[str, Meta(max_length=256)] | msgspec.UnsetType | None = msgspec.UNSET
    published_at: Timestamp | msgspec.UnsetType | None = msgspec.UNSET
    available: bool | msgspec.UnsetType = msgspec.UNSET
    attributes: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    stats: ItemStats | msgspec.UnsetType | None = msgspec.UNSET
    embeds: Annotated[list[Id], Meta(max_length=100)] | msgspec.UnsetType | None = msgspec.UNSET


class ProductUpdateCloudEvent(Struct, gc=False, frozen=True):
    """CloudEvents 1.0 in structured mode around a `ProductUpdate`."""

    specversion: Literal["1.0"]
    data: ProductUpdate


class AdminCommand(Struct, gc=False, frozen=True):
    """`admin-commands`: an order to the running system. Key: `command`."""

    command_id: EventId
    command: Literal["set_settings", "retrain", "tune", "rebuild"]
    ts: Timestamp
    args: dict[str, Any] = {}


class LoggedItem(Struct, gc=False, frozen=True):
    """One place of a list that was served or seen."""

    item_id: Id
    position: Annotated[int, Meta(ge=0)]
    score: float
    sources: list[str]
    propensity: Annotated[float, Meta(gt=0, le=1)]


class RecommendationLog(Struct, gc=False, frozen=True, omit_defaults=True):
    """`recommendation-log`: a list as it was served, or as the user saw it. Key: `user_id`."""

    request_id: EventId
    user_id: Id
    kind: Literal["served", "seen"]
    items: list[LoggedItem]
    ts: Timestamp
    variant: str | None = None


class PreferenceHint(Struct, gc=False, frozen=True, omit_defaults=True):
    """Redis `vane:preferences`, after each commit: who changed, to which version."""

    changes: list[tuple[str, int]]
    log: int
    partition: int
    next_offset: int
    ts: float
    erased: bool = False
    """Whether these users were erased: nothing of them may be kept, not even for hard times."""
    traces: list[tuple[str, str]] = []
    """User and `traceparent` of events among them whose way is traced; absent where none is."""


class CatalogHint(Struct, gc=False, frozen=True):
    """Redis `vane:catalog`, after each commit: which items changed or went."""

    items: list[str]
    ts: float


class TrendsHint(Struct, gc=False, frozen=True):
    """Redis `vane:trends`, after each flush that changed something."""

    items: int
    ts: float


class SettingsHint(Struct, gc=False, frozen=True):
    """Redis `vane:settings`, after a change of settings, of the model that ranks or of API keys."""

    changed: Literal["settings", "model", "keys"]
    ts: float

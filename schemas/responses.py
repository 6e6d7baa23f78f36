"""The bodies of all HTTP answers, as msgspec types: OpenAPI and `schemas/json/` follow them."""

from datetime import datetime
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from schemas.requests import KeyScope


class Reason(Struct, gc=False, frozen=True, omit_defaults=True):
    """Why an item is in a list; `item_id` names the item that caused it."""

    code: Literal[
        "because",
        "together",
        "popular",
        "new",
        "explore",
        "similar",
        "match",
        "corrected",
        "meaning",
        "alike",
    ]
    text: str
    item_id: str | None = None


class ListedItem(Struct, frozen=True):
    """An item in a list."""

    item_id: str
    score: float
    title: str
    kind: str
    category: str | None
    tags: list[str]
    price: float | None
    currency: str | None
    image_url: str | None
    url: str | None
    reason: Reason
    components: dict[str, float] | UnsetType = UNSET
    """With `explain=true`: what each feature added to the score."""


class Recommendations(Struct, frozen=True):
    """`GET /v1/users/{user_id}/recommendations`."""

    user_id: str
    request_id: str
    """Names the list: copies of it share the id."""
    version: int
    """Of the user's state; 0 for an unknown user."""
    strategy: Literal["personal", "trending"]
    items: list[ListedItem]


class ItemList(Struct, frozen=True):
    """`GET /v1/items/{item_id}/similar` and `GET /v1/trending`."""

    items: list[ListedItem]


class Item(Struct, frozen=True):
    """`GET /v1/items/{item_id}`: all that is known of an item."""

    item_id: str
    version: int
    kind: str
    title: str
    description: str
    category: str | None
    tags: list[str]
    price: float | None
    currency: str | None
    url: str | None
    image_url: str | None
    author: str | None
    published_at: datetime | None
    available: bool
    attributes: dict[str, Any] | None
    stats: dict[str, int] | None
    embeds: list[str]
    updated_at: datetime


class RecentItem(Struct, frozen=True):
    """An item that a user touched lately, with the last thing done."""

    item_id: str
    title: str
    action: str
    ts: datetime


class Interest(Struct, frozen=True):
    """A category or tag that a user clearly likes."""

    kind: Literal["category", "tag"]
    name: str
    affinity: float


class Profile(Struct, frozen=True):
    """`GET /v1/users/{user_id}/profile`; an unknown user has version 0 and nothing else."""

    user_id: str
    version: int
    as_of: datetime | None
    events: int
    categories: dict[str, float]
    """Affinities from 0 to 1, strongest first; 1 is the user's strongest."""
    tags: dict[str, float]
    recent_items: list[RecentItem]
    interests: list[Interest]


class RejectedEvent(Struct, frozen=True):
    """An event of a batch that was not accepted."""

    index: int
    field: str
    reason: str


class AcceptedEvents(Struct, frozen=True):
    """`POST /v1/events`: what the broker acknowledged; `token` names its place in the log."""

    accepted: int
    rejected: list[RejectedEvent]
    token: str


class AcceptedImpressions(Struct, frozen=True):
    """`POST /v1/impressions`: how many items the broker acknowledged."""

    accepted: int


class Session(Struct, frozen=True):
    """`POST /v1/sessions`: who the visitor is, and a signed token that says so."""

    user_id: str
    token: str


class Account(Struct, frozen=True):
    """`POST /v1/accounts`: an account."""

    user_id: str
    email: str
    name: str


class MergedUser(Struct, frozen=True):
    """`POST /v1/users/{user_id}/merge`: the user, and the version with the visitor's events."""

    user_id: str
    version: int


class ApiKey(Struct, frozen=True):
    """A key of the API, without its secret."""

    id: int
    name: str
    scopes: list[KeyScope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """To about a minute."""
    replaces: int | None
    """The key of which it is the rotation."""


class ApiKeys(Struct, frozen=True):
    """`GET /v1/admin/keys`: all that were ever made, oldest first."""

    keys: list[ApiKey]


class NewApiKey(Struct, frozen=True):
    """`POST /v1/admin/keys` and its rotation: the secret is shown here, once."""

    secret: str
    key: ApiKey


class ErasedUser(Struct, frozen=True):
    """`DELETE /v1/users/{user_id}`: what was deleted of the user."""

    user_id: str
    version: int
    """Of the empty state; versions never go back."""
    visitors: list[str]
    """Who had been merged into the user, and went as well."""
    events: int
    pending: int
    dead_letters: int
    """Messages that could not be applied and named the user; their contents."""
    accounts: int


class UserExport(Struct, frozen=True):
    """`GET /v1/users/{user_id}/export`: everything that is stored of a user."""

    user_id: str
    exported_at: datetime
    profile: Profile
    state: dict[str, Any] | None
    """The preference vectors, the decayed weights behind them, version and number of events."""
    account: dict[str, Any] | None
    visitors: list[str]
    """Who was merged into the user."""
    events: list[dict[str, Any]]
    pending: list[dict[str, Any]]
    """Those of the events whose item is not known yet."""
    dead_letters: list[dict[str, Any]]
    """Messages that could not be applied and name the user."""


class SettingValue(Struct, frozen=True):
    """A setting that can be changed while everything runs, half-lives through a rebuild."""

    name: str
    value: Any
    default: Any
    meaning: str
    allowed: str


class TuningSettings(Struct, frozen=True):
    """`GET` and `PUT /v1/admin/settings`; the version is the `ETag`, too."""

    version: int
    settings: list[SettingValue]


class SettingsVersion(Struct, frozen=True):
    """What the settings were at a version, and who made it."""

    version: int
    value: dict[str, Any]
    changed_by: str
    changed_at: datetime


class SettingsHistory(Struct, frozen=True):
    """`GET /v1/admin/settings/history`: newest first."""

    versions: list[SettingsVersion]


class CommandStatus(Struct, frozen=True):
    """`GET /v1/admin/commands/{command_id}`: what became of a command of `admin-commands`."""

    command_id: str
    command: str
    args: dict[str, Any]
    state: Literal["sent", "queued", "running", "done", "failed"]
    """`sent` until flow commands has read it."""
    asked_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: dict[str, Any] | None = None
    """As the command line's `--json` tells it."""
    error: str | None = None


class Commands(Struct, frozen=True):
    """`GET /v1/admin/commands`: newest first."""

    commands: list[CommandStatus]


class PartitionStatus(Struct, frozen=True):
    """Where a flow stands in a partition."""

    next_offset: int
    end_offset: int
    lag: int


class LogFlowStatus(Struct, frozen=True):
    """A flow that reads a Kafka topic."""

    partitions: dict[str, PartitionStatus]
    lag: int


class TrendsStatus(Struct, frozen=True):
    """`lag`: committed rows of the interaction log that the last flush does not hold."""

    lag: int


class FlowsStatus(Struct, frozen=True):
    """Every flow."""

    interactions: LogFlowStatus
    trends: TrendsStatus
    catalog: LogFlowStatus


class Status(Struct, frozen=True):
    """`GET /v1/admin/status` and `vane status --json`."""

    flows: FlowsStatus
    pending: int
    dead_letters: int
    items: int
    users: int
    settings_version: int


class Health(Struct, frozen=True):
    """`GET /livez` and `GET /readyz`: "ok", or what is wrong, for each dependency."""

    status: Literal["ok", "unavailable"]
    dependencies: dict[str, str]


class FieldError(Struct, frozen=True):
    """A part of a request that is wrong."""

    field: str
    reason: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """Problem details (RFC 9457) of every error."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    field: str | None = None
    """The first of `errors`."""
    errors: list[FieldError] = []
    accepted: int | None = None
    rejected: list[RejectedEvent] = []

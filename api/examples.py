"""An example of every body, for OpenAPI: made by the types, so that each is a valid one."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas import discovery, events, requests, responses

_NOW = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)
_SHOE = responses.ListedItem(
    item_id="shoe-7",
    score=3.41,
    title="Trail shoe",
    kind="product",
    category="Running",
    tags=["trail", "waterproof"],
    price=89.9,
    currency="EUR",
    image_url="https://shop.example/shoe-7.jpg",
    url="https://shop.example/shoe-7",
    reason=responses.Reason("because", "Because you liked Running vest", "vest-2"),
)
_LIST_ID = "5f0d1c7be0a84b6c9a1e3c5d7f901234"
_PROFILE = responses.Profile(
    user_id="ada",
    version=42,
    as_of=_NOW,
    events=118,
    categories={"Running": 1.0, "Hiking": 0.4},
    tags={"trail": 0.9},
    recent_items=[responses.RecentItem("vest-2", "Running vest", "like", _NOW)],
    interests=[responses.Interest("category", "Running", 1.0)],
)
_KEY = responses.ApiKey(3, "shop", ["read", "ingest"], _NOW, None, None, _NOW, None)
_COMMAND = responses.CommandStatus("c-81", "tune", {}, "running", _NOW, _NOW)
_ITEM = responses.Item(
    item_id="shoe-7",
    version=2,
    kind="product",
    title="Trail shoe",
    description="For mud and roots.",
    category="Running",
    tags=["trail", "waterproof"],
    price=89.9,
    currency="EUR",
    url="https://shop.example/shoe-7",
    image_url="https://shop.example/shoe-7.jpg",
    author=None,
    published_at=_NOW,
    available=True,
    attributes={"colour": "blue"},
    stats={"likes": 310},
    embeds=[],
    updated_at=_NOW,
)
_FLOW = responses.LogFlowStatus({"0": responses.PartitionStatus(1_200, 1_210, 10)}, 10)

_BODIES: tuple[msgspec.Struct, ...] = (
    responses.Recommendations("ada", _LIST_ID, 42, "personal", [_SHOE]),
    discovery.BasketRecommendations("ada", _LIST_ID, 42, "personal", [_SHOE], ["shoe-0"]),
    discovery.Feed("ada", _LIST_ID, 42, "personal", [], "eyJsaXN0Ijoi…"),
    discovery.AlikeItems("ada", 12, [_SHOE]),
    discovery.Suggestions([discovery.Suggestion("Trail shoe", "title", "shoe-7")], None),
    discovery.SearchResults([_SHOE], "trail", "hybrid"),
    responses.ItemList([_SHOE]),
    _ITEM,
    _PROFILE,
    responses.AcceptedEvents(1, [], "eyIxIjp7IjAiOjEyfX0"),
    responses.AcceptedImpressions(10),
    responses.Session("anon-Zk3vQ9", "eyJhbGciOiJIUzI1NiJ9.…"),
    responses.Account("user-8Tq1", "ada@example.com", "Ada"),
    responses.MergedUser("ada", 43),
    _KEY,
    responses.ApiKeys([_KEY]),
    responses.NewApiKey("vane_hB2-eJu3lZXUKq2YTchm0ca4", _KEY),
    responses.TuningSettings(
        7, [responses.SettingValue("diversity.strength", 0.05, 0.05, "…", "from 0 to 1")]
    ),
    responses.SettingsHistory([responses.SettingsVersion(7, {}, "api", _NOW)]),
    _COMMAND,
    responses.Commands([_COMMAND]),
    responses.ErasedUser("ada", 44, ["anon-Zk3vQ9"], 118, 0, 0, 1),
    responses.UserExport("ada", _NOW, _PROFILE, None, None, [], [], [], []),
    responses.Status(
        responses.FlowsStatus(_FLOW, responses.TrendsStatus(0), _FLOW), 0, 2, 1_906, 310, 7
    ),
    responses.Health("ok", {"postgres": "ok", "kafka": "ok", "redis": "ok"}),
    responses.Problem(
        "Unprocessable Entity",
        422,
        "limit: expected 1 to 100, got 500",
        field="limit",
        errors=[responses.FieldError("limit", "expected 1 to 100, got 500")],
    ),
    events.InteractionEvent("e-1", "ada", "shoe-7", "like", _NOW),
    requests.SeenList("ada", _LIST_ID, [requests.SeenItem("shoe-7", 0, 3.41)]),
    requests.SessionRequest("ada@example.com"),
    requests.AccountRequest("ada@example.com", "Ada"),
    requests.MergeRequest("anon-Zk3vQ9", "eyJhbGciOiJIUzI1NiJ9.…"),
    requests.KeyRequest("shop", ["read", "ingest"], 90),
    requests.RotationRequest(60),
    requests.BasketRequest(items=["shoe-7", requests.BasketItem("vest-2", "view")], limit=5),
)

EXAMPLES: dict[str, Any] = {type(body).__name__: msgspec.to_builtins(body) for body in _BODIES}
"""By the name of the schema."""

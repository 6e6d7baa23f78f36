"""The bodies of HTTP answers beyond a user's list: baskets, feeds, neighbours, search."""

from typing import Literal

from msgspec import Struct, field

from schemas.responses import ListedItem


class BasketRecommendations(Struct, frozen=True):
    """`POST /v1/recommendations`; as a user's, and `user_id` is null where nobody is named."""

    user_id: str | None
    request_id: str
    version: int
    strategy: Literal["personal", "trending"]
    items: list[ListedItem]
    unknown: list[str]
    """Items of the basket that the catalogue does not have: they say nothing."""


class EmbeddedItem(Struct, frozen=True):
    """An item that a card's item embeds: a product in a video, say."""

    item_id: str
    title: str
    kind: str
    price: float | None
    currency: str | None
    image_url: str | None
    url: str | None


class Card(ListedItem, frozen=True):
    """An item of a feed with those that it embeds, as far as they may be had."""

    embeds: list[EmbeddedItem] = field(default_factory=list)


class Feed(Struct, frozen=True):
    """`GET /v1/feed`: a page of a list that stays as it was when its first page was asked for."""

    user_id: str | None
    request_id: str
    """The same on every page."""
    version: int
    strategy: Literal["personal", "trending"]
    items: list[Card]
    next_cursor: str | None
    """Of the next page; null on the last one."""


class AlikeItems(Struct, frozen=True):
    """`GET /v1/users/{user_id}/neighbours`: what people with the same taste went for."""

    user_id: str
    people: int
    """So many were found whose taste is like the user's; who they are is not told."""
    items: list[ListedItem]


class Suggestion(Struct, frozen=True):
    """What a text may become: the title of an item, or a category or tag with its items."""

    text: str
    type: Literal["title", "category", "tag"]
    item_id: str | None = None
    """Of a title."""
    items: int | None = None
    """Available ones of a category or tag."""


class Suggestions(Struct, frozen=True):
    """`GET /v1/suggestions`."""

    suggestions: list[Suggestion]
    corrected: str | None
    """What was looked for instead, where a word was misspelt."""


class SearchResults(Struct, frozen=True):
    """`GET /v1/search`."""

    items: list[ListedItem]
    corrected: str | None
    """What was looked for instead, where a word was misspelt."""
    mode: Literal["hybrid", "lexical"] = "lexical"
    """`hybrid`: by words and by meaning; `lexical`: by words alone."""

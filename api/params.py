"""Parameters that several routes share, checked before anything sees them."""

from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Path, Query

from schemas.events import ID_LENGTH_MAX
from vane.errors import InvalidRequest
from vane.interaction import CONTROL

LIMIT_MAX = 100
WAIT_MS_MAX = 10_000


def checked_text(field: str, text: str, length_max: int = ID_LENGTH_MAX) -> str:
    """The text, where it may be an id or a filter.

    Raises:
        InvalidRequest: it is empty or too long, or has control characters.
    """
    if not 1 <= len(text) <= length_max:
        raise InvalidRequest(field, f"expected 1 to {length_max} characters, got {len(text)}")
    if CONTROL.search(text):
        raise InvalidRequest(field, "has a control character")
    return text


def path_id(field: str, raw: str) -> str:
    """An id from the path, which is routed undecoded so that ids may hold any character.

    Raises:
        InvalidRequest: it cannot be one.
    """
    try:
        return checked_text(field, unquote(raw, errors="strict"))
    except UnicodeDecodeError:
        raise InvalidRequest(field, "is not percent-encoded UTF-8") from None


async def _user_id(user_id: Annotated[str, Path()]) -> str:
    return path_id("user_id", user_id)


async def _optional_user_id(user_id: Annotated[str | None, Query()] = None) -> str | None:
    return checked_text("user_id", user_id) if user_id else None


async def _item_id(item_id: Annotated[str, Path()]) -> str:
    return path_id("item_id", item_id)


async def _kind(kind: Annotated[str | None, Query()] = None) -> str | None:
    return checked_text("kind", kind) if kind else None


async def _category(category: Annotated[str | None, Query()] = None) -> str | None:
    return checked_text("category", category, 256) if category else None


UserId = Annotated[str, Depends(_user_id)]
OptionalUserId = Annotated[str | None, Depends(_optional_user_id)]
ItemId = Annotated[str, Depends(_item_id)]
Kind = Annotated[str | None, Depends(_kind)]
Category = Annotated[str | None, Depends(_category)]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
WaitMs = Annotated[int, Query(ge=0, le=WAIT_MS_MAX)]

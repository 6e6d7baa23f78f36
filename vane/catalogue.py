"""The catalogue: what makes a product update valid, what it makes of an item, an item's text. Pure.

The text that an item is embedded by is `title. category, tag, tag. description`: empty parts are
left out, a tag that repeats the category or another tag counts once, runs of white space are one
space, and it ends after `TEXT_CHARS_MAX` characters.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import xxhash
from msgspec import UNSET, Struct, ValidationError, structs

from schemas.events import ItemStats, ProductUpdate, ProductUpdateCloudEvent
from vane.errors import InvalidEvent
from vane.interaction import CONTROL, invalid_event, timestamp_us

TEXT_CHARS_MAX = 2_000
"""Characters of an item's text; MiniLM reads no more than 256 word pieces anyway."""

ATTRIBUTES_BYTES_MAX = 65_536
"""Bytes of `attributes` as JSON."""

ATTRIBUTES_DEPTH_MAX = 32

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_decode = msgspec.json.Decoder(ProductUpdate).decode
_decode_cloud = msgspec.json.Decoder(ProductUpdateCloudEvent).decode


class Item(Struct, frozen=True, kw_only=True):
    """What is known of an item, as the table `item` keeps it."""

    item_id: str
    kind: str = "item"
    title: str = ""
    description: str = ""
    category: str | None = None
    tags: list[str] = []
    price: float | None = None
    currency: str | None = None
    url: str | None = None
    image_url: str | None = None
    author: str | None = None
    published_at: datetime | None = None
    available: bool = True
    attributes: dict[str, Any] | None = None
    stats: dict[str, int] | None = None
    embeds: list[str] = []


_FIELDS = tuple(field for field in structs.fields(Item) if field.name != "item_id")


def parse_update(raw: bytes) -> ProductUpdate:
    """Decode and check one message: a plain update, or CloudEvents 1.0 in structured mode.

    Raises:
        InvalidEvent: names the field and the reason.
    """
    try:
        return _checked(_decode(raw))
    except ValidationError as error:
        if b'"specversion"' not in raw:
            raise invalid_event(error) from None
        return _unwrapped(lambda: _decode_cloud(raw))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEvent("$", f"not JSON: {error}") from None
    except RecursionError:
        raise InvalidEvent("$", "nested too deep") from None


def convert_update(value: Any) -> ProductUpdate:
    """`parse_update` for an object that was decoded already."""
    try:
        return _checked(msgspec.convert(value, ProductUpdate))
    except ValidationError as error:
        raise invalid_event(error) from None


def parse_deletion(key: bytes | None) -> ProductUpdate:
    """What a null value stands for: the deletion of the item that its key names.

    Raises:
        InvalidEvent: the key is no item id.
    """
    if key is None:
        raise InvalidEvent("key", "missing: a null value deletes the item that its key names")
    try:
        return convert_update({"item_id": key.decode(), "op": "delete"})
    except UnicodeDecodeError:
        raise InvalidEvent("key", "not UTF-8") from None
    except InvalidEvent as error:
        raise InvalidEvent("key", error.reason) from None


def apply_update(item: Item | None, update: ProductUpdate) -> Item | None:
    """The item after an update: `upsert` replaces it, `patch` changes what it names, null clears.

    Returns:
        The item, None where it is deleted.

    Raises:
        InvalidEvent: a patch of an item that does not exist.
    """
    if update.op == "delete":
        return None
    if update.op == "upsert":
        item = Item(item_id=update.item_id)
    elif item is None:
        raise InvalidEvent("item_id", "unknown item: a patch changes an item, an upsert makes one")
    named = {}
    for field in _FIELDS:
        value = getattr(update, field.name)
        if value is not UNSET:
            named[field.name] = _default(field) if value is None else value
    if isinstance(update.stats, ItemStats):
        counted = structs.asdict(update.stats).items()
        named["stats"] = (item.stats or {}) | {n: c for n, c in counted if c is not None}
    return structs.replace(item, **named)


def item_text(item: Item) -> str:
    """The text that stands for the item's content; empty where it has none. See the module."""
    labels = dict.fromkeys([item.category or "", *item.tags])
    parts = [item.title, ", ".join(filter(None, labels)), item.description]
    squeezed = (" ".join(part.split()) for part in parts)
    return ". ".join(part for part in squeezed if part)[:TEXT_CHARS_MAX]


def text_hash(model: str, text: str) -> int:
    """64-bit xxh3 of model name and text, as a signed number."""
    digest = xxhash.xxh3_64_digest(f"{model}\0{text}".encode())
    return int.from_bytes(digest, "big", signed=True)


def _unwrapped(decode: Callable[[], ProductUpdateCloudEvent]) -> ProductUpdate:
    try:
        return _checked(decode().data)
    except ValidationError as error:
        raise invalid_event(error) from None


def _default(field: structs.FieldInfo) -> Any:
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def _checked(update: ProductUpdate) -> ProductUpdate:
    """Refuse what PostgreSQL cannot hold; `published_at` becomes a datetime in UTC."""
    for name in update.__struct_fields__:
        for text in _texts(name, getattr(update, name)):
            _check_text(name, text)
    for name, ids in (("item_id", [update.item_id]), ("embeds", update.embeds or [])):
        if any(CONTROL.search(item_id) for item_id in ids):
            raise InvalidEvent(name, "has a control character")
    if update.attributes and _json_bytes(update.attributes) > ATTRIBUTES_BYTES_MAX:
        raise InvalidEvent("attributes", f"larger than {ATTRIBUTES_BYTES_MAX} bytes")
    if update.published_at is UNSET or update.published_at is None:
        return update
    return structs.replace(update, published_at=_datetime(update.published_at))


def _texts(name: str, value: Any, depth: int = 0) -> Iterator[str]:
    """Every string in a field's value."""
    if depth > ATTRIBUTES_DEPTH_MAX:
        raise InvalidEvent(name, f"nested more than {ATTRIBUTES_DEPTH_MAX} deep")
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(name, inner, depth + 1)
    elif isinstance(value, dict):
        yield from value
        yield from _texts(name, list(value.values()), depth)


def _check_text(name: str, text: str) -> None:
    if "\0" in text:
        raise InvalidEvent(name, "has a null character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidEvent(name, "has an unpaired surrogate") from None


def _json_bytes(attributes: dict[str, Any]) -> int:
    try:
        return len(msgspec.json.encode(attributes))
    except ValueError as error:
        raise InvalidEvent("attributes", str(error)) from None


def _datetime(ts: datetime | float) -> datetime:
    try:
        return EPOCH + timedelta(microseconds=timestamp_us(ts))
    except OverflowError:
        raise InvalidEvent("published_at", "out of range") from None

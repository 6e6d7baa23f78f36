"""From a chunk of product updates to what becomes of the items. Pure: no database, no model."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from msgspec import structs

from flows.kafka import Chunk
from schemas.events import ProductUpdate
from vane.catalogue import (
    Item,
    apply_update,
    item_text,
    parse_deletion,
    parse_update,
    text_hash,
)
from vane.errors import InvalidEvent
from vane.store.catalog import ItemRow, StoredItem
from vane.store.interactions import DeadLetter

ITEM_FIELDS = tuple(field.name for field in structs.fields(Item))


@dataclass(slots=True)
class Batch:
    """The messages of a chunk, decoded; updates in offset order."""

    updates: list[tuple[int, ProductUpdate]]
    letters: list[DeadLetter]

    @property
    def items(self) -> list[str]:
        """The ids that the updates name, sorted."""
        return sorted({update.item_id for _, update in self.updates})


@dataclass(slots=True)
class Plan:
    """What a batch makes of the items: computed from `current`, true as long as that is."""

    current: dict[str, StoredItem]
    rows: list[ItemRow]
    texts: dict[int, str]
    deleted: list[str]
    refused: dict[int, InvalidEvent]


def split(chunk: Chunk, messages_max: int, bytes_max: int) -> Iterator[Chunk]:
    """A chunk as consecutive parts within both limits; a part has one message at least."""
    first, size, previous = 0, 0, chunk.previous_offset
    for index, value in enumerate(chunk.values):
        length = len(value or b"")
        full = index - first == messages_max or size + length > bytes_max
        if full and index > first:
            yield _part(chunk, first, index, previous, chunk.offsets[index])
            first, size, previous = index, 0, chunk.offsets[index]
        size += length
    if chunk.next_offset > previous:
        yield _part(chunk, first, len(chunk.values), previous, chunk.next_offset)


def decode(chunk: Chunk, message_bytes_max: int) -> Batch:
    """The updates of a chunk, and a dead letter for each message that is none."""
    batch = Batch([], [])
    for index, (value, key) in enumerate(zip(chunk.values, chunk.keys, strict=True)):
        try:
            batch.updates.append((index, _update(key, value, message_bytes_max)))
        except InvalidEvent as error:
            batch.letters.append(dead_letter(chunk, index, error))
    return batch


def fold(current: dict[str, StoredItem], batch: Batch, model: str) -> Plan:
    """All updates of a batch, in offset order, as one change of each item."""
    after: dict[str, Item | None] = {item_id: _bare(item) for item_id, item in current.items()}
    plan = Plan(current, [], {}, [], {})
    for index, update in batch.updates:
        try:
            after[update.item_id] = apply_update(after.get(update.item_id), update)
        except InvalidEvent as error:
            plan.refused[index] = error
    for item_id, item in after.items():
        if item is not None:
            _plan_item(plan, item, model)
        elif item_id in current:
            plan.deleted.append(item_id)
    return plan


def _plan_item(plan: Plan, item: Item, model: str) -> None:
    text = item_text(item)
    digest = text_hash(model, text)
    stored = plan.current.get(item.item_id)
    new_content = stored is None or stored.text_hash != digest
    if stored is not None and not new_content and _bare(stored) == item:
        return
    fields = {name: getattr(item, name) for name in ITEM_FIELDS}
    plan.rows.append(ItemRow(**fields, text_hash=digest, new_content=new_content))
    if new_content:
        plan.texts[digest] = text


def _bare(item: StoredItem) -> Item:
    return Item(**{name: getattr(item, name) for name in ITEM_FIELDS})


def _update(key: bytes | None, value: bytes | None, bytes_max: int) -> ProductUpdate:
    if value is None:
        return parse_deletion(key)
    if len(value) > bytes_max:
        raise InvalidEvent("$", f"larger than {bytes_max} bytes")
    return parse_update(value)


def dead_letter(chunk: Chunk, index: int, error: InvalidEvent) -> DeadLetter:
    """The i-th message of a chunk, as it is kept."""
    place = chunk.stream.partition, chunk.offsets[index]
    return DeadLetter(*place, error.field, error.reason, chunk.keys[index], chunk.values[index])


def _part(chunk: Chunk, first: int, last: int, previous: int, next_offset: int) -> Chunk:
    return replace(
        chunk,
        previous_offset=previous,
        next_offset=next_offset,
        values=chunk.values[first:last],
        keys=chunk.keys[first:last],
        offsets=chunk.offsets[first:last],
        receipt_us=lambda index: chunk.receipt_us(first + index),
    )

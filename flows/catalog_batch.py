"""What flows/catalog does with a chunk: decode, fold, embed, and commit in one transaction."""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from msgspec import structs

from flows.kafka import Chunk
from schemas.events import CatalogHint, ProductUpdate
from vane.bus import CATALOG, Publisher
from vane.catalogue import (
    Item,
    apply_update,
    item_text,
    parse_deletion,
    parse_update,
    text_hash,
)
from vane.embedding import Encode
from vane.errors import InvalidEvent, Unavailable
from vane.settings import Settings
from vane.store.catalog import (
    ItemRow,
    ItemsChanged,
    StoredItem,
    delete_items,
    item_transaction,
    read_items,
    write_items,
)
from vane.store.connection import Connection, connect, translated
from vane.store.interactions import DeadLetter, write_dead_letters
from vane.store.positions import Counts, advance_position, find_position

log = logging.getLogger(__name__)

COMMIT_BYTES_MAX = 262_144
"""Message bytes in one transaction: some seconds of embedding on two cores."""

RETRY_WAITS_S = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Between attempts to reach PostgreSQL again; then the flow ends and is started anew."""

ITEM_FIELDS = tuple(field.name for field in structs.fields(Item))

Contents = dict[int, list[float] | None]
"""Text hash → content, None where the model makes nothing of the text."""


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


class CatalogWriter:
    """Applies chunks of `product-updates`: one transaction for each part, then a hint."""

    def __init__(self, settings: Settings, encode: Encode, publisher: Publisher) -> None:
        self._settings, self._encode, self._publisher = settings, encode, publisher
        self._connection = self._connect()

    def apply(self, chunk: Chunk) -> Iterator[Chunk]:
        """Commit a chunk in parts of some seconds each; yields every part once it is committed.

        Raises:
            Fenced: another worker owns the partition, or the chunk was applied already.
            Unavailable: PostgreSQL does not come back.
        """
        for part in split(chunk, COMMIT_BYTES_MAX):
            self._apply_part(part)
            yield part

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _connect(self) -> Connection:
        return connect(self._settings, "vane catalog")

    def _apply_part(self, chunk: Chunk) -> None:
        batch = decode(chunk, self._settings.event_bytes_max)
        contents: Contents = {}
        while True:
            try:
                plan = self._plan(batch)
                self._embed(plan, contents)
                self._commit(chunk, batch, plan, contents)
                break
            except ItemsChanged as error:
                log.info("the items of a chunk changed meanwhile, again: %s", error)
            except Unavailable as error:
                log.warning("%s", error)
                if self._reconnect(chunk):
                    break
        changed = [row.item_id for row in plan.rows] + plan.deleted
        if changed:
            self._publisher.publish(CATALOG, CatalogHint(items=changed, ts=time.time()))

    def _reconnect(self, chunk: Chunk) -> bool:
        """Reach PostgreSQL again; whether the chunk had been committed after all."""
        self._connection.close()
        for wait_s in RETRY_WAITS_S:
            time.sleep(wait_s)
            try:
                return self._committed_before(chunk)
            except Unavailable as error:
                last = error
        raise last

    def _committed_before(self, chunk: Chunk) -> bool:
        self._connection = self._connect()
        with translated():
            position = find_position(self._connection, chunk.stream)
        return position is not None and position >= chunk.next_offset

    def _plan(self, batch: Batch) -> Plan:
        with translated():
            current = read_items(self._connection, batch.items)
        return fold(current, batch, self._settings.embedding_model)

    def _embed(self, plan: Plan, contents: Contents) -> None:
        missing = {key: text for key, text in plan.texts.items() if key not in contents}
        contents.update({key: None for key, text in missing.items() if not text})
        keys = [key for key, text in missing.items() if text]
        if not keys:
            return
        vectors = self._encode([missing[key] for key in keys])
        norms = np.linalg.norm(vectors, axis=1)
        usable = np.isfinite(norms) & (norms > 0)
        halves = vectors.astype(np.float16).tolist()
        contents.update(
            (key, half if good else None)
            for key, half, good in zip(keys, halves, usable, strict=True)
        )

    def _commit(self, chunk: Chunk, batch: Batch, plan: Plan, contents: Contents) -> None:
        letters = batch.letters + _refused_letters(chunk, plan)
        with item_transaction(self._connection):
            advance_position(
                self._connection,
                chunk.stream,
                epoch=chunk.epoch,
                previous=chunk.previous_offset,
                next_offset=chunk.next_offset,
                end_offset=chunk.end_offset,
                counts=Counts(
                    applied=len(chunk.values) - len(letters),
                    dead_lettered=len(letters),
                    empty=chunk.empty,
                ),
            )
            if batch.updates:
                if read_items(self._connection, batch.items, lock=True) != plan.current:
                    raise ItemsChanged
                write_items(self._connection, [_with_content(row, contents) for row in plan.rows])
                delete_items(self._connection, plan.deleted)
            if letters:
                write_dead_letters(self._connection, chunk.stream, letters, datetime.now(UTC))


def split(chunk: Chunk, bytes_max: int) -> Iterator[Chunk]:
    """A chunk as consecutive parts of at most `bytes_max` bytes of messages, or one message."""
    first, size, previous = 0, 0, chunk.previous_offset
    for index, value in enumerate(chunk.values):
        length = len(value or b"")
        if index > first and size + length > bytes_max:
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
            batch.letters.append(_letter(chunk, index, error))
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


def _with_content(row: ItemRow, contents: Mapping[int, list[float] | None]) -> ItemRow:
    assert row.text_hash is not None
    return structs.replace(row, content=contents[row.text_hash]) if row.new_content else row


def _bare(item: StoredItem) -> Item:
    return Item(**{name: getattr(item, name) for name in ITEM_FIELDS})


def _update(key: bytes | None, value: bytes | None, bytes_max: int) -> ProductUpdate:
    if value is None:
        return parse_deletion(key)
    if len(value) > bytes_max:
        raise InvalidEvent("$", f"larger than {bytes_max} bytes")
    return parse_update(value)


def _refused_letters(chunk: Chunk, plan: Plan) -> list[DeadLetter]:
    return [_letter(chunk, index, error) for index, error in plan.refused.items()]


def _letter(chunk: Chunk, index: int, error: InvalidEvent) -> DeadLetter:
    return DeadLetter(
        chunk.offsets[index], error.field, error.reason, chunk.keys[index], chunk.values[index]
    )


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

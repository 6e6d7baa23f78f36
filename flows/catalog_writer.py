"""The sink of flows/catalog: embeds what is new, and commits each part in one transaction."""

import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

import numpy as np
from msgspec import structs

from flows.catalog_batch import Batch, Plan, dead_letter, decode, fold, split
from flows.kafka import Chunk
from flows.meter import FlowMeter
from schemas.events import CatalogHint
from vane.bus import CATALOG, Publisher
from vane.embedding import Encode
from vane.errors import Unavailable
from vane.meter import Stopwatch
from vane.metrics import EMBEDDED_TEXTS
from vane.settings import Settings
from vane.store.catalog import (
    ItemRow,
    ItemsChanged,
    delete_items,
    item_transaction,
    read_items,
    write_items,
)
from vane.store.connection import Connection, connect, translated
from vane.store.interactions import DeadLetter, write_dead_letters
from vane.store.positions import Counts, advance_position, find_position

log = logging.getLogger(__name__)

COMMIT_MESSAGES_MAX = 512
"""Messages in one transaction: a few seconds of embedding short texts on two cores."""

COMMIT_BYTES_MAX = 262_144
"""Message bytes in one transaction: the same for long texts."""

RETRY_WAITS_S = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Between attempts to reach PostgreSQL again; then the flow ends and is started anew."""

Contents = dict[int, list[float] | None]
"""Text hash → content, None where the model makes nothing of the text."""


@dataclass(slots=True)
class Part:
    """A transaction's worth of a chunk, and the contents that are made for it."""

    chunk: Chunk
    batch: Batch
    contents: Contents
    embedding: Future[None] | None = None

    def settle(self) -> None:
        """Wait until what was begun ahead is done."""
        if self.embedding is not None:
            self.embedding.result()


class CatalogWriter:
    """Applies chunks of `product-updates`: one transaction for each part, then a hint."""

    def __init__(
        self, settings: Settings, encode: Encode, publisher: Publisher, meter: FlowMeter
    ) -> None:
        self._settings, self._encode, self._publisher = settings, encode, publisher
        self._meter, self._embedded = meter, meter.numbers.counter(EMBEDDED_TEXTS)
        self._connection = self._connect()
        self._background = ThreadPoolExecutor(1, "ahead")

    def apply(self, chunk: Chunk) -> Iterator[Chunk]:
        """Commit a chunk in parts of some seconds each; yields every part once it is committed.

        While PostgreSQL commits a part, the next one's texts are embedded.

        Raises:
            Fenced: another worker owns the partition, or the chunk was applied already.
            Unavailable: PostgreSQL does not come back.
        """
        bytes_max = self._settings.event_bytes_max
        parts = [
            Part(piece, decode(piece, bytes_max), {})
            for piece in split(chunk, COMMIT_MESSAGES_MAX, COMMIT_BYTES_MAX)
        ]
        for part, following in zip_longest(parts, parts[1:]):
            self._apply_part(part, following)
            yield part.chunk
        lag = self._meter.lag(chunk.stream.partition)
        lag.reached(chunk.next_offset, chunk.received_s)

    def close(self) -> None:
        """Close the connection."""
        self._background.shutdown(cancel_futures=True)
        self._connection.close()

    def _connect(self) -> Connection:
        return connect(self._settings, "vane catalog")

    def _apply_part(self, part: Part, following: Part | None) -> None:
        watch = self._meter.stopwatch()
        part.settle()
        watch.lap("wait")
        while True:
            try:
                plan = self._plan(part.batch)
                watch.lap("plan")
                self._embed(plan, part.contents)
                self._embed_ahead(following)
                watch.lap("embed")
                self._commit(part, plan, watch)
                break
            except ItemsChanged as error:
                log.info("the items of a chunk changed meanwhile, again: %s", error)
            except Unavailable as error:
                log.warning("%s", error)
                if self._reconnect(part.chunk):
                    break
        changed = [row.item_id for row in plan.rows] + plan.deleted
        if changed:
            hint = CatalogHint(items=changed, ts=time.time())
            self._meter.hint(self._publisher.publish(CATALOG, hint))

    def _embed_ahead(self, part: Part | None) -> None:
        """Begin with the texts of a part, as far as the items tell now which are needed."""
        if part is None or part.embedding is not None:
            return
        plan = self._plan(part.batch)
        part.embedding = self._background.submit(self._embed, plan, part.contents)

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
        self._embedded.add(len(keys))
        norms = np.linalg.norm(vectors, axis=1)
        usable = np.isfinite(norms) & (norms > 0)
        halves = vectors.astype(np.float16).tolist()
        contents.update(
            (key, half if good else None)
            for key, half, good in zip(keys, halves, usable, strict=True)
        )

    def _commit(self, part: Part, plan: Plan, watch: Stopwatch) -> None:
        chunk, batch = part.chunk, part.batch
        letters = batch.letters + _refused_letters(chunk, plan)
        counts = Counts(
            applied=len(chunk.values) - len(letters),
            dead_lettered=len(letters),
            empty=chunk.empty,
        )
        with item_transaction(self._connection):
            advance_position(
                self._connection,
                chunk.stream,
                epoch=chunk.epoch,
                previous=chunk.previous_offset,
                next_offset=chunk.next_offset,
                end_offset=chunk.end_offset,
                counts=counts,
            )
            watch.lap("positions")
            if batch.updates:
                if read_items(self._connection, batch.items, lock=True) != plan.current:
                    raise ItemsChanged
                write_items(
                    self._connection, [_with_content(row, part.contents) for row in plan.rows]
                )
                delete_items(self._connection, plan.deleted)
            if letters:
                write_dead_letters(self._connection, chunk.stream, letters, datetime.now(UTC))
            watch.lap("items")
        watch.lap("commit")
        self._meter.transaction(len(chunk.values))
        self._meter.committed(counts)
        self._meter.dead_letters(letters)


def _with_content(row: ItemRow, contents: Mapping[int, list[float] | None]) -> ItemRow:
    assert row.text_hash is not None
    return structs.replace(row, content=contents[row.text_hash]) if row.new_content else row


def _refused_letters(chunk: Chunk, plan: Plan) -> list[DeadLetter]:
    return [dead_letter(chunk, index, error) for index, error in plan.refused.items()]

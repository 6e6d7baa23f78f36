"""The catalogue: product updates from Kafka become rows of `item`, with content embeddings."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.catalog_writer import CatalogWriter
from flows.cluster import kept
from flows.kafka import Chunk, ChunkSource, Share
from flows.meter import FlowMeter
from vane.bus import Publisher
from vane.embedding import load_encoder
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.search_index import index_outdated

log = logging.getLogger(__name__)

TOPIC = "product-updates"

CHUNK_MESSAGES_MAX = 2_048
"""Several transactions: the texts of one are embedded while the one before is committed."""

PROGRESS_INTERVAL_S = 5.0

FETCH_WAIT_MS_MIN = 100
"""A product update is in no hurry, and each answer of an idle broker costs."""


def build(settings: Settings, share: Share, stop: Event, meter: FlowMeter) -> Dataflow:
    """The flow of one process; the model is loaded here, so a wrong one ends the start.

    Args:
        settings: of the servers, the model and its batches.
        share: which partitions of `product-updates` are this process's.
        stop: once set, the flow ends after its chunk, or at the end of the log.
        meter: of the process.

    Raises:
        SettingError: there is no such model, or its vectors do not fit the tables.
    """
    encode = load_encoder(settings.embedding_model, settings.embedding_batch_items)
    flow = Dataflow("catalog")
    source = ChunkSource(
        replace(settings, fetch_wait_ms=max(settings.fetch_wait_ms, FETCH_WAIT_MS_MIN)),
        topic=TOPIC,
        flow="catalog",
        share=share,
        stop=stop,
        chunk_messages_max=CHUNK_MESSAGES_MAX,
        meter=meter,
    )
    chunks = op.input("updates", flow, source)
    with connect(settings, "vane catalog") as connection:
        if indexed := index_outdated(connection):
            log.info("%d items indexed for search by new rules", indexed)
    writer = CatalogWriter(settings, encode, Publisher(settings.redis_url), meter)
    halt = stop if settings.drain == "chunk" else Event()
    op.output("commit", chunks, CatalogSink(writer, halt))
    return flow


class CatalogSink(DynamicSink[Chunk]):
    """Commits chunks, and says how far it is while there is a backlog.

    Args:
        writer: commits.
        halt: once set, nothing more is begun; the rest is read again at the next start.
    """

    def __init__(self, writer: CatalogWriter, halt: Event) -> None:
        self._writer, self._halt = writer, halt

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_Partition":  # noqa: ARG002
        """The one worker's end of the flow."""
        return _Partition(self._writer, self._halt)


class Progress:
    """A log line every few seconds while messages wait, and one when none does any more."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._remaining: dict[int, int] = {}
        self._behind_since: float | None = None
        self._done = 0

    def note(self, chunk: Chunk) -> None:
        """A chunk was committed."""
        now = self._clock()
        self._done += len(chunk.values)
        self._remaining[chunk.stream.partition] = chunk.end_offset - chunk.next_offset
        remaining = sum(self._remaining.values())
        if self._behind_since is None:
            self._done = 0
            self._behind_since = now if remaining else None
        elif not remaining:
            log.info("%d updates, none remaining", self._done)
            self._behind_since = None
        elif now >= self._behind_since + PROGRESS_INTERVAL_S:
            rate = self._done / (now - self._behind_since)
            log.info("%d updates, %.0f/s, %d remaining", self._done, rate, remaining)
            self._done, self._behind_since = 0, now


class _Partition(StatelessSinkPartition[Chunk]):
    def __init__(self, writer: CatalogWriter, halt: Event) -> None:
        self._writer, self._halt, self._progress = writer, halt, Progress()

    @kept
    def write_batch(self, items: list[Chunk]) -> None:
        for chunk in items:
            if self._halt.is_set():
                return
            for part in self._writer.apply(chunk):
                self._progress.note(part)
                if self._halt.is_set():
                    return

    def close(self) -> None:
        self._writer.close()

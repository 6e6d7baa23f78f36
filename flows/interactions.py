"""user-interactions → preference vectors and the interaction log, in Postgres."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.batch import Batch, decode_chunk
from flows.kafka import Chunk, ChunkSource, Share
from flows.live_tuning import LiveTuning
from flows.preference_writer import PreferenceWriter
from vane.bus import Publisher
from vane.settings import Settings
from vane.store.connection import connect

FLOW = "interactions"
TOPIC = "user-interactions"


class _PreferenceSink(DynamicSink[Batch]):
    """Each worker commits what its own partitions brought."""

    def __init__(self, settings: Settings, tuning: LiveTuning, share: Share, stop: Event) -> None:
        self._settings, self._tuning, self._share, self._stop = settings, tuning, share, stop

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> "_WriterPartition":
        """A writer with a connection and caches of its own."""
        publisher = Publisher(self._settings.redis_url)
        return _WriterPartition(
            PreferenceWriter(self._settings, self._tuning, publisher, self._share, self._stop)
        )


class _WriterPartition(StatelessSinkPartition[Batch]):
    """Commits one chunk after the other, while the next one is fetched and decoded.

    What a commit raises comes up with the next batch, a heartbeat at the latest.
    """

    def __init__(self, writer: PreferenceWriter) -> None:
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._commit: Future[None] | None = None

    def write_batch(self, items: list[Batch]) -> None:
        """Begin to commit each chunk in a transaction of its own, behind the one before."""
        for batch in items:
            self._finish()
            self._commit = self._thread.submit(self._writer.apply, batch)

    def close(self) -> None:
        """Finish the last commit and close the writer."""
        self._finish()
        self._thread.shutdown()
        self._writer.close()

    def _finish(self) -> None:
        """Raise what the commit has raised, once: a second time, in `close`, Bytewax aborts."""
        commit, self._commit = self._commit, None
        if commit is not None:
            commit.result()


def build(settings: Settings, share: Share, stop: Event) -> Dataflow:
    """The dataflow of this process's share of the partitions; ends when `stop` is set."""
    with connect(settings, "vane interactions start") as connection:
        tuning = LiveTuning(connection)

    def decode(chunk: Chunk) -> Batch:
        return decode_chunk(chunk, tuning.current, settings.event_bytes_max)

    source = ChunkSource(
        settings,
        topic=TOPIC,
        flow=FLOW,
        share=share,
        stop=stop,
        chunk_messages_max=settings.chunk_events_max,
    )
    flow = Dataflow(FLOW)
    batches = op.map("decode", op.input("chunks", flow, source), decode)
    op.output("commit", batches, _PreferenceSink(settings, tuning, share, stop))
    return flow

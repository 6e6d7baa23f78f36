"""user-interactions → preference vectors and the interaction log, in Postgres."""

from threading import Event

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.batch import Batch
from flows.cluster import kept
from flows.decoder import Decoder
from flows.group_commit import GroupCommit
from flows.interactions_meter import InteractionsMeter
from flows.kafka import ChunkSource, Share
from flows.live_tuning import LiveTuning
from flows.meter import FlowMeter
from flows.preference_writer import PreferenceWriter
from vane.bus import Publisher
from vane.settings import Settings
from vane.store.connection import connect

FLOW = "interactions"
TOPIC = "user-interactions"


class _PreferenceSink(DynamicSink[Batch]):
    """Each worker commits what its own partitions brought."""

    def __init__(
        self,
        settings: Settings,
        tuning: LiveTuning,
        share: Share,
        stop: Event,
        meter: InteractionsMeter,
    ) -> None:
        self._settings, self._tuning, self._share, self._stop = settings, tuning, share, stop
        self._meter = meter

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> "_WriterPartition":
        """A writer with connections and caches of its own."""
        publisher = Publisher(self._settings.redis_url)
        writer = PreferenceWriter(
            self._settings, self._tuning, publisher, self._share, self._stop, self._meter
        )
        commits = GroupCommit(writer, self._settings.chunk_events_max)
        return _WriterPartition(commits, self._stop)


class _WriterPartition(StatelessSinkPartition[Batch]):
    """Commits in the background, while the next chunks are fetched and decoded.

    What a commit raises comes up with the next batch, a heartbeat at the latest. Once the flow is
    told to stop, each batch is waited for: Bytewax aborts where `close` raises.
    """

    def __init__(self, commits: GroupCommit, stop: Event) -> None:
        self._commits, self._stop = commits, stop

    @kept
    def write_batch(self, items: list[Batch]) -> None:
        """Hand the batches over."""
        for batch in items:
            self._commits.put(batch)
        if self._stop.is_set():
            self._commits.flush()

    def close(self) -> None:
        """Finish what was handed over."""
        self._commits.close()


def build(settings: Settings, share: Share, stop: Event, meter: FlowMeter) -> Dataflow:
    """The dataflow of this process's share of the partitions; ends when `stop` is set."""
    with connect(settings, "vane interactions start") as connection:
        tuning = LiveTuning(connection)

    source = ChunkSource(
        settings,
        topic=TOPIC,
        flow=FLOW,
        share=share,
        stop=stop,
        chunk_messages_max=settings.chunk_events_max,
        meter=meter,
    )
    own = InteractionsMeter(meter)
    flow = Dataflow(FLOW)
    batches = op.map("decode", op.input("chunks", flow, source), Decoder(settings, tuning, stop))
    op.output("commit", batches, _PreferenceSink(settings, tuning, share, stop, own))
    return flow

"""admin-commands → settings that hold at once, and long work that runs beside the flow.

Exactly once by position, and once for each `command_id`: a command that comes again is a duplicate.
What takes long (`tune`, `retrain`, `rebuild`) is queued in the transaction of its position and run
afterwards, one after the other, by the command line's own code in a process of its own. Where this
flow ends meanwhile it is run again from its beginning, which does no harm.
"""

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from threading import Event

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.cluster import kept
from flows.command_runner import CommandRunner
from flows.kafka import Chunk, ChunkSource, Share
from flows.meter import FlowMeter
from schemas.events import AdminCommand, SettingsHint
from vane.bus import SETTINGS, Publisher
from vane.commands import SET_SETTINGS, parse_command
from vane.errors import InvalidEvent, InvalidSettings, NeedsRebuild, Unavailable
from vane.settings import Settings
from vane.store.commands import known_commands, note_read
from vane.store.connection import Connection, connect, translated
from vane.store.interactions import DeadLetter, write_dead_letters
from vane.store.positions import Counts, advance_position
from vane.store.tuning import change_tuning, read_tuning
from vane.tuning import Tuning
from vane.tuning_change import changed

log = logging.getLogger(__name__)

FLOW, TOPIC = "commands", "admin-commands"
CHUNK_MESSAGES_MAX = 100
BY = "admin-commands"


@dataclass(slots=True)
class Plan:
    """What the messages of a chunk are."""

    settings: list[AdminCommand] = field(default_factory=list)
    queued: list[AdminCommand] = field(default_factory=list)
    refused: list[tuple[AdminCommand, str]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    def counts(self, chunk: Chunk) -> Counts:
        """What became of the chunk's offsets."""
        applied = len(self.settings) + len(self.queued)
        return Counts(
            applied=applied,
            dead_lettered=len(self.letters),
            duplicates=len(chunk.values) - applied - len(self.letters),
            empty=chunk.empty,
        )


def plan_chunk(chunk: Chunk, tuning: Tuning, known: set[str]) -> Plan:
    """Sort out a chunk's messages.

    Args:
        chunk: of the topic.
        tuning: as it is; each change is held against those before it.
        known: ids of commands that were read before.
    """
    plan, seen = Plan(), set(known)
    for index, raw in enumerate(chunk.values):
        command = None
        try:
            command = parse_command(raw)
            if command.command_id in seen:
                continue
            if command.command == SET_SETTINGS:
                tuning = changed(tuning, command.args)
                plan.settings.append(command)
            else:
                plan.queued.append(command)
        except (InvalidEvent, InvalidSettings, NeedsRebuild) as error:
            plan.letters.append(_dead_letter(chunk, index, error))
            if command is not None:
                plan.refused.append((command, str(error)))
        if command is not None:
            seen.add(command.command_id)
    return plan


class CommandWriter:
    """Commits chunks of commands, and says so where settings have changed."""

    def __init__(self, settings: Settings, connection: Connection, meter: FlowMeter) -> None:
        self._settings, self._connection, self._meter = settings, connection, meter
        self._publisher = Publisher(settings.redis_url)

    def apply(self, chunk: Chunk) -> None:
        """Commit a chunk with all that its commands ask for at once.

        Raises:
            Fenced: another worker owns the partition, or the chunk was applied already.
            Unavailable: PostgreSQL does not answer; what was committed is read from the position.
        """
        if chunk.next_offset == chunk.previous_offset:
            return
        watch = self._meter.stopwatch()
        while True:
            with translated():
                plan = self._plan(chunk)
                watch.lap("plan")
                try:
                    self._commit(chunk, plan)
                    break
                except (InvalidSettings, NeedsRebuild) as error:
                    log.info("the settings were changed meanwhile, again: %s", error)
        watch.lap("commit")
        counts = plan.counts(chunk)
        self._meter.transaction(len(chunk.values))
        self._meter.committed(counts)
        self._meter.dead_letters(plan.letters)
        self._meter.lag(chunk.stream.partition).reached(chunk.next_offset, chunk.received_s)
        if plan.settings:
            hint = SettingsHint("settings", time.time())
            self._meter.hint(self._publisher.publish(SETTINGS, hint))

    def _plan(self, chunk: Chunk) -> Plan:
        tuning, _ = read_tuning(self._connection)
        ids = []
        for raw in chunk.values:
            try:
                ids.append(parse_command(raw).command_id)
            except InvalidEvent:
                continue
        return plan_chunk(chunk, tuning, known_commands(self._connection, ids))

    def _commit(self, chunk: Chunk, plan: Plan) -> None:
        connection = self._connection
        with connection.transaction():
            advance_position(
                connection,
                chunk.stream,
                epoch=chunk.epoch,
                previous=chunk.previous_offset,
                next_offset=chunk.next_offset,
                end_offset=chunk.end_offset,
                counts=plan.counts(chunk),
            )
            for command in plan.settings:
                wanted = partial(changed, change=command.args)
                version = change_tuning(connection, wanted, by=f"{BY} {command.command_id}")
                note_read(connection, command, "done", result={"version": version})
            for command in plan.queued:
                note_read(connection, command, "queued")
            for command, error in plan.refused:
                note_read(connection, command, "failed", error=error)
            if plan.letters:
                write_dead_letters(connection, chunk.stream, plan.letters, datetime.now(UTC))


def build(settings: Settings, share: Share, stop: Event, meter: FlowMeter) -> Dataflow:
    """The flow; it runs in one process, as commands are done one after the other.

    Args:
        settings: of the servers.
        share: the whole.
        stop: once set, the flow ends after its chunk; what runs beside it is begun again later.
        meter: of the process.
    """
    flow = Dataflow(FLOW)
    source = ChunkSource(
        settings,
        topic=TOPIC,
        flow=FLOW,
        share=share,
        stop=stop,
        chunk_messages_max=CHUNK_MESSAGES_MAX,
        meter=meter,
    )
    op.output("commit", op.input("commands", flow, source), _CommandSink(settings, meter))
    return flow


class _CommandSink(DynamicSink[Chunk]):
    def __init__(self, settings: Settings, meter: FlowMeter) -> None:
        self._settings, self._meter = settings, meter

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> "_CommandPart":
        """A connection of its own."""
        return _CommandPart(self._settings, self._meter)


class _CommandPart(StatelessSinkPartition[Chunk]):
    """Heartbeats come every second, and with them a look at what runs beside the flow."""

    def __init__(self, settings: Settings, meter: FlowMeter) -> None:
        self._connection = connect(settings, "vane commands")
        self._writer = CommandWriter(settings, self._connection, meter)
        self._runner = CommandRunner(settings, self._connection)

    @kept
    def write_batch(self, items: list[Chunk]) -> None:
        """Commit, then begin what waits."""
        for chunk in items:
            self._writer.apply(chunk)
        self._runner.look()

    def close(self) -> None:
        """Give up what runs: it waits again."""
        try:
            self._runner.stop()
        except Unavailable as error:
            log.warning("%s", error)
        self._connection.close()


def _dead_letter(
    chunk: Chunk, index: int, error: InvalidEvent | InvalidSettings | NeedsRebuild
) -> DeadLetter:
    reason = str(error) if isinstance(error, NeedsRebuild) else error.reason
    place = (chunk.stream.partition, chunk.offsets[index])
    return DeadLetter(*place, error.field, reason, chunk.keys[index], chunk.values[index])

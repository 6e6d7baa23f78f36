"""Stops a flow whose messages are nearly all dead: a producer's bad deploy, not bad messages."""

from flows.batch import Batch
from vane.errors import OperatorNeeded
from vane.settings import Settings, variable
from vane.store.connection import Connection
from vane.store.interactions import dead_letter_history

SAMPLE_MESSAGES = 10_000
"""The share is taken over this many of a partition's newest messages, never over fewer."""


def check_dead_letters(connection: Connection, settings: Settings, batch: Batch) -> None:
    """Refuse to commit a batch with which the stream's dead letters pass a limit.

    The history is the database's, so a restart does not begin to count anew.

    Raises:
        OperatorNeeded: says how many, why the last one, and which setting lets the flow go on.
    """
    if not batch.dead_letters:
        return
    chunk, here = batch.chunk, len(batch.dead_letters)
    since = chunk.next_offset - max(SAMPLE_MESSAGES, chunk.next_offset - chunk.previous_offset)
    total, start, recent = dead_letter_history(connection, chunk.stream, since)
    last = batch.dead_letters[-1]
    where = f"{chunk.stream.flow}: log {chunk.stream.log_id} partition {chunk.stream.partition}"
    why = f"last at offset {last.offset}: {last.field}: {last.reason}"
    messages = chunk.next_offset - since
    percent = 100 * (recent + here) / messages
    if since >= start and percent > settings.dead_letter_percent_max:
        raise OperatorNeeded(
            f"{where}: {percent:.0f} % of the newest {messages} messages are dead letters, {why}; "
            f"to go on all the same: {variable('dead_letter_percent_max')}=100"
        )
    if total + here > settings.dead_letters_max:
        raise OperatorNeeded(
            f"{where}: {total + here} dead letters, {why}; to go on all the same: a larger "
            f"{variable('dead_letters_max')}"
        )

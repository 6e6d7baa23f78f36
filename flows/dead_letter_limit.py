"""Stops a flow whose messages are nearly all dead: a producer's bad deploy, not bad messages."""

from flows.batch import Batch, Span
from vane.errors import OperatorNeeded
from vane.settings import Settings, variable
from vane.store.connection import Connection
from vane.store.interactions import DeadLetter, dead_letter_history

SAMPLE_MESSAGES = 10_000
"""The share is taken over this many of a partition's newest messages, never over fewer."""


def check_dead_letters(connection: Connection, settings: Settings, batch: Batch) -> None:
    """Refuse to commit a batch with which a partition's dead letters pass a limit.

    The history is the database's, so a restart does not begin to count anew.

    Raises:
        OperatorNeeded: says how many, why the last one, and which setting lets the flow go on.
    """
    for span in batch.spans:
        letters = [
            letter for letter in batch.dead_letters if letter.partition == span.stream.partition
        ]
        if letters:
            _check(connection, settings, span, letters)


def _check(
    connection: Connection, settings: Settings, span: Span, letters: list[DeadLetter]
) -> None:
    here, last = len(letters), letters[-1]
    since = span.next_offset - max(SAMPLE_MESSAGES, span.next_offset - span.previous_offset)
    total, start, recent = dead_letter_history(connection, span.stream, since)
    where = f"{span.stream.flow}: log {span.stream.log_id} partition {span.stream.partition}"
    why = f"last at offset {last.offset}: {last.field}: {last.reason}"
    messages = span.next_offset - since
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

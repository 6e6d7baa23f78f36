"""Messages whose way is followed: those with a sampled `traceparent`, from the read to the push.

All of a transaction's messages share its parts, which are stages of the first one's trace; the
others' spans are linked to it.
"""

from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flows.kafka import Chunk
from vane import traces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from flows.batch import Batch
    from vane.traces import Span

TRACED_MAX = 20
"""In a chunk: whoever marks every event as sampled costs no more than this."""

Traced = tuple[str, str]
"""User and `traceparent`."""


@dataclass(frozen=True, slots=True)
class TracedMessage:
    """A message, and its span from the read to the push."""

    partition: int
    offset: int
    span: "Span"


def find_traced(chunk: Chunk) -> list[TracedMessage]:
    """The chunk's messages that are followed, with new spans; the first one of each trace."""
    found: dict[str, TracedMessage] = {}
    if not traces.enabled():
        return []
    for index, headers in enumerate(chunk.headers()):
        parent = None if headers is None else dict(headers).get(traces.TRACEPARENT)
        if parent is None or len(found) == TRACED_MAX:
            continue
        carried = parent.decode("latin-1")
        if carried not in found and traces.is_sampled(carried):
            message = _begin(chunk, chunk.offsets[index], carried)
            if message is not None:
                found[carried] = message
    return list(found.values())


def using(messages: Sequence[TracedMessage]) -> "AbstractContextManager[Span | None]":
    """Within, the first one's span is the current one."""
    return traces.using(messages[0].span if messages else None)


def following(batch: "Batch") -> "AbstractContextManager[Span | None]":
    """Within, the batch is committed and told of; then the spans of its messages end."""
    return _following(batch) if batch.traced else nullcontext()


def told(batch: "Batch", changes: Sequence[tuple[str, int]]) -> list[Traced]:
    """The messages of users who changed, for those who push to them."""
    changed = {user for user, _ in changes} if batch.traced else set()
    found = []
    for each in batch.traced:
        here = (batch.partition == each.partition) & (batch.offset == each.offset)
        users = [batch.events[row].user_id for row in np.flatnonzero(here).tolist()]
        carried = traces.traceparent_of(each.span)
        found += [(user, carried) for user in users if user in changed]
    return found


@contextmanager
def _following(batch: "Batch") -> "Iterator[Span | None]":
    first, outcome = batch.traced[0].span, "failed"
    try:
        with traces.using(first) as span:
            yield span
        outcome = "committed"
    finally:
        dead = {(letter.partition, letter.offset) for letter in batch.dead_letters}
        for each in batch.traced:
            is_dead = outcome == "committed" and (each.partition, each.offset) in dead
            each.span.set_attribute("vane.outcome", "dead letter" if is_dead else outcome)
            if each.span is not first:
                each.span.add_link(first.get_span_context())
            each.span.end()


def _begin(chunk: Chunk, offset: int, parent: str) -> TracedMessage | None:
    stream = chunk.stream
    attributes: traces.Attributes = {
        "messaging.system": "kafka",
        "messaging.destination.partition.id": str(stream.partition),
        "messaging.kafka.offset": offset,
        "vane.flow": stream.flow,
    }
    span = traces.start(f"process {stream.flow}", "consumer", parent, attributes)
    return None if span is None else TracedMessage(stream.partition, offset, span)

"""Waits until flows have applied what was written to a topic."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vane.errors import Unavailable
from vane.store.connection import Connection, translated
from vane.store.positions import log_positions

POLL_INTERVAL_S = 0.2
STANDSTILL_S = 60.0
"""A flow that does not move for this long is reported."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the flows must reach: partition → offset of one log."""

    log_id: int
    ends: Mapping[int, int]

    def missing(self, positions: Mapping[str, Mapping[int, int]], flow: str) -> int:
        """How many offsets `flow` still has before it."""
        reached = positions.get(flow, {})
        return sum(max(0, end - reached.get(partition, 0)) for partition, end in self.ends.items())


def wait_applied(
    connection: Connection,
    target: Target,
    flows: Sequence[str],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """Wait until every one of `flows` has reached the target.

    Yields:
        The offsets that the slowest flow still has before it.

    Raises:
        Unavailable: a flow stands still.
    """
    moved_at, last = clock(), None
    while True:
        with translated():
            positions = log_positions(connection, target.log_id)
        missing = {flow: target.missing(positions, flow) for flow in flows}
        slowest = max(missing, key=missing.__getitem__)
        yield missing[slowest]
        if not missing[slowest]:
            return
        if missing != last:
            moved_at, last = clock(), missing
        elif clock() - moved_at >= STANDSTILL_S:
            raise Unavailable(
                f"flow {slowest} stands still with {missing[slowest]} messages before it: see "
                "vane status and the flow's log; what was loaded waits in Kafka"
            )
        sleep(POLL_INTERVAL_S)

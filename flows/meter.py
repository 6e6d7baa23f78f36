"""What a flow's process measures of itself, and where it serves that."""

import time
from collections.abc import Callable, Iterable, Mapping

from vane.lag_watch import LagWatch
from vane.meter import Stopwatch, serve_metrics
from vane.metrics import (
    FLOW_DEAD_LETTERS,
    FLOW_HINTS,
    FLOW_LAG_EVENTS,
    FLOW_LAG_SECONDS,
    FLOW_MESSAGES,
    FLOW_TRANSACTION_MESSAGES,
    FLOW_TRANSACTION_SECONDS,
    PARTS,
    dead_letter_field,
    dead_letter_reason,
    meter_of,
)
from vane.store.interactions import DeadLetter
from vane.store.positions import Counts


class Lag:
    """How far a flow is behind the end of a partition."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._next = self._end = 0
        self._since_s = clock()

    @property
    def events(self) -> int:
        """Offsets that are not committed."""
        return max(self._end - self._next, 0)

    @property
    def seconds(self) -> float:
        """For how long the oldest of them may have been waiting."""
        return max(self._clock() - self._since_s, 0.0) if self.events else 0.0

    def end_at(self, offset: int) -> None:
        """The log ends there, as far as it is known."""
        self._end = offset

    def reached(self, offset: int, received_s: float = 0.0) -> None:
        """All before this offset is committed.

        Args:
            offset: of the next message.
            received_s: when the broker took the one before it, 0 where that is not known.
        """
        self._next = offset
        self._since_s = max(self._since_s, received_s) if self.events else self._clock()


class FlowMeter:
    """The numbers that all flows have; a flow takes cells for its own from `numbers`.

    Attributes:
        numbers: of this process.
        parts: the time that each part of a transaction took.
    """

    def __init__(self, flow: str) -> None:
        self._flow = flow
        self.numbers = numbers = meter_of(flow)
        self.parts = {
            part: numbers.histogram(FLOW_TRANSACTION_SECONDS, flow, part) for part in PARTS[flow]
        }
        self._size = numbers.histogram(FLOW_TRANSACTION_MESSAGES, flow)
        self._applied = numbers.counter(FLOW_MESSAGES, flow, "applied")
        self._lags: dict[int, Lag] = {}
        self._watches: dict[int, LagWatch] = {}
        if flow in FLOW_HINTS.processes:
            self._hints = {
                sent: numbers.counter(FLOW_HINTS, flow, "sent" if sent else "lost")
                for sent in (True, False)
            }
        if flow in FLOW_DEAD_LETTERS.processes:
            self._duplicates = numbers.counter(FLOW_MESSAGES, flow, "duplicate")
            self._dead = numbers.counter(FLOW_MESSAGES, flow, "dead_letter")
            self._erased = numbers.counter(FLOW_MESSAGES, flow, "erased")

    def lag(self, partition: int) -> Lag:
        """The one of a partition."""
        if partition not in self._lags:
            lag = self._lags[partition] = Lag()
            labels = self._flow, str(partition)
            self.numbers.gauge(FLOW_LAG_EVENTS, *labels).follow(lambda: lag.events)
            self.numbers.gauge(FLOW_LAG_SECONDS, *labels).follow(lambda: lag.seconds)
        return self._lags[partition]

    def stopwatch(self) -> Stopwatch:
        """Over the parts of a transaction."""
        return Stopwatch(self.parts)

    def transaction(self, messages: int) -> None:
        """A transaction with so many messages was committed."""
        self._size.observe(messages)

    def progress(self, places: Mapping[int, tuple[int, int]]) -> None:
        """How far a reader of the log is: partition → rows' offsets that are applied, and all."""
        for partition, (applied, end) in places.items():
            if partition not in self._watches:
                watch = self._watches[partition] = LagWatch()
                self._expose(partition, watch)
            self._watches[partition].look(time.time(), applied, end)

    def rows(self, read: int, applied: int) -> None:
        """A transaction with so many rows of the log was committed; some may not concern it."""
        self.transaction(read)
        self._applied.add(applied)

    def _expose(self, partition: int, watch: LagWatch) -> None:
        labels = self._flow, str(partition)
        self.numbers.gauge(FLOW_LAG_EVENTS, *labels).follow(lambda: watch.events)
        self.numbers.gauge(FLOW_LAG_SECONDS, *labels).follow(lambda: watch.seconds_at(time.time()))

    def committed(self, counts: Counts) -> None:
        """What became of messages."""
        self._applied.add(counts.applied)
        self._duplicates.add(counts.duplicates)
        self._dead.add(counts.dead_lettered)
        self._erased.add(counts.erased)

    def dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        """Why some of them are dead letters."""
        for letter in letters:
            labels = dead_letter_field(letter.field), dead_letter_reason(letter.reason)
            self.numbers.counter(FLOW_DEAD_LETTERS, self._flow, *labels).add()

    def hint(self, sent: bool) -> None:  # noqa: FBT001 - what `Publisher.publish` returns
        """Redis took a hint, or did not."""
        self._hints[sent].add()

    def serve(self, host: str, port: int) -> None:
        """Serve `/metrics` until the process ends; nothing on port 0.

        Raises:
            UsageError: something listens on the port, or we may not.
        """
        if port:
            serve_metrics(self.numbers, host, port)

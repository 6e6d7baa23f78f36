"""A seeded load, what of it the broker acknowledged, and what must have become of it."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from flows.interactions import TOPIC
from tests.support import DAY_MS

ITEMS = 30
UNKNOWN_ITEMS = 3
"""Items that the catalogue does not have (yet): their events wait."""
ACTIONS = ("view", "click", "like", "dislike", "purchase", "rating")
POISON = (b"", b"{", b"\xff\xfe", b"[1]", b'{"event_id": 1}', b"[" * 5_000)
LATE_MS = 90 * 86_400_000

Place = tuple[int, int, int]
"""Number of the topic's log (from 0), partition, offset (negative where it is not known)."""

Acknowledged = Callable[[KafkaError | None, Message], None]


def counted_as(user: str, merged: Mapping[str, str]) -> str:
    """The user whose events these are in the end."""
    while user in merged:
        user = merged[user]
    return user


@dataclass(slots=True)
class Ledger:
    """What the broker acknowledged, and where."""

    good: dict[Place, tuple[str, str]] = field(default_factory=dict)  # user, event id
    again: dict[Place, bytes] = field(default_factory=dict)
    poison: dict[Place, bytes | None] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    """Users who count as another one by now."""
    cuts: dict[tuple[int, str], int] = field(default_factory=dict)
    """Partition and user → the offset before which the user's events are nobody's."""
    refused: int = 0
    log: int = 0
    """The topic's log now: each time that it is made anew it has another one."""

    def expected(self) -> Counter[tuple[str, str]]:
        """User and event id of every event that must be applied, each once."""
        return Counter(
            (counted_as(user, self.merged), name)
            for (_, partition, offset), (user, name) in self.good.items()
            if offset >= self.cuts.get((partition, user), 0)
        )

    @property
    def gone(self) -> int:
        """Events whose users were erased behind them."""
        return len(self.good) - self.expected().total()

    def dead_letters(self) -> Counter[tuple[int, int, bytes | None]]:
        """Log, partition and payload of every message that must become a dead letter."""
        return Counter((log, partition, raw) for (log, partition, _), raw in self.poison.items())

    @property
    def repeated(self) -> int:
        """Messages that came a second time."""
        return len(self.again)

    @property
    def size(self) -> int:
        """Messages in the log."""
        return len(self.good) + len(self.poison) + self.repeated

    def forget(self, partition: int, low: int, high: int) -> None:
        """These offsets were deleted before anybody read them."""
        for offset in range(low, high):
            place = self.log, partition, offset
            lost = self.good.pop(place, None)
            self.again.pop(place, None)
            self.poison.pop(place, None)
            following = self.log, partition, offset + 1
            if lost is not None and self.again.pop(following, None) is not None:
                self.good[following] = lost

    def last_offsets(self) -> dict[int, int]:
        """The last offset of each partition of the topic as it is now."""
        last: dict[int, int] = {}
        for log, partition, offset in (*self.good, *self.again, *self.poison):
            if log == self.log:
                last[partition] = max(offset, last.get(partition, 0))
        return last


@dataclass(frozen=True, slots=True)
class Mix:
    """What a load is made of; shares are of all messages.

    Args:
        partitions: of the topic.
        users: names u0, u1, …
        poison: share of messages that are no events.
        repeated: share of messages that come twice in a row, with the same event id.
        hot: share of the events that are user u0's.
        everywhere: a user's events go to any partition, instead of always the same one.
        late: share of the events whose time is up to 90 days earlier.
    """

    partitions: int = 2
    users: int = 40
    poison: float = 0.01
    repeated: float = 0.02
    hot: float = 0.0
    everywhere: bool = False
    late: float = 0.2


class Load:
    """Produces messages and keeps the ledger; the same seed gives the same messages."""

    def __init__(self, seed: int, mix: Mix, bootstrap: str, *, idempotent: bool = False) -> None:
        self.random, self.mix, self.ledger = random.Random(seed), mix, Ledger()
        self._count = 0
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "message.max.bytes": 8 << 20,
                "acks": "all",
                "enable.idempotence": idempotent,
                "linger.ms": 5,
                "message.timeout.ms": 120_000,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

    def produce(self, messages: int) -> None:
        """Hand over that many messages, and some of them twice; `flush` waits for them."""
        for _ in range(messages):
            self._count += 1
            if self.random.random() < self.mix.poison:
                partition = self.random.randrange(self.mix.partitions)
                self.send_poison(partition, self.random.choice(POISON))
            else:
                self._produce_event()

    def send_event(self, partition: int, **fields: Any) -> bytes:
        """One event with these fields; it must be applied. Returns its bytes."""
        event = self._event() | fields
        raw = json.dumps(event).encode()
        self._send(partition, raw, self.expect_event(event["user_id"], event["event_id"]))
        return raw

    def expect_event(self, user: str, event_id: str) -> Acknowledged:
        """Once acknowledged, the event must be applied."""
        return self._keep(self.ledger.good, (user, event_id))

    def event_bytes(self, **fields: Any) -> bytes:
        """An event with these fields, not sent."""
        return json.dumps(self._event() | fields).encode()

    def send_again(self, partition: int, raw: bytes) -> None:
        """The bytes of an event that was sent before; it must be dropped."""
        self._send(partition, raw, self._keep(self.ledger.again, raw))

    def send_poison(self, partition: int, raw: bytes | None) -> None:
        """A message that must become a dead letter."""
        self._send(partition, raw, self._keep(self.ledger.poison, raw))

    def new_log(self) -> None:
        """The topic was made anew."""
        self.ledger.log += 1

    def widen(self, partitions: int) -> None:
        """The topic has more partitions now."""
        self.mix = replace(self.mix, partitions=partitions)
        while len(self._producer.list_topics(TOPIC).topics[TOPIC].partitions) < partitions:
            time.sleep(0.05)

    def flush(self) -> None:
        """Wait until the broker has acknowledged everything."""
        left = self._producer.flush(120)
        assert left == 0, f"{left} messages were not acknowledged"
        assert not self.ledger.refused, f"{self.ledger.refused} messages were refused"

    def _produce_event(self) -> None:
        event = self._event()
        spread = self.random.randrange(self.mix.partitions)
        home = int(event["user_id"][1:]) % self.mix.partitions
        partition = spread if self.mix.everywhere else home
        raw = self.send_event(partition, **event)
        if self.random.random() < self.mix.repeated:
            self.send_again(partition, raw)

    def _event(self) -> dict[str, Any]:
        mix, draw = self.mix, self.random
        late = draw.randrange(LATE_MS) if draw.random() < mix.late else draw.randrange(60_000)
        number = 0 if draw.random() < mix.hot else draw.randrange(mix.users)
        return {
            "event_id": f"e{self._count}-{draw.getrandbits(32):x}",
            "user_id": f"u{number}",
            "item_id": f"i{draw.randrange(ITEMS + UNKNOWN_ITEMS)}",
            "action": draw.choice(ACTIONS),
            "ts": DAY_MS + 1_000 * self._count - late,
            "value": draw.randint(1, 5),
        }

    def _keep(self, places: dict[Place, Any], what: Any) -> Acknowledged:
        ledger = self.ledger

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                ledger.refused += 1
                return
            offset = message.offset()
            if offset is None:  # a retry of what the broker had already
                offset = -len(places) - 1
            places[ledger.log, message.partition(), offset] = what

        return acknowledged

    def _send(self, partition: int, raw: bytes | None, acknowledged: Acknowledged) -> None:
        while True:
            try:
                self._producer.produce(TOPIC, raw, partition=partition, on_delivery=acknowledged)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

"""Events and items for Vane's topics, checked before they are sent."""

import uuid
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import msgspec

from schemas.events import InteractionEvent, ProductUpdate
from vane.catalogue import convert_update
from vane.client.topic import Keyed, TopicWriter
from vane.errors import InvalidEvent
from vane.interaction import convert_interaction, validate_interaction
from vane.tuning import Tuning

EVENTS, ITEMS = "user-interactions", "product-updates"
MESSAGE_BYTES_MAX = 1 << 20


class Producer:
    """Writes events and items, acknowledged by all replicas, never twice, in their order by key.

    Keys go to the partitions that Java's producers choose. Nothing waits in `track` and
    `update_item` while there is room; `flush` and the end of a `with` block wait for everything.

    Args:
        bootstrap: Kafka brokers, host:port, comma-separated.
        tuning: knows the actions, where a site has its own.

    Example:
        >>> with Producer("localhost:9092") as producer:  # doctest: +SKIP
        ...     producer.update_item({"item_id": "p1", "title": "Trail shoe"})
        ...     producer.track({"user_id": "ada", "item_id": "p1", "action": "view"})
    """

    def __init__(self, bootstrap: str, tuning: Tuning | None = None) -> None:
        self._bootstrap, self._tuning = bootstrap, tuning or Tuning()
        self._writers: dict[str, TopicWriter] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.flush()

    def track(self, event: InteractionEvent | Mapping[str, Any]) -> str:
        """Send one thing that a user did; its id, a new one where it has none.

        Raises:
            InvalidEvent: Vane would refuse it; names field and reason. Nothing was sent.
            Unavailable: the brokers refused an earlier message, or did not answer in time.
        """
        if not isinstance(event, InteractionEvent):
            now = {"event_id": uuid.uuid4().hex, "ts": datetime.now(UTC)}
            event = convert_interaction({**now, **event})
        validate_interaction(event, self._tuning)
        self._send(EVENTS, event.user_id, event)
        return event.event_id

    def update_item(self, update: ProductUpdate | Mapping[str, Any]) -> None:
        """Send what an item is now; errors as `track`."""
        if not isinstance(update, ProductUpdate):
            update = convert_update(update)
        self._send(ITEMS, update.item_id, update)

    def flush(self) -> int:
        """Wait until the brokers have everything; how many messages they have taken so far.

        Raises:
            Unavailable: as `track`.
        """
        for writer in self._writers.values():
            deque(writer.flush(), maxlen=0)
        return sum(writer.acknowledged for writer in self._writers.values())

    def _send(self, topic: str, key: str, message: InteractionEvent | ProductUpdate) -> None:
        value = msgspec.json.encode(message)
        if len(value) > MESSAGE_BYTES_MAX:
            raise InvalidEvent("$", f"larger than {MESSAGE_BYTES_MAX} bytes")
        writer = self._writers.get(topic)
        if writer is None:
            writer = TopicWriter(self._bootstrap, topic, MESSAGE_BYTES_MAX)
            self._writers[topic] = writer
        writer.send([Keyed(key.encode(), value)])

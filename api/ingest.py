"""Events from HTTP to Kafka: checked one by one, acknowledged by the broker, named by a token."""

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from api.waiting import Token
from schemas.events import InteractionEvent
from schemas.responses import RejectedEvent
from vane import traces
from vane.errors import InvalidEvent, InvalidRequest, OperatorNeeded, Unavailable
from vane.interaction import convert_interaction, validate_interaction
from vane.kafka_admin import describe_topic
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.positions import find_log
from vane.tuning import Tuning

TOPIC = "user-interactions"
EVENTS_MAX = 1_000
"""In one request."""
BODY_BYTES_MAX = 4 << 20
DELIVERY_TIMEOUT_MS = 5_000
LOOKUP_TIMEOUT_S = 3.0
QUEUE_EVENTS_MAX = 100_000
"""On their way to the broker, of all requests."""
LINGER_MS = 2
LOG_FRESH_S = 10.0
"""A topic may be recreated: its log is looked up again this often."""
FLUSH_TIMEOUT_S = 6.0
REFUSED = {
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
    KafkaError.UNKNOWN_PRODUCER_ID,
}
"""The broker does not know the idempotent producer any more; librdkafka would try for ever."""

_log = logging.getLogger(__name__)


def parse_events(
    body: bytes, tuning: Tuning, *, stamp: bool = True
) -> tuple[list[InteractionEvent], list[RejectedEvent]]:
    """`check_events` of a request body: one event, or `{"events": [...]}`.

    Raises:
        InvalidRequest: the body as a whole cannot be read, or has not 1 to `EVENTS_MAX` events.
    """
    return check_events(_values(body), tuning, stamp=stamp)


def check_events(
    values: Sequence[Any], tuning: Tuning, *, stamp: bool = True
) -> tuple[list[InteractionEvent], list[RejectedEvent]]:
    """The valid events in their order, and why the others are refused.

    Args:
        values: decoded JSON.
        tuning: knows the actions.
        stamp: whether an event without `ts` happened now.

    Raises:
        InvalidRequest: they are not 1 to `EVENTS_MAX`.
    """
    if not 1 <= len(values) <= EVENTS_MAX:
        raise InvalidRequest("events", f"expected an array of 1 to {EVENTS_MAX} events")
    accepted, rejected = [], []
    for index, value in enumerate(values):
        try:
            event = convert_interaction(_completed(value, stamp=stamp))
            validate_interaction(event, tuning)
            accepted.append(event)
        except InvalidEvent as error:
            rejected.append(RejectedEvent(index, error.field, error.reason))
    return accepted, rejected


def _values(body: bytes) -> list[Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest("$", f"not JSON: {error}") from None
    except RecursionError:
        raise InvalidRequest("$", "nested too deep") from None
    if not isinstance(value, dict):
        raise InvalidRequest("$", 'expected an event or {"events": [...]}')
    if "events" not in value:
        return [value]
    events = value["events"]
    if not isinstance(events, list):
        raise InvalidRequest("events", f"expected an array of 1 to {EVENTS_MAX} events")
    return events


def _completed(value: Any, *, stamp: bool) -> Any:
    """The event with an id and a time, which a sender may leave out."""
    event = value
    if isinstance(value, dict) and "specversion" in value:
        event = value.get("data")
    if isinstance(event, dict):
        event.setdefault("event_id", uuid.uuid4().hex)
        if stamp:
            event.setdefault("ts", datetime.now(UTC).isoformat())
    return value


class EventLog:
    """Appends events to the topic; idempotent, acknowledged by all replicas.

    Args:
        settings: brokers and database, which knows the topic's log.
        topic: where the events go.
    """

    def __init__(self, settings: Settings, topic: str = TOPIC) -> None:
        self._settings, self._topic = settings, topic
        self._producer = _producer(settings)
        self._log: tuple[int, float] | None = None
        self._lookup: asyncio.Task[int] | None = None
        self._closing, self._broken = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve_callbacks, name="kafka", daemon=True)
        self._thread.start()

    async def append(self, events: Sequence[InteractionEvent]) -> Token:
        """Write all events and wait for the broker's word on each.

        Raises:
            Unavailable: the broker did not confirm them all in time; they may be written or not.
        """
        log_id = await self.log_id()
        messages = [(event.user_id.encode(), msgspec.json.encode(event)) for event in events]
        return Token(log_id, await self.deliver(self._topic, messages))

    async def deliver(
        self, topic: str, messages: Sequence[tuple[bytes, bytes]]
    ) -> Mapping[int, int]:
        """Write messages, each with its key; the offset behind the last one of each partition.

        Raises:
            Unavailable: as `append`.
        """
        batch = _Batch(len(messages), asyncio.get_running_loop(), self._broken)
        named = {"messaging.system": "kafka", "messaging.destination.name": topic}
        with traces.stage(f"send {topic}", "producer", named):
            self._send(topic, messages, batch)
            try:
                await asyncio.wait_for(batch.done, DELIVERY_TIMEOUT_MS / 1e3 + 1)
            except TimeoutError:
                raise Unavailable("Kafka did not acknowledge in time") from None
        return batch.offsets

    def offer(self, topic: str, key: bytes, value: bytes) -> bool:
        """Write a message that may be lost, without waiting; whether there was room for it."""
        try:
            self._producer.produce(topic, value, key)
        except (BufferError, KafkaException):
            return False
        return True

    def _send(self, topic: str, messages: Sequence[tuple[bytes, bytes]], batch: "_Batch") -> None:
        """All of them or none: the queue has room, or it has not."""
        if len(self._producer) + len(messages) > QUEUE_EVENTS_MAX:
            raise Unavailable("Kafka takes no more events now: too many wait for it")
        carried = traces.headers()
        try:
            for key, value in messages:
                self._producer.produce(
                    topic, value, key, on_delivery=batch.delivered, headers=carried
                )
        except (BufferError, KafkaException) as error:
            raise Unavailable(f"Kafka takes no more events now: {error}") from error

    async def log_id(self) -> int:
        """The log that the topic is now; looked up again in the background when it gets old.

        Raises:
            Unavailable: it was never found, and Kafka or PostgreSQL does not answer now.
        """
        if self._log is None or time.monotonic() - self._log[1] > LOG_FRESH_S:
            if self._lookup is None or self._lookup.done():
                self._lookup = asyncio.create_task(asyncio.to_thread(self._find_log))
                self._lookup.add_done_callback(_retrieve)
            if self._log is None:
                return await self._first_lookup(self._lookup)
        return self._log[0]

    async def _first_lookup(self, lookup: "asyncio.Task[int]") -> int:
        try:
            return await asyncio.wait_for(asyncio.shield(lookup), LOOKUP_TIMEOUT_S)
        except TimeoutError:
            raise Unavailable("Kafka did not describe its topic in time") from None

    async def ping(self) -> None:
        """Whether a broker answers within a second.

        Raises:
            Unavailable: none does.
        """
        try:
            await asyncio.to_thread(self._producer.list_topics, self._topic, timeout=1.0)
        except KafkaException as error:
            raise Unavailable(f"Kafka: {error.args[0].str()}") from None

    async def close(self) -> None:
        """Deliver what is on its way, then stop."""
        await asyncio.to_thread(self._producer.flush, FLUSH_TIMEOUT_S)
        self._closing.set()
        await asyncio.to_thread(self._thread.join)

    def _find_log(self) -> int:
        try:
            identity, _ = describe_topic(self._settings.kafka_bootstrap, self._topic)
            with connect(self._settings, "vane api") as connection:
                log_id = find_log(connection, identity)
        except OperatorNeeded as error:
            self._log = None
            raise Unavailable(str(error)) from error
        self._log = (log_id, time.monotonic())
        return log_id

    def _serve_callbacks(self) -> None:
        while not self._closing.is_set():
            try:
                self._producer.poll(0.1)
            except KafkaException:  # fatal, as when a broker has lost its topics
                self._broken.set()
            if self._broken.is_set():
                _log.warning("a new Kafka producer takes the place of one that was refused")
                self._broken.clear()
                self._producer = _producer(self._settings)


def _producer(settings: Settings) -> Producer:
    return Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": LINGER_MS,
            "partitioner": "murmur2_random",
            "message.timeout.ms": DELIVERY_TIMEOUT_MS,
            "queue.buffering.max.messages": QUEUE_EVENTS_MAX,
            "reconnect.backoff.max.ms": 1_000,
            "socket.keepalive.enable": True,
            "log_level": 0,
        }
    )


class _Batch:
    """Collects the broker's word on each event of a request; filled by the callback thread."""

    def __init__(
        self, count: int, loop: asyncio.AbstractEventLoop, broken: threading.Event
    ) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self.offsets: dict[int, int] = {}
        self._left, self._loop, self._broken = count, loop, broken
        self._error: KafkaError | None = None

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if error is None and partition is not None and offset is not None:
            self.offsets[partition] = max(self.offsets.get(partition, 0), offset + 1)
        else:
            self._error = error
            if error is not None and error.code() in REFUSED:
                self._broken.set()
        self._left -= 1
        if self._left == 0:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if self.done.done():
            return
        if self._error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(Unavailable(f"Kafka: {self._error.str()}"))


def _retrieve(lookup: "asyncio.Task[int]") -> None:
    """A failed lookup is reported to those who wait for it, not at its deletion."""
    if not lookup.cancelled():
        lookup.exception()

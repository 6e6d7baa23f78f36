"""A whole Vane that an evaluation talks to as a site would: Kafka in, HTTP out."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import quote, urlsplit

import msgspec
import numpy as np

from vane.cli.applied import Target, wait_applied
from vane.cli.context import ADDRESSES, own_command
from vane.cli.site_log import SiteLog, item_message
from vane.client.topic import Keyed, TopicWriter
from vane.contest import Answer, listed
from vane.embedded.folder import DataFolder, Endpoints
from vane.errors import Unavailable, UsageError
from vane.evaluation import LENGTH_LONG
from vane.interaction import TREND_SLOTS
from vane.kafka_admin import describe_topic
from vane.settings import Settings, variable
from vane.store.connection import Connection, translated
from vane.store.positions import find_log
from vane.store.slot_log import PARTS, read_log_spans, slot_flow

ITEMS_TOPIC, EVENTS_TOPIC = "product-updates", "user-interactions"
POLL_S = 0.02
SETTLE_S = 0.12
"""API processes have new trends so soon after they were committed."""

START_S = 240.0
STOP_S = 120.0
REQUEST_TIMEOUT_S = 30.0

SCRATCH = {"clock": "event", "cache_ttl_ms": "0", "trends_flush_ms": "20", "access": "open"}
"""Settings of a Vane of our own: in a replay an old event is now, and a second may be hours."""

Told = Callable[[str, int, int], None]
"""Is told of a step: its name, how many are done, of how many."""


class System(Protocol):
    """What an evaluation asks of a Vane."""

    def add_items(self, messages: Sequence[Keyed]) -> None:
        """Produce items, and wait until they can be recommended."""

    def add_events(self, messages: Sequence[Keyed]) -> None:
        """Produce events, and wait until the lists show it."""

    def tune(self) -> None:
        """Learn from what has happened."""

    def recommend(self, user: str) -> list[str]:
        """The best items for a user now, at most LENGTH_LONG."""


class LiveContender:
    """Vane through its own front doors; see `vane.contest.Contender`."""

    name = "vane"

    def __init__(self, log: SiteLog, system: System) -> None:
        """Args: what happens, and an empty Vane."""
        self._log, self._system = log, system
        self._number = {item: place for place, item in enumerate(log.ids)}
        self._said = self._happened = 0

    def begin(self, count: int) -> None:
        """Load the catalogue and the first events, and tune."""
        self._system.add_items([item_message(item) for item in self._log.catalogue])
        self._happened = count
        self._catch_up()
        self._system.tune()

    def learn(self, low: int, high: int) -> None:  # noqa: ARG002
        """What happened is produced before the next question, all at once."""
        self._happened = high

    def answer(self, row: int) -> Answer:
        """The list of the API."""
        self._catch_up()
        user = self._log.users[int(self._log.events.user[row])]
        shown = [self._number[item] for item in self._system.recommend(user)]
        return listed(np.array(shown, np.int64), int(self._log.events.item[row]))

    def _catch_up(self) -> None:
        if self._said < self._happened:
            self._system.add_events(self._log.messages[self._said : self._happened])
            self._said = self._happened


class LiveSystem:
    """A running `vane up`."""

    def __init__(
        self, endpoints: Endpoints, settings: Settings, connection: Connection, told: Told
    ) -> None:
        """Args: where it serves, settings with its addresses, its database, who is told.

        Raises:
            UsageError: it has events already.
        """
        if any(span.next_offset > span.start_offset for span in read_log_spans(connection)):
            raise UsageError("this Vane has events already: an evaluation needs an empty one")
        self._settings, self._connection, self._told = settings, connection, told
        self._api, self._key = urlsplit(endpoints.api), endpoints.admin_key
        self._writers: dict[str, tuple[TopicWriter, int]] = {}

    def add_items(self, messages: Sequence[Keyed]) -> None:
        """Produce items, and wait until they are embedded."""
        self._add(ITEMS_TOPIC, messages, ["catalog"], "items")
        time.sleep(SETTLE_S)

    def add_events(self, messages: Sequence[Keyed]) -> None:
        """Produce events, and wait until they are in vectors, trends and the API's memory."""
        slots = [slot_flow(part, slot) for part in PARTS for slot in range(TREND_SLOTS)]
        self._add(EVENTS_TOPIC, messages, ["interactions", *slots], "events")
        time.sleep(SETTLE_S)

    def tune(self) -> None:
        """`vane tune`, in a process of its own as on any site.

        Raises:
            Unavailable: it failed; with its last line.
        """
        self._told("tuning", 0, 1)
        addresses = {variable(name): getattr(self._settings, name) for name in ADDRESSES}
        environ = {**os.environ, **addresses, variable("clock"): "event"}
        done = subprocess.run(
            own_command("tune", "--json"), env=environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Unavailable(f"vane tune: {(done.stderr.splitlines() or ['failed'])[-1]}")
        self._told("tuning", 1, 1)

    def recommend(self, user: str) -> list[str]:
        """What the API answers now.

        Raises:
            Unavailable: it does not, or not with a list.
        """
        path = f"/v1/users/{quote(user, safe='')}/recommendations?limit={LENGTH_LONG}"
        assert self._api.hostname is not None
        http = HTTPConnection(self._api.hostname, self._api.port, timeout=REQUEST_TIMEOUT_S)
        try:
            with closing(http):
                http.request("GET", path, headers={"X-API-Key": self._key})
                answer = http.getresponse()
                body = answer.read()
        except (OSError, HTTPException) as error:
            raise Unavailable(f"the API does not answer: {error}") from error
        if answer.status != 200:  # noqa: PLR2004
            raise Unavailable(f"the API answers {answer.status}: {body[:200]!r}")
        return [item["item_id"] for item in msgspec.json.decode(body)["items"]]

    def _add(self, topic: str, messages: Sequence[Keyed], flows: list[str], noun: str) -> None:
        writer, log_id = self._writer(topic)
        for _ in writer.write(messages):
            pass
        target = Target(log_id, writer.ends)
        total = len(messages)
        for missing in wait_applied(self._connection, target, flows, sleep=_nap):
            self._told(noun, max(0, total - missing), total)

    def _writer(self, topic: str) -> tuple[TopicWriter, int]:
        if topic not in self._writers:
            bootstrap = self._settings.kafka_bootstrap
            identity, _ = describe_topic(bootstrap, topic)
            with translated():
                log_id = find_log(self._connection, identity)
            writer = TopicWriter(bootstrap, topic, self._settings.event_bytes_max)
            self._writers[topic] = writer, log_id
        return self._writers[topic]


@contextmanager
def scratch_vane() -> Iterator[Endpoints]:
    """A Vane of our own in a folder that is deleted at the end, by the clock of the events.

    Raises:
        Unavailable: it did not start; with its last line.
    """
    own = {variable(name): value for name, value in SCRATCH.items()}
    with (
        tempfile.TemporaryDirectory(prefix="vane-evaluate-") as folder,
        tempfile.TemporaryFile("w+") as output,
    ):
        process = subprocess.Popen(
            own_command("up", "--no-demo", "--port", "0", "--data-dir", folder),
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _ready(process, DataFolder(Path(folder)), output)
        finally:
            _stop(process)


def addressed(settings: Settings, endpoints: Endpoints) -> Settings:
    """The settings with these addresses, by the clock of the events."""
    addresses = {name: getattr(endpoints, key) for name, key in ADDRESSES.items()}
    return replace(settings, clock="event", **addresses)


def _ready(process: "subprocess.Popen[bytes]", folder: DataFolder, output: IO[str]) -> Endpoints:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        endpoints = folder.read_endpoints()
        if endpoints is not None:
            return endpoints
        time.sleep(0.1)
    output.seek(0)
    raise Unavailable(f"vane up did not start: {(output.read().splitlines() or ['no word'])[-1]}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to end; what it has not read by now is of no use."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _nap(_seconds: float) -> None:
    time.sleep(POLL_S)

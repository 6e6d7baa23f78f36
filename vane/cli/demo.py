"""Loads the demo catalogue into a running `vane up`, as a service upstream would."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from schemas.events import ProductUpdate
from vane.cli.applied import Target, wait_applied
from vane.client.topic import Keyed, TopicWriter
from vane.demo import demo_items
from vane.errors import VaneError
from vane.kafka_admin import describe_topic
from vane.settings import Settings
from vane.store.catalog import read_items
from vane.store.connection import Connection, connect, translated
from vane.store.positions import find_log

TOPIC = "product-updates"
MARKER = "demo-loaded"
"""A data folder with this file has had the whole catalogue: what is deleted then stays so."""

FIRST_WAVE_ITEMS = 64
"""Committed before the rest is sent: the page shows something within a second."""


@dataclass(frozen=True, slots=True)
class DemoLoader:
    """Produces what the catalogue lacks of the demo items, and waits until it is embedded.

    Args:
        settings: with the addresses of the running servers.
        folder: data folder of `vane up`.
        say: writes a line for the person at the terminal.
        live_line: opens a line that is written over and over.
        stopped: whether to end early; the next start goes on then.
    """

    settings: Settings
    folder: Path
    say: Callable[[str], None]
    live_line: Callable[[], AbstractContextManager[Callable[[str], None]]]
    stopped: Callable[[], bool]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within, the catalogue is loaded in the background."""
        thread = threading.Thread(target=self._load_or_tell, name="demo", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def load(self) -> None:
        """Load the catalogue, unless this folder has had it.

        Raises:
            Unavailable: a server does not answer, or the catalogue flow stands still.
        """
        if (self.folder / MARKER).exists():
            return
        with connect(self.settings, "vane up") as connection:
            missing = missing_items(connection)
            if missing and not self._embedded(connection, missing):
                return
        (self.folder / MARKER).touch()

    def _load_or_tell(self) -> None:
        try:
            self.load()
        except VaneError as error:
            if not self.stopped():
                self.say(f"Demo catalogue: {error}; the next start loads the rest")

    def _embedded(self, connection: Connection, items: Sequence[ProductUpdate]) -> bool:
        """Produce items and wait for them; False where that was stopped."""
        self.say(f"Demo catalogue: {len(items):,} items are being embedded, use Vane meanwhile")
        started = time.monotonic()
        with self.live_line() as show:
            for done in self._deliver(connection, items):
                if self.stopped():
                    return False
                show(progress(done, len(items), time.monotonic() - started))
        seconds = time.monotonic() - started
        self.say(f"Demo catalogue: {len(items):,} items embedded in {seconds:.0f} s")
        return True

    def _deliver(self, connection: Connection, items: Sequence[ProductUpdate]) -> Iterator[int]:
        """Produce items in two waves; yields, now and then, how many are embedded."""
        writer = TopicWriter(self.settings.kafka_bootstrap, TOPIC, self.settings.event_bytes_max)
        identity, _ = describe_topic(self.settings.kafka_bootstrap, TOPIC)
        with translated():
            log_id = find_log(connection, identity)
        embedded = 0
        for wave in filter(None, (items[:FIRST_WAVE_ITEMS], items[FIRST_WAVE_ITEMS:])):
            for _ in writer.write(messages(wave)):
                yield embedded
            for left in wait_applied(connection, Target(log_id, writer.ends), ["catalog"]):
                embedded = max(0, writer.acknowledged - left)
                yield embedded


def missing_items(connection: Connection) -> list[ProductUpdate]:
    """The demo items that the catalogue does not have, in their order."""
    items = list(demo_items(datetime.now(UTC).date()))
    with translated():
        known = read_items(connection, [item.item_id for item in items])
    return [item for item in items if item.item_id not in known]


def messages(items: Sequence[ProductUpdate]) -> Iterator[Keyed]:
    """The items as messages of `product-updates`."""
    for item in items:
        yield Keyed(item.item_id.encode(), msgspec.json.encode(item))


def progress(done: int, total: int, seconds: float) -> str:
    """As "Demo catalogue: 640 of 1,820 items embedded, 210/s, about 6 s left"."""
    text = f"Demo catalogue: {done:,} of {total:,} items embedded"
    if not done:
        return text
    rate = done / seconds
    return f"{text}, {rate:,.0f}/s, about {(total - done) / rate:.0f} s left"

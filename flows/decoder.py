"""Decodes chunks of interactions; an action that was added just now is no unknown one."""

import logging
from threading import Event

from flows.batch import Batch, decode_chunk
from flows.kafka import Chunk
from flows.live_tuning import LiveTuning
from flows.traced import find_traced
from vane.errors import Unavailable, UnusableTuning
from vane.settings import Settings
from vane.store.connection import connect
from vane.store.tuning import read_tuning
from vane.tuning import Tuning

RETRY_WAIT_S = 0.5

log = logging.getLogger(__name__)


class Decoder:
    """Goes by the tuning that the worker knows; where that lacks an action, by the newest.

    The API accepts an action as soon as it has a weight, and workers look once a second.
    """

    def __init__(self, settings: Settings, tuning: LiveTuning, stop: Event) -> None:
        self._settings, self._tuning, self._stop = settings, tuning, stop

    def __call__(self, chunk: Chunk) -> Batch:
        """The events of a chunk."""
        traced = find_traced(chunk)
        batch = self._decoded(chunk)
        batch.traced = traced
        return batch

    def _decoded(self, chunk: Chunk) -> Batch:
        known, bytes_max = self._tuning.current, self._settings.event_bytes_max
        batch = decode_chunk(chunk, known, bytes_max)
        if not any(letter.field == "action" for letter in batch.dead_letters):
            return batch
        newest = self._newest(known)
        if newest.action_weights == known.action_weights:
            return batch
        return decode_chunk(chunk, newest, bytes_max)

    def _newest(self, known: Tuning) -> Tuning:
        """Waits for PostgreSQL: without it nothing could be committed either."""
        while True:
            try:
                with connect(self._settings, "vane interactions settings") as connection:
                    return read_tuning(connection)[0]
            except UnusableTuning:
                return known
            except Unavailable as error:
                log.warning("%s", error)
                if self._stop.wait(RETRY_WAIT_S):
                    return known

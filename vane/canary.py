"""A made-up user who measures the whole way of an event, again and again."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from vane.client import Vane
from vane.errors import VaneError
from vane.installation_metrics import CANARY_RUNS, CANARY_SECONDS, DEPENDENCY_UP, PROBE_SECONDS
from vane.meter import Meter
from vane.tuning import CANARY

USER = "vane-canary"


class Canary:
    """Sends events without weight, and asks for the list that knows of them.

    Trends, pairs and learning take only events with weight, so the canary leaves no trace there.

    Args:
        api: of the installation.
        numbers: what it measures goes in here.
        limit_s: a list that comes later is late.
        clock: seconds, monotonic.
    """

    def __init__(
        self, api: Vane, numbers: Meter, limit_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api, self._numbers, self._limit_s, self._clock = api, numbers, limit_s, clock
        self._runs = {
            result: numbers.counter(CANARY_RUNS, result) for result in ("shown", "late", "failed")
        }
        self._was_up = False

    def run(self) -> None:
        """One event, all the way; nothing before the API is up and has an item to touch."""
        up, began = self._numbers.gauge(DEPENDENCY_UP, "api"), self._clock()
        try:
            items = self._api.trending(limit=1)
            self._numbers.gauge(PROBE_SECONDS, "api").set(self._clock() - began)
            up.set(1)
            if items:
                self._runs["shown" if self._touch(items[0].item_id) else "late"].add()
            self._was_up = True
        except VaneError:
            up.set(0)
            if self._was_up:
                self._runs["failed"].add()

    def _touch(self, item_id: str) -> bool:
        """Whether the event was shown in time."""
        began = self._clock()
        event = {
            "event_id": uuid.uuid4().hex,
            "user_id": USER,
            "item_id": item_id,
            "action": CANARY,
            "ts": datetime.now(UTC),
        }
        token = self._api.send([event]).token
        self._observe("accepted", began)
        _, applied = self._api.recommend_after(USER, token, wait_ms=int(self._limit_s * 1e3))
        self._observe("served", began)
        return applied and self._clock() - began <= self._limit_s

    def _observe(self, stage: str, began: float) -> None:
        self._numbers.histogram(CANARY_SECONDS, stage).observe(self._clock() - began)

"""Records of `recommendation-log`: lists as they were served, and what of them was seen."""

import time
from collections.abc import Sequence

import msgspec
import numpy as np
import xxhash

from api.ingest import EventLog
from api.recommender import Ranked
from schemas.events import LoggedItem, RecommendationLog
from schemas.requests import SeenList
from schemas.responses import Recommendations
from vane.meter import Count
from vane.retrieval import SOURCES

TOPIC = "recommendation-log"
CERTAIN = 1.0
"""Propensity of a place in a list that is made without chance."""
_HASHES = 2**64


class ListLog:
    """Writes what was served and seen.

    Args:
        log: delivers messages.
        percent: of the lists that are made, those whose serving is recorded; by `request_id`, so
            that every process records the same ones.
        dropped: counts lists that Kafka had no room for.
    """

    def __init__(self, log: EventLog, percent: int, dropped: Count) -> None:
        self._log, self._below, self._dropped = log, percent * _HASHES // 100, dropped

    def served(self, body: Recommendations, ranked: Ranked) -> None:
        """Record a list that was just made, if it is in the sample; never waits."""
        if xxhash.xxh3_64_intdigest(body.request_id.encode()) >= self._below:
            return
        rows = dict(zip(ranked.moment.ids(ranked.rows), ranked.rows.tolist(), strict=True))
        values = ranked.moment.sources.values
        items = []
        for position, item in enumerate(body.items):
            named = np.flatnonzero(np.nan_to_num(values[rows[item.item_id]]))
            sources = [SOURCES[place] for place in named]
            items.append(LoggedItem(item.item_id, position, item.score, sources, CERTAIN))
        record = RecommendationLog(body.request_id, body.user_id, "served", items, time.time())
        if not self._log.offer(TOPIC, *_message(record)):
            self._dropped.add()

    async def seen(self, lists: Sequence[SeenList]) -> None:
        """Record what users saw of their lists.

        Raises:
            Unavailable: the broker did not confirm it in time.
        """
        now = time.time()
        records = [
            RecommendationLog(
                seen.request_id,
                seen.user_id,
                "seen",
                [
                    LoggedItem(item.item_id, item.position, item.score, [], CERTAIN)
                    for item in seen.items
                ],
                now if seen.ts is None else seen.ts,
            )
            for seen in lists
        ]
        await self._log.deliver(TOPIC, [_message(record) for record in records])


def _message(record: RecommendationLog) -> tuple[bytes, bytes]:
    return record.user_id.encode(), msgspec.json.encode(record)

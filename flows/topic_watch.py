"""Notices that a topic is not any more what a flow was started on.

librdkafka goes on at its offset, without a word, in a topic that was deleted and made again, and a
dataflow cannot get more parts while it runs.
"""

import contextlib
from threading import Event, Thread

from vane.errors import Outdated, Unavailable, VaneError
from vane.kafka_admin import describe_topic
from vane.store.positions import TopicIdentity, recreated

LOOK_INTERVAL_S = 1.0


class TopicWatch:
    """Looks at a topic once a second, in a thread of its own.

    Args:
        bootstrap: brokers.
        identity: what the topic was when the flow started …
        partitions: … and its partitions.
        stop: once set, it looks no more.
    """

    def __init__(
        self, bootstrap: str, identity: TopicIdentity, partitions: list[int], stop: Event
    ) -> None:
        self.identity, self.partitions = identity, partitions
        self._bootstrap = bootstrap
        self._found: VaneError | None = None
        self._stop = stop
        Thread(target=self._run, name=f"watch {identity.topic}", daemon=True).start()

    def check(self) -> None:
        """Raise what the last look has found.

        Raises:
            OperatorNeeded: the topic is gone, or another one has its name.
            Outdated: it has other partitions now.
        """
        if self._found is not None:
            raise self._found

    def look(self) -> None:
        """Look now; the broker's silence is no finding.

        Raises:
            OperatorNeeded, Outdated: as for `check`.
        """
        topic = self.identity.topic
        with contextlib.suppress(Unavailable):
            now, partitions = describe_topic(self._bootstrap, topic)
            if now != self.identity:
                raise recreated(now)
            if partitions != self.partitions:
                raise Outdated(
                    f"topic {topic!r} has {len(partitions)} partitions now, not "
                    f"{len(self.partitions)}: start again to read them all"
                )

    def _run(self) -> None:
        while self._found is None and not self._stop.wait(LOOK_INTERVAL_S):
            try:
                self.look()
            except VaneError as error:
                self._found = error

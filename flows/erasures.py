"""Users who were erased, as far as a worker may still meet what they did before."""

from collections.abc import Iterator

from flows.batch import Batch, Place
from vane.interaction import named_users
from vane.store.connection import Connection
from vane.store.erasures import latest_erasure, open_cuts

_Cuts = dict[tuple[int, int], dict[str, int]]


class Erasures:
    """What was produced before a user's erasure is dropped, whenever it is read.

    Hardly ever there is anything to look for: only until the flow has passed the offsets at which
    the user was erased, so for milliseconds, or while it reads a part of the log again.

    Attributes:
        known: the number of the newest erasure that this knows.
        outdated: whether there are newer ones. They are read by whoever plans next, not where they
            are met: that may be in a transaction which has moved the positions already.
    """

    def __init__(self) -> None:
        self.known, self.outdated = 0, True
        self._cuts = _Cuts()

    def load(self, connection: Connection) -> None:
        """Read the tombstones that the flow has not passed."""
        known, cuts = latest_erasure(connection), _Cuts()
        for log_id, partition, user, cut in open_cuts(connection):
            cuts.setdefault((log_id, partition), {})[user] = cut
        self.known, self._cuts, self.outdated = known, cuts, False

    def refresh(self, connection: Connection) -> bool:
        """Read anew where that may change something; returns whether there are new erasures."""
        before = self.known
        if self._cuts or latest_erasure(connection) != before:
            self.load(connection)
        return self.known != before

    def places(self, batch: Batch) -> set[Place]:
        """Messages of the batch that must be dropped: events, and dead letters that name a user."""
        return set(self._places(batch)) if self._cuts else set()

    def _places(self, batch: Batch) -> Iterator[Place]:
        log_id = batch.spans[0].stream.log_id
        places = zip(batch.partition.tolist(), batch.offset.tolist(), strict=True)
        for event, (partition, offset) in zip(batch.events, places, strict=True):
            if offset < self._cuts.get((log_id, partition), {}).get(event.user_id, 0):
                yield partition, offset
        for letter in batch.dead_letters:
            cuts = self._cuts.get((log_id, letter.partition), {})
            users = named_users(letter.key, letter.payload) if cuts else ()
            if any(letter.offset < cuts.get(user, 0) for user in users):
                yield letter.partition, letter.offset

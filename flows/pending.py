"""Events that waited for their item: their terms are added once it has arrived."""

import numpy as np

from flows.kafka import Share
from flows.plan import Changes, index_keys
from flows.state_session import PENDING_EVENTS_MAX, StateSession
from vane.meter import Count
from vane.preference import NO_VECTOR, Events
from vane.store import interactions as store


class PendingResolver:
    """Adds waiting events; whoever deletes the `pending` row adds the term, so it is added once.

    Each process looks after the partitions p of its share, in every log, also in former ones.
    """

    def __init__(self, session: StateSession, share: Share, ended: Count) -> None:
        """Args: with what to add, whose events, and where to count them."""
        self._session, self._share, self._ended = session, share, ended
        self._arrived: set[str] = set()

    def look(self) -> None:
        """Notice the items that got a version since the last look; at first, all that wait."""
        connection = self._session.connection
        changed = self._session.items.refresh(connection)
        if changed is None:
            changed = store.pending_items(connection, *self._partitions)
        self._arrived.update(changed)

    def add_some(self) -> Changes:
        """Add a bounded number of waiting events in one transaction; none are left when empty."""
        if not self._arrived:
            return []
        session = self._session
        with session.lock, session.connection.transaction():
            waiting = store.take_pending(
                session.connection, sorted(self._arrived), *self._partitions, PENDING_EVENTS_MAX
            )
            if not waiting:
                self._arrived = set()
                return []
            items, item = index_keys(event.item_id for event in waiting)
            rows, versions = session.items.find(session.connection, items)
            names = session.resolve(event.user_id for event in waiting)
            users, user = index_keys(names)
            order = np.argsort(user, kind="stable")
            events = Events(
                user=user[order],
                ts_us=np.array([event.ts_us for event in waiting], np.int64)[order],
                weight=np.array([event.weight for event in waiting], np.float32)[order],
                item=np.maximum(rows, NO_VECTOR)[item][order],
                hash=np.zeros(len(waiting), np.uint64),
            )
            plan = session.add_terms(users, events, session.items.matrix)
            store.resolve_interactions(session.connection, waiting, versions[item].tolist())
        self._ended.add(len(waiting))
        return plan.changes

    @property
    def _partitions(self) -> tuple[int, list[int]]:
        return self._share.count, [self._share.index]

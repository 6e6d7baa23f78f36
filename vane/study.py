"""What learning reads: a replica made from the database, and the log as events for it."""

from collections import Counter
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vane.item_table import ItemTable
from vane.learning import first_touches, strong_actions
from vane.replica import Events, Replica
from vane.settings import Settings
from vane.store.connection import Connection
from vane.store.history import Acts, read_item_contents
from vane.store.item_changes import ItemChanges
from vane.store.serving import DIMENSION
from vane.store.tuning import read_tuning
from vane.tuning import Tuning


class Study:
    """A replica that follows the catalogue, and the codes under which it knows users.

    Attributes:
        replica: to apply events to.
        tuning: as it was at the beginning.
        actions: how many first touches of an item by a user were of each action.
    """

    def __init__(self, connection: Connection, tuning: Tuning, *, by_event_clock: bool) -> None:
        self.tuning = tuning
        self.actions: Counter[str] = Counter()
        self.replica = Replica(ItemTable(), half_lives_s=tuning.half_lives_s)
        self._connection, self._changes = connection, ItemChanges(connection)
        self._by_event_clock = by_event_clock
        self._users: dict[str, int] = {}
        self.follow_catalogue()

    @classmethod
    def begin(cls, connection: Connection, settings: Settings) -> Self:
        """Read the catalogue and the tuning; no event is applied yet."""
        tuning, _ = read_tuning(connection)
        return cls(connection, tuning, by_event_clock=settings.clock == "event")

    def follow_catalogue(self) -> None:
        """Take what changed in the catalogue since the last call."""
        table, changed = self.replica.table, False
        for rows in self._changes.read_catalogue():
            rows.put_into(table, by_event_clock=self._by_event_clock)
            changed = True
        if changed:
            self.replica.describe(self._vectors(table))

    def events(self, blocks: Sequence[Acts]) -> tuple[Events, NDArray[np.bool_]]:
        """The acts of all blocks in the order of time, and which of them may be targets, (n,)."""
        names = [action for acts in blocks for action in acts.actions]
        weight = np.concatenate([acts.weight for acts in blocks] or [np.zeros(0)])
        users, table = self._users, self.replica.table
        found = Events(
            user=np.array(
                [users.setdefault(user, len(users)) for acts in blocks for user in acts.users],
                np.int64,
            ),
            item=table.numbers(item for acts in blocks for item in acts.items),
            ts_us=np.concatenate([acts.ts_us for acts in blocks] or [np.zeros(0, np.int64)]),
            weight=weight,
            excluding=np.concatenate([acts.excludes for acts in blocks] or [np.zeros(0, np.bool_)]),
        )
        first = first_touches(found.user, found.item)
        touched = map(self.replica.has_touched, found.user.tolist(), found.item.tolist())
        self.actions.update(
            name
            for name, new, known in zip(names, first, touched, strict=True)
            if new and not known
        )
        strong = strong_actions(self.actions, self.tuning.action_weights)
        wanted = np.array([name in strong for name in names], np.bool_) & (weight > 0)
        order = np.argsort(found.ts_us, kind="stable")
        columns = (getattr(found, name)[order] for name in Events.__slots__)
        return Events(*columns), wanted[order]

    def _vectors(self, table: ItemTable) -> NDArray[np.float32]:
        vectors = np.zeros((len(table), DIMENSION), np.float32)
        for ids, contents in read_item_contents(self._connection):
            numbers = table.numbers(ids)
            known = numbers < len(vectors)  # not an item that came while this was read
            vectors[numbers[known]] = contents[known]
        return vectors

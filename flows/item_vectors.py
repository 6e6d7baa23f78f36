"""The item vectors a worker holds: read from Postgres at a miss, dropped on a new version."""

import numpy as np

from vane.meter import Lookups
from vane.preference import NO_VECTOR, Floats, Ints
from vane.slots import MISSING, Slots
from vane.store.connection import Connection
from vane.store.interactions import changed_items, read_item_contents, snapshot_horizon

UNKNOWN = -2
"""In `rows`: no version of the item exists, so its events must wait."""


class ItemVectors:
    """A bounded cache of the newest item versions, as rows of one float32 matrix."""

    def __init__(self, capacity: int, dimension: int, lookups: Lookups) -> None:
        self._lookups = lookups
        self._slots = Slots(capacity)
        self.matrix: Floats = np.zeros((capacity, dimension), np.float32)
        self._version = np.zeros(capacity, np.int64)
        self._has_content = np.zeros(capacity, bool)
        self._horizon: str | None = None
        self._watching = False

    def find(self, connection: Connection, items: list[str]) -> tuple[Ints, Ints]:
        """Rows in `matrix` (or NO_VECTOR, UNKNOWN) and versions of distinct items.

        A miss is looked up in Postgres before an item is called unknown.
        """
        if self._horizon is None:
            self._horizon = snapshot_horizon(connection)
        slots = self._slots.find(items)
        missing = np.flatnonzero(slots == MISSING)
        self._lookups.count(len(items), len(missing))
        if len(missing):
            pinned = slots[slots != MISSING]
            self._load(connection, [items[row] for row in missing.tolist()], pinned)
            slots[missing] = self._slots.find([items[row] for row in missing.tolist()])
        known = slots != MISSING
        rows = np.where(known, np.where(self._has_content[slots], slots, NO_VECTOR), UNKNOWN)
        return rows, np.where(known, self._version[slots], 0)

    def refresh(self, connection: Connection) -> list[str] | None:
        """Drop the items that got a version since the last call, and return them.

        Nothing is missed: each call begins where all transactions were decided at the last one.
        The first call returns None: any item may have changed.
        """
        since, self._horizon = self._horizon, snapshot_horizon(connection)
        if not self._watching or since is None:
            self._watching = True
            return None
        changed = changed_items(connection, since)
        self._slots.drop(changed)
        return changed

    def clear(self) -> None:
        """Forget everything, for example after a new connection."""
        self._slots.clear()
        self._horizon = None
        self._watching = False

    def _load(self, connection: Connection, items: list[str], pinned: Ints) -> None:
        names, versions, filled, vectors = read_item_contents(
            connection, items, self.matrix.shape[1]
        )
        if names:
            slots = self._slots.assign(names, pinned)
            self._version[slots] = versions
            self._has_content[slots] = filled
            self.matrix[slots[filled]] = vectors

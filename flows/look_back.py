"""The events of a batch with their users' histories, from memory or from the log."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.log_reader import Piece
from vane.histories import ACT, Acts, Histories, LookBack
from vane.interaction import item_slot
from vane.store.connection import Connection
from vane.store.slot_log import LogSpan, Past, read_histories

HISTORY_BYTES_MAX = 64 << 20
"""Users' histories in memory; those of others are read from the log when they come back."""

LOOKUP_USERS = 2_000
"""Histories read from the log by one query."""

Ints = NDArray[np.int64]


class Numbers:
    """Items by number, in the order in which they were met."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._number: dict[str, int] = {}
        self._slots = np.zeros(1_024, np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, items: Sequence[str]) -> Ints:
        """The number of each; those not met before get one."""
        known, number = len(self.ids), self._number
        found = np.array([number.setdefault(item, len(number)) for item in items], np.int64)
        if len(number) > known:
            self.ids += list(number)[known:]
            if len(number) > len(self._slots):
                self._slots = np.concatenate([self._slots, np.zeros(len(number), np.int64)])
            self._slots[known : len(number)] = [item_slot(item) for item in self.ids[known:]]
        return found

    def slots(self, numbers: Ints) -> Ints:
        """The item slot of each number."""
        return self._slots[numbers]


@dataclass(frozen=True, slots=True)
class Seen:
    """A piece of the log whose events have met their users' histories."""

    piece: Piece
    positive: Ints  # (p,) rows with positive weight; the look back is about these
    items: Ints  # (p,) their items' numbers
    look: LookBack

    def counted(self) -> NDArray[np.float64]:
        """Capped weight of every row; 0 without positive weight."""
        counted = np.zeros(len(self.piece.rows.offsets))
        counted[self.positive] = self.look.counted
        return counted

    def earlier(self) -> Ints:
        """Length of the history of every row with positive weight."""
        earlier = np.zeros(len(self.piece.rows.offsets), np.int64)
        earlier[self.positive] = self.look.earlier
        return earlier


class Observer:
    """Holds every event against its user's history."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._histories = Histories[tuple[int, int, str]](HISTORY_BYTES_MAX)
        self.numbers = Numbers()

    def observe(self, piece: Piece) -> Seen:
        """Look back from each event of a piece; pieces of a partition come in their order."""
        rows, span = piece.rows, piece.span
        positive = np.flatnonzero(rows.weight > 0)
        chosen = positive.tolist()
        users = [rows.users[row] for row in chosen]
        items = self.numbers.of([rows.items[row] for row in chosen])
        keys = [(span.log_id, span.partition, user) for user in users]
        if not piece.whole or self._histories.forgotten:
            missing = [user for _, _, user in self._histories.missing(keys)]
            self._read_histories(span, piece.low, missing)
        acts = np.empty(len(items), ACT)
        acts["item"], acts["ts_us"] = items, rows.ts_us[positive]
        acts["weight"] = rows.weight[positive]
        return Seen(piece, positive, items, self._histories.look_back(keys, acts))

    def forget(self) -> None:
        """Make room: everything that is needed again is read from the log."""
        self._histories.clear()
        self.numbers = Numbers()

    def _read_histories(self, span: LogSpan, before: int, users: list[str]) -> None:
        for low in range(0, len(users), LOOKUP_USERS):
            asked = users[low : low + LOOKUP_USERS]
            found = read_histories(self._connection, span, before, asked)
            for user, past in found.items():
                self._histories.put((span.log_id, span.partition, user), self._acts(past))

    def _acts(self, past: list[Past]) -> Acts:
        items, ts_us, weights = zip(*past, strict=True)
        acts = np.empty(len(past), ACT)
        acts["item"], acts["ts_us"], acts["weight"] = self.numbers.of(items), ts_us, weights
        return acts

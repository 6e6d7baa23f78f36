"""What events add to pairs of items, and rows of such pairs. Pure numpy.

Every event of counted weight c on item i is paired with the newest other items j of its user's
history (`vane.histories`), place k = 0 for the newest. It adds, at its time,

    together: c·2^(-k/10) to the pair (i, j) and to (j, i), with half-lives never, 3 d and 6 h
    next:     c·2^(-k) to the transition j → i, for the newest three, with half-life 30 d
    mass:     c to i by the three half-lives, and each transition's share to j
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vane.histories import LookBack

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

DAY_US = 86_400_000_000
HALF_LIVES_US = np.array([np.inf, 3.0, 0.25, 30.0]) * DAY_US
"""Of the four kinds: together never, 3 d, 6 h; next 30 d."""

KINDS = len(HALF_LIVES_US)
NEXT = KINDS - 1
"""The kind of transitions; the others are symmetric."""

PLACE_DECAY = 10.0
"""Places in the window after which a pair weighs half."""

NEXT_PLACES = 3
"""Newest items from which a transition counts."""


@dataclass(frozen=True, slots=True)
class Increments:
    """What events add to rows: m pair weights, and n additions to masses."""

    event: Ints  # (m,) which event it comes from
    row: Ints  # (m,)
    neighbour: Ints  # (m,)
    ts_us: Ints  # (m,)
    together: Doubles  # (m,)
    next: Doubles  # (m,)

    def take(self, chosen: NDArray[np.bool_]) -> "Increments":
        """These alone."""
        return Increments(*(getattr(self, name)[chosen] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Rows:
    """n rows of the items `items`; neighbours and weights of one row after the other."""

    items: Ints  # (n,)
    as_of_us: Ints  # (n,) to which all sums are decayed: the newest event time
    mass: Doubles  # (n, KINDS)
    lost: Doubles  # (n, KINDS)
    counts: Ints  # (n,) neighbours of each row
    neighbours: Ints  # (sum of counts,)
    weights: Floats  # (sum of counts, KINDS)


def increments(items: Ints, ts_us: Ints, look: LookBack) -> Increments:
    """The pair weights that events add, each pair twice: once for the row of either item."""
    counted, event = look.counted[look.event], look.event
    together = counted * np.exp2(-look.place / PLACE_DECAY)
    follows = np.where(look.place < NEXT_PLACES, counted * np.exp2(-look.place), 0.0)
    own = items[event]
    return Increments(
        event=np.concatenate([event, event]),
        row=np.concatenate([own, look.other]),
        neighbour=np.concatenate([look.other, own]),
        ts_us=np.concatenate([ts_us[event]] * 2),
        together=np.concatenate([together, together]),
        next=np.concatenate([np.zeros(len(event)), follows]),
    )

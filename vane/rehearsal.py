"""The log once more, as if live: predict each target from what came before it, then learn."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vane.evaluation import targets
from vane.learning import Learner
from vane.ranking import Model
from vane.replica import Events, Replica
from vane.store.connection import Connection
from vane.store.history import newest_intervals, read_acts
from vane.store.models import Positions
from vane.store.slot_log import read_log_spans
from vane.study import Study

WARM_SHARE = 0.2
"""Of the events: the first ones only fill the replica, which began empty."""

TARGETS_MAX = 12_000
"""Enough for a fit and for a comparison, at some milliseconds each."""

SLICE_EVENTS = 1_000
"""Progress is told this often."""

Advance = Callable[[int], None]


class History(NamedTuple):
    """The newest part of the log.

    Attributes:
        events: in the order of time.
        wanted: (n,) which of them may be targets.
        positions: where the log goes on behind them.
    """

    events: Events
    wanted: NDArray[np.bool_]
    positions: Positions


def read_history(connection: Connection, study: Study, events_max: int) -> History:
    """The newest events of the log, about `events_max`."""
    intervals = newest_intervals(read_log_spans(connection), events_max)
    blocks = [acts for interval in intervals for acts in read_acts(connection, interval)]
    positions = {f"{each.log_id}/{each.partition}": each.high for each in intervals}
    return History(*study.events(blocks), positions)


def rehearse(
    replica: Replica,
    events: Events,
    wanted: NDArray[np.bool_],
    model: Model,
    *,
    seed: int,
    learns: bool,
    advance: Advance = lambda _events: None,
) -> Learner:
    """Replay the events; predict a sample of targets, and learn from them.

    Args:
        replica: with nothing applied yet.
        events: to replay, in the order of time.
        wanted: (n,) which of them may be targets.
        model: learns online from each target's list.
        seed: of the sample, and of the random candidates.
        learns: whether it does.
        advance: is told how many events were replayed.
    """
    count = len(events)
    rows = targets(events, wanted, round(WARM_SHARE * count), count, TARGETS_MAX, seed)
    learner = Learner(replica, model, seed, learns=learns)
    low = 0
    while low < count:
        high = _end_of_moment(events, min(low + SLICE_EVENTS, count))
        chosen = rows[np.searchsorted(rows, low) : np.searchsorted(rows, high)]
        learner.take(events.between(low, high), chosen - low)
        low = high
        advance(low)
    return learner


def _end_of_moment(events: Events, row: int) -> int:
    """The first row from this one on with a time of its own: a basket stays together."""
    return int(np.searchsorted(events.ts_us, events.ts_us[row - 1], "right"))

"""What single sources say of given items, whichever source named them. Pure numpy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vane.item_table import ItemTable
from vane.popularity import COLD, COLUMNS, HALF_LIVES_S, HEATS, SEGMENT_HEATS

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_RATES = 1.0 / np.array([*HALF_LIVES_S.values()])


def newness(age_us: Ints) -> Doubles:
    """One for what arrived just now, half for what did a day ago.

    By whole minutes: what arrived together ties, so an order does not change with every moment.
    """
    age_h = (age_us // 60_000_000) / 60.0
    return np.where(age_us >= 0, 24.0 / (24.0 + np.abs(age_h)), 0.0)


def popularity(table: ItemTable, segment: int, numbers: Ints, now_us: int) -> Doubles:
    """(n, 9): decayed to now; by the event clock relative to the strongest."""
    heats = table.heats[numbers]
    timed = len(_RATES)
    levels = heats[:, : len(COLUMNS) - len(SEGMENT_HEATS) + 1].copy()
    levels[:, :timed] -= now_us / 1e6 * _RATES
    for column in range(timed, len(HEATS)):
        strongest = table.top(column)[:1]
        levels[:, column] -= table.heats[strongest, column].max(initial=0.0)
    own = COLUMNS.index(SEGMENT_HEATS[segment])
    levels[:, -1] = heats[:, own] - now_us / 1e6 / 86_400.0
    return np.asarray(np.exp2(np.clip(levels, COLD, 60.0)))


def likeness(queries: Sequence[Floats | None], units: Floats | None, count: int) -> Floats:
    """Cosines, nan where an item or the user has no text.

    Args:
        queries: q centred unit queries (d,).
        units: (c + n, d) centred unit vectors of the user's c newest items, newest first, and of
            the n candidates; zero without text. None: nothing has text.
        count: n.

    Returns:
        (n, q + 2): with each query, with the newest cause that has text, with the closest cause.
    """
    values = np.full((count, len(queries) + 2), np.nan, np.float32)
    if units is None:
        return values
    causes, items = units[: len(units) - count], units[len(units) - count :]
    given = [place for place, query in enumerate(queries) if query is not None]
    worded = causes[causes.any(axis=1)]
    asked = np.concatenate([*(query[None] for query in queries if query is not None), worded])
    cosines = items @ asked.T
    values[:, given] = cosines[:, : len(given)]
    if len(worded):
        values[:, -2] = cosines[:, len(given)]
        values[:, -1] = cosines[:, len(given) :].max(axis=1)
    values[np.einsum("nd,nd->n", items, items) == 0] = np.nan
    return values


def category_share(table: ItemTable, recent: Ints, numbers: Ints) -> Doubles:
    """What part of the user's newest items is of each candidate's category."""
    codes = table.category[recent]
    if not (codes >= 0).any():
        return np.zeros(len(numbers))
    shares = np.bincount(codes[codes >= 0], minlength=len(table.codes["category"])) / len(codes)
    mine = table.category[numbers]
    return np.where(mine >= 0, shares[np.maximum(mine, 0)], 0.0)

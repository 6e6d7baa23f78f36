"""Sorted pairs of some consecutive rows, with their weights. Pure numpy.

A block is small enough for the processor's caches and is rewritten as a whole: what a merge needs
beside the pairs themselves is a block, however many there are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vane.pairs import KINDS

BLOCK_BITS = 9
"""A block has the pairs of two to the power of this many rows."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Block:
    """The pairs of the rows from `number` << `BLOCK_BITS` on.

    Attributes:
        keys: row << 32 | neighbour, ascending.
        weights: (pairs, KINDS)
        waiting: columns of new pairs: key, time, together, next.
        waits: how many pairs wait.
    """

    def __init__(self, number: int) -> None:
        self._rows = np.arange(number << BLOCK_BITS, number + 1 << BLOCK_BITS)
        self.keys = np.zeros(0, np.int64)
        self.weights = np.zeros((0, KINDS), np.float32)
        self.waiting: list[list[NDArray[Any]]] = []
        self.waits = 0

    def add(self, keys: Ints, weights: Floats) -> None:
        """Add weights to pairs; `keys` ascend, each once."""
        at = np.searchsorted(self.keys, keys)
        known = np.append(self.keys, -1)[at] == keys
        self.weights[at[known]] += weights[known]
        new = np.flatnonzero(~known)
        places = at[new] + np.arange(len(new))
        total = len(self.keys) + len(new)
        old = np.ones(total, np.bool_)
        old[places] = False
        merged_keys, merged = np.empty(total, np.int64), np.empty((total, KINDS), np.float32)
        merged_keys[places], merged_keys[old] = keys[new], self.keys
        _cells(merged)[places], _cells(merged)[old] = _cells(weights)[new], _cells(self.weights)
        self.keys, self.weights = merged_keys, merged

    def scale(self, rows: Ints, factors: Floats) -> None:
        """Multiply the weights of rows, each by its own factors (rows, KINDS)."""
        at, counts = self._ranges(rows)
        self.weights[at] *= np.repeat(factors, counts, axis=0)

    def counts(self) -> Ints:
        """Pairs of each row of the block."""
        return self._bounds(self._rows)[1]

    def strongest(self, rows: Ints, most: int) -> tuple[Ints, Ints, Floats]:
        """The strongest pairs of each row: by the largest share of its maximum over the kinds.

        Returns:
            Where they are, row after row, the strongest first; how many each row has, `most` at
            most; the largest weights (rows, KINDS) of its other pairs.
        """
        at, counts = self._ranges(rows)
        at = at[_strongest_first(self.weights[at], counts)]
        kept = _places(counts) < most
        left = np.minimum(counts, most)
        return at[kept], left, _maxima(self.weights[at[~kept]], counts - left)

    def cut(self, rows: Ints, most: int) -> Floats:
        """Keep the strongest pairs of rows; returns the largest weights of what goes."""
        at, _, gone = self.strongest(rows, most)
        stays = np.ones(len(self.keys), np.bool_)
        stays[self._ranges(rows)[0]] = False
        stays[at] = True
        self._keep(stays)
        return gone

    def longer_than(self, most: int) -> Ints:
        """The rows with more pairs."""
        return self._rows[self.counts() > most]

    def forget(self, rows: Ints) -> None:
        """Drop all pairs of rows."""
        stays = np.ones(len(self.keys), np.bool_)
        stays[self._ranges(rows)[0]] = False
        self._keep(stays)

    def _ranges(self, rows: Ints) -> tuple[Ints, Ints]:
        """Where the pairs of these rows are, one row after the other, and how many each has."""
        low, counts = self._bounds(rows)
        return np.repeat(low, counts) + _places(counts), counts

    def _bounds(self, rows: Ints) -> tuple[Ints, Ints]:
        low = np.searchsorted(self.keys, rows << 32)
        return low, np.searchsorted(self.keys, (rows + 1) << 32) - low

    def _keep(self, stays: Bools) -> None:
        chosen = np.flatnonzero(stays)
        self.keys, self.weights = self.keys[chosen], _cells(self.weights)[chosen].view(np.float32)
        self.weights = self.weights.reshape(-1, KINDS)


def by_block(rows: Ints) -> list[tuple[int, Ints]]:
    """The blocks that have any of these rows, each with where they are in `rows`, in that order."""
    number = (rows >> BLOCK_BITS).astype(np.uint16)  # 33 million rows; numpy sorts it by radix
    order, counts = np.argsort(number, kind="stable"), np.bincount(number)
    high = np.cumsum(counts)
    return [
        (block, order[high[block] - counts[block] : high[block]])
        for block in np.flatnonzero(counts).tolist()
    ]


def _places(counts: Ints) -> Ints:
    """0, 1, 2, … within each of consecutive groups."""
    starts = np.cumsum(counts) - counts
    return np.asarray(np.arange(int(counts.sum())) - np.repeat(starts, counts))


def _maxima(weights: Floats, counts: Ints) -> Floats:
    """The largest weights of each of consecutive groups, 0 without any."""
    top, filled = np.zeros((len(counts), KINDS), np.float32), counts > 0
    if filled.any():
        starts = (np.cumsum(counts) - counts)[filled]
        for kind in range(KINDS):
            top[filled, kind] = np.maximum.reduceat(weights[:, kind], starts)
    return top


def _strongest_first(weights: Floats, counts: Ints) -> Ints:
    """Sorts pairs within their rows by the largest share of the row's maximum over the kinds."""
    top = _maxima(weights, counts)
    top[top == 0] = 1.0
    share = np.zeros(len(weights), np.float32)
    for kind in range(KINDS):  # numpy reduces rows of four slowly
        np.maximum(share, weights[:, kind] / np.repeat(top[:, kind], counts), out=share)
    row = np.repeat(np.arange(len(counts)), counts)
    # The bits of positive floats sort as the floats do: one integer sort for both.
    return np.argsort(row << 32 | (0x7FFF_FFFF - share.view(np.int32).astype(np.int64)))


def _cells(weights: Floats) -> NDArray[np.complex128]:
    """The four weights of each pair as one value, which numpy moves at once."""
    return weights.view(np.complex128)[:, 0]

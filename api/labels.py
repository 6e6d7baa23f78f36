"""The categories and tags of a catalogue, found by how any of their words begins."""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from vane.item_table import ItemTable
from vane.search import words

FRESH_S = 30.0
"""Counts and new labels are this old at most."""
LOOKED_AT_MAX = 2_000
"""Of labels that begin alike; a letter may begin very many."""


class Label(NamedTuple):
    """A category or tag, and how many available items have it."""

    type: Literal["category", "tag"]
    text: str
    items: int


class Labels:
    """Beside one item table."""

    def __init__(self, table: ItemTable, clock: Callable[[], float] = time.monotonic) -> None:
        self._table, self._clock = table, clock
        self._begun: list[tuple[str, int]] = []  # a label from each of its words on, sorted
        self._labels: list[Label] = []
        self._until = float("-inf")

    def stale(self) -> bool:
        """Whether it is time to `refresh`."""
        return self._clock() >= self._until

    def refresh(self) -> None:
        """Read the table again; some milliseconds, more where there are very many labels."""
        labels = [label for label in _labels(self._table) if label.items]
        begun = [(start, place) for place, label in enumerate(labels) for start in _starts(label)]
        self._labels, self._begun = labels, sorted(begun)
        self._until = self._clock() + FRESH_S

    def beginning(self, text: str, limit: int) -> list[Label]:
        """Labels in which a word begins like this, those with most items first.

        Args:
            text: folded words with spaces between them.
            limit: labels at most.
        """
        first = bisect_left(self._begun, (text, 0))
        found = dict.fromkeys(
            place
            for start, place in self._begun[first : first + LOOKED_AT_MAX]
            if start.startswith(text)
        )
        best: dict[str, Label] = {}  # a category may also be a tag
        for label in sorted((self._labels[place] for place in found), key=_order):
            best.setdefault(label.text.casefold(), label)
        return [*best.values()][:limit]


def _starts(label: Label) -> Iterator[str]:
    parts = [word.text for word in words(label.text)]
    return (" ".join(parts[at:]) for at in range(len(parts)))


def _order(label: Label) -> tuple[int, str, str]:
    return -label.items, label.type, label.text


def _labels(table: ItemTable) -> Iterator[Label]:
    shown = table.selectable(np.arange(len(table)))
    codes, tag_sets = table.codes["category"], table.tag_sets
    categories, sets = table.category[shown], table.tags[shown]
    counts = np.bincount(categories[categories >= 0], minlength=len(codes))
    for text, code in codes.items():
        yield Label("category", text, int(counts[code]))
    counts = tag_sets.counts(np.bincount(sets[sets >= 0], minlength=len(tag_sets)))
    for text, number in tag_sets.tags.items():
        yield Label("tag", text, int(counts[number]))

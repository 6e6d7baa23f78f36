"""The part of `vane verify` about items: trends and neighbours against the log."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vane.audit_report import LISTED_MAX, LOOKUP_ROWS, Advance, Report
from vane.interaction import TREND_SLOTS, item_slot
from vane.pair_oracle import ExpectedNeighbours, changed
from vane.store.verification import ItemEvent, Snapshot
from vane.trend_oracle import UNCOUNTED, Counted, ExpectedTrend, count, histories

_Row = TypeVar("_Row")

TRENDS, NEIGHBOURS = "trends/", "neighbours/"
SLOTS = range(TREND_SLOTS)
INTERACTIONS = "interactions"
BASES = "trend_base", "neighbour_base"
"""Tables of what trends and neighbours began with where months of the log are gone."""


def check_trends(snapshot: Snapshot, report: Report, advance: Advance) -> None:
    """Compare all trends, and the neighbours of all items or of a sample, with the log."""
    erased = _ErasedEvents(snapshot)
    report.add_rows(snapshot.trends_without_events(LISTED_MAX, erased.slots(TRENDS)))
    report.add_rows(snapshot.neighbours_without_events(LISTED_MAX, erased.slots(NEIGHBOURS)))
    counted, neighbours = _CountedLog(snapshot), ExpectedNeighbours()
    _observe(snapshot, counted, neighbours, advance)
    expected = _expected_trends(snapshot, counted, advance)
    logged: set[str] = set()
    while block := list(islice(expected, LOOKUP_ROWS)):
        logged.update(trend.item_id for trend in block)
        _compare_trends(snapshot, block, erased, report)
    for items in snapshot.base_items():
        rest = [ExpectedTrend(item) for item in items if item not in logged]
        _compare_trends(snapshot, rest, erased, report, logged=False)
    erased.check(report)
    _compare_neighbours(snapshot, neighbours, erased, report)


def _compare_trends(
    snapshot: Snapshot,
    block: list[ExpectedTrend],
    erased: "_ErasedEvents",
    report: Report,
    *,
    logged: bool = True,
) -> None:
    """Compare trends; those of items that the log knows nothing of have been noted before."""
    names = [trend.item_id for trend in block]
    stored, bases = snapshot.trends(names), snapshot.trends(names, BASES[0])
    for trend in block:
        found = stored.get(trend.item_id)
        if base := bases.get(trend.item_id):
            trend.add_base(base)
        elif not logged:
            continue
        verdict = trend.compare(found, erased_max=erased.rows[item_slot(trend.item_id)])
        if found is not None and logged:
            erased.note(trend.item_id, found.events - trend.events)
        elif found is not None:
            erased.items[trend.item_id] = max(found.events - trend.events, 0)
        report.add(f"item {trend.item_id}", verdict.differences)
        report.worst_trend_error = max(report.worst_trend_error, verdict.worst_share)
        report.trend_items += 1


class _ErasedEvents:
    """What trends still hold of erased users, of whom the log knows nothing any more.

    The positions tell how many of the rows that a slot had counted are gone: as many events the
    trends of its items must have beyond the log, all together.

    Attributes:
        rows: slot → so many.
        items: item → events that its trend has beyond the log.
        total: so many, of all slots; where months of the log are gone, any row of neighbours may
            have pairs of them with events that are in its base.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._counts = snapshot.erased_rows()
        self.rows = Counter({slot: self._counts.get(f"{TRENDS}{slot:02d}", 0) for slot in SLOTS})
        self.total = self.rows.total()
        self._found = Counter(
            {
                slot: events
                for slot, events in snapshot.events_of_orphans().items()
                if self.rows[slot]
            }
        )
        self.items: Counter[str] = Counter()

    def slots(self, part: str) -> list[int]:
        """Slots of trends or neighbours that have counted what is gone."""
        return [slot for slot in SLOTS if self._counts.get(f"{part}{slot:02d}")]

    def note(self, item: str, events: int) -> None:
        """So many events a trend has beyond the log."""
        if events > 0:
            self.items[item] = events
            self._found[item_slot(item)] += events

    def check(self, report: Report) -> None:
        """Compare the trends of each slot with its positions."""
        for slot in SLOTS:
            if self.rows[slot] and self._found[slot] != self.rows[slot]:
                found = f"{self._found[slot]} events of erased users, expected {self.rows[slot]}"
                report.add(f"{TRENDS}{slot:02d}", [found])


class _CountedLog:
    """What every event of the log counts: 24 bytes for each offset."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._start: dict[tuple[int, int], int] = {}
        self._columns: dict[tuple[int, int], NDArray[np.float64]] = {}
        for row in snapshot.positions():
            if row.flow == INTERACTIONS:
                key = row.log_id, row.partition
                self._start[key] = row.start_offset
                self._columns[key] = np.zeros((row.next_offset - row.start_offset, 3))

    def __setitem__(self, place: tuple[int, int, int], counted: Counted) -> None:
        rows, offset = self._row(place)
        if 0 <= offset < len(rows):
            rows[offset] = counted

    def __getitem__(self, place: tuple[int, int, int]) -> Counted:
        rows, offset = self._row(place)
        if not 0 <= offset < len(rows):
            return UNCOUNTED
        weight, size, earlier = rows[offset].tolist()
        return Counted(weight, size, int(earlier))

    def _row(self, place: tuple[int, int, int]) -> tuple[NDArray[np.float64], int]:
        log_id, partition, offset = place
        key = log_id, partition
        return self._columns.get(key, np.zeros((0, 3))), offset - self._start.get(key, 0)


def _observe(
    snapshot: Snapshot, counted: _CountedLog, neighbours: ExpectedNeighbours, advance: Advance
) -> None:
    """Hold every event against its user's history."""
    spans = {
        (row.flow, row.log_id, row.partition): range(row.start_offset, row.next_offset)
        for row in snapshot.positions()
        if row.flow.startswith(NEIGHBOURS)
    }
    flows = _SlotFlows()
    acts = (act for block in _counted_blocks(snapshot.acts(), advance) for act in block)
    for _, own in groupby(acts, key=lambda act: act.name):
        for act, history in histories(own):
            cap = count(act, history)
            place = act.log_id, act.partition
            counted[*place, act.offset] = cap
            behind = {
                item: act.offset in spans.get((flows[item], *place), ())
                for item in {act.item_id, *(past.item_id for past in history)}
            }
            neighbours.add(act, cap, history, behind)


class _SlotFlows(dict[str, str]):
    """The flow of the neighbours of an item."""

    def __missing__(self, item: str) -> str:
        flow = self[item] = f"{NEIGHBOURS}{item_slot(item):02d}"
        return flow


def _compare_neighbours(
    snapshot: Snapshot, neighbours: ExpectedNeighbours, erased: _ErasedEvents, report: Report
) -> None:
    expected, compared = neighbours.rows(), set()
    while block := list(islice(expected, LOOKUP_ROWS)):
        names = [row.item_id for row in block]
        compared.update(names)
        stored, bases = snapshot.neighbours(names), snapshot.neighbours(names, BASES[1])
        for row in block:
            if base := bases.get(row.item_id):
                row.add_base(base)
            gone = erased.items[row.item_id] or (erased.total if base else 0)
            verdict = row.compare(stored.get(row.item_id), erased=gone)
            report.add(f"item {row.item_id}", verdict.differences)
            report.worst_neighbour_error = max(report.worst_neighbour_error, verdict.worst_share)
            report.neighbour_items += 1
    for items in snapshot.base_items():
        rest = [item for item in items if item not in compared and neighbours.checks(item)]
        stored, bases = snapshot.neighbours(rest), snapshot.neighbours(rest, BASES[1])
        for item, base in bases.items():
            if not erased.total:
                report.add(f"item {item}", changed(base, stored.get(item)))
            report.neighbour_items += 1


def _expected_trends(
    snapshot: Snapshot, counted: _CountedLog, advance: Advance
) -> Iterator[ExpectedTrend]:
    blocks = _counted_blocks(snapshot.item_events(), advance)
    events = (event for block in blocks for event in block)
    for item_id, rows in groupby(events, key=lambda event: event.item_id):
        trend = ExpectedTrend(item_id)
        for event in rows:
            trend.add(event.ts_us, _cap(event, counted))
        yield trend


def _cap(event: ItemEvent, counted: _CountedLog) -> Counted:
    if event.weight <= 0:
        return UNCOUNTED
    return counted[event.log_id, event.partition, event.offset]


def _counted_blocks(blocks: Iterable[list[_Row]], advance: Advance) -> Iterator[list[_Row]]:
    for block in blocks:
        yield block
        advance(len(block))

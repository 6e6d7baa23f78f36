"""`vane verify`: holds states, trends, positions and pending events against the log."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby, islice

from vane.audit_report import LISTED_MAX, LOOKUP_ROWS, Advance, Report
from vane.audit_trends import check_trends
from vane.oracle import ExpectedUser, UserBase
from vane.store.verification import (
    Content,
    OffsetCount,
    Position,
    Snapshot,
    UserEvent,
)

CACHED_CONTENTS = 50_000
"""Item contents kept in memory: 768 bytes each."""

INTERACTIONS = "interactions"
SLOTTED = ("trends/", "neighbours/")

Partition = tuple[str, int, int]


def audit_user(snapshot: Snapshot, half_lives_s: tuple[float, float], user: str) -> Report:
    """Compare one user with the log."""
    report = Report()
    report.add_rows(snapshot.pending_differences(user, LISTED_MAX))
    _check_users(snapshot, half_lives_s, user, report, lambda _: None)
    return report


def audit_all(
    snapshot: Snapshot,
    half_lives_s: tuple[float, float],
    advance: Advance,
    since: datetime | None = None,
) -> Report:
    """Compare everything with the log; it passes by three times, twice by user and once by item.

    With `since` only the users with an event at or after it, and no trends.
    """
    report = Report()
    _check_positions(snapshot, report)
    report.add_rows(snapshot.pending_differences(None, LISTED_MAX))
    _check_users(snapshot, half_lives_s, None, report, advance, since)
    if since is None:
        check_trends(snapshot, report, advance)
    return report


def logged_events(snapshot: Snapshot) -> int:
    """How many rows the log has, by the positions: the size of each pass."""
    return sum(row.applied for row in snapshot.positions() if row.flow == INTERACTIONS)


def _check_users(
    snapshot: Snapshot,
    half_lives_s: tuple[float, float],
    user: str | None,
    report: Report,
    advance: Advance,
    since: datetime | None = None,
) -> None:
    report.add_rows(snapshot.users_without_events(user, LISTED_MAX))
    report.add_rows(snapshot.half_merged(user, LISTED_MAX))
    contents = _Contents(snapshot)
    events = contents.attach(snapshot.user_events(user, since), report, advance)
    expected = _expected_users(events, half_lives_s, contents.bases)
    while block := dict(islice(expected, LOOKUP_ROWS)):
        stored = snapshot.users(block)
        for name, state in block.items():
            verdict = state.compare(stored.get(name))
            report.add(f"user {name}", verdict.differences)
            report.worst_user_error = max(report.worst_user_error, verdict.worst_share)
            report.users += 1
            report.events += state.events


def _expected_users(
    events: Iterable[tuple[UserEvent, Content | None]],
    half_lives_s: tuple[float, float],
    bases: dict[str, UserBase],
) -> Iterator[tuple[str, ExpectedUser]]:
    for name, rows in groupby(events, key=lambda pair: pair[0].user_id):
        state = ExpectedUser(half_lives_s)
        for event, content in rows:
            if event.event_id is None:
                state.add_base(bases.pop(name))
            else:
                state.add(event.event_id, event.ts_us, event.weight, content)
        yield name, state


class _Contents:
    """Contents of item versions, looked up in blocks and kept while there is room.

    Attributes:
        bases: of the users of whom a block has one.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.bases: dict[str, UserBase] = {}
        self._known: dict[tuple[str, int], Content | None] = {}

    def attach(
        self, blocks: Iterable[list[UserEvent]], report: Report, advance: Advance
    ) -> Iterator[tuple[UserEvent, Content | None]]:
        """Each event with the content that it adds: None while it waits, or without text."""
        for block in blocks:
            used = {
                (event.item_id, event.item_version)
                for event in block
                if event.item_version is not None
            }
            self._look_up(used, report)
            based = [event.user_id for event in block if event.event_id is None]
            for low in range(0, len(based), LOOKUP_ROWS):
                self.bases |= self._snapshot.user_bases(based[low : low + LOOKUP_ROWS])
            for event in block:
                version = event.item_version
                yield event, None if version is None else self._known[event.item_id, version]
            advance(len(block))

    def _look_up(self, used: set[tuple[str, int]], report: Report) -> None:
        if len(self._known) + len(used) > CACHED_CONTENTS:
            self._known.clear()
        missing = sorted(used - self._known.keys())
        if missing:
            found = self._snapshot.contents(missing)
            for item, version in missing:
                if (item, version) not in found:
                    report.add(f"item {item}", [f"version {version} is used, but not stored"])
                self._known[item, version] = found.get((item, version))


def _check_positions(snapshot: Snapshot, report: Report) -> None:
    positions = snapshot.positions()
    report.partitions = sum(row.flow == INTERACTIONS for row in positions)
    logged = {_key(row): row for row in snapshot.logged_counts()}
    dead = {_key(row): row for row in snapshot.dead_letter_counts()}
    trend_rows, retired = snapshot.counted_rows(), snapshot.retired_rows()
    ends = {row[1:3]: row.next_offset for row in positions if row.flow == INTERACTIONS}
    for row in positions:
        if row.flow.startswith(SLOTTED):
            rows = trend_rows.get(_key(row), 0)
            behind = row.next_offset <= ends.get(row[1:3], row.start_offset)
            ahead = [] if behind else ["is ahead of the log"]
            differences = [*_count_differs("rows of the log", rows, "applied", row.applied), *ahead]
        else:
            gone = retired.get((row.log_id, row.partition), 0)
            differences = _row_differences(row, logged.get(_key(row)), dead.get(_key(row)), gone)
        report.add(_name(_key(row)), [*_span_differences(row), *differences])
    for key in sorted((logged.keys() | dead.keys()) - {_key(row) for row in positions}):
        report.add(_name(key), ["has rows, but no position"])
    for log_id, partition, offset in snapshot.twice_used(LISTED_MAX):
        name = f"event at log {log_id} partition {partition} offset {offset}"
        report.add(name, ["is in the log and a dead letter"])


def _span_differences(row: Position) -> list[str]:
    counted = (
        row.applied + row.dead_lettered + row.duplicates + row.erased + row.empty + row.skipped
    )
    span = row.next_offset - row.start_offset
    return _count_differs("offsets of the span", span, "counted in all", counted)


def _row_differences(
    row: Position, logged: OffsetCount | None, dead: OffsetCount | None, retired: int
) -> list[str]:
    differences = _outside("log row", row, logged) + _outside("dead letter", row, dead)
    if row.flow == INTERACTIONS:
        rows = retired + (logged.rows if logged else 0)
        differences += _count_differs("rows of the log", rows, "applied", row.applied)
    letters = dead.rows if dead else 0
    return differences + _count_differs("dead letters", letters, "dead_lettered", row.dead_lettered)


def _outside(what: str, row: Position, count: OffsetCount | None) -> list[str]:
    if count is None:
        return []
    differences = []
    if count.offsets != count.rows:
        differences.append(f"an offset has more than one {what}")
    if count.lowest < row.start_offset or count.highest >= row.next_offset:
        differences.append(
            f"a {what} is outside of the span {row.start_offset} to {row.next_offset}"
        )
    return differences


def _count_differs(what: str, rows: int, column: str, count: int) -> list[str]:
    return [] if rows == count else [f"{rows} {what}, but {count} {column}"]


def _key(row: Position | OffsetCount) -> Partition:
    return row.flow, row.log_id, row.partition


def _name(key: Partition) -> str:
    flow, log_id, partition = key
    return f"{flow} log {log_id} partition {partition}"

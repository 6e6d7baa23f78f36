"""Groups: what they hold, when they are planned ahead, and what becomes of a failure."""

from collections.abc import Callable
from threading import Event, Timer

import numpy as np
import pytest

from flows.batch import Batch, Span, join
from flows.group_commit import AHEAD_EVENTS, GroupCommit
from schemas.events import InteractionEvent
from vane.store.positions import Stream

PATIENCE_S = 10


def batch(partition: int, first: int, count: int, *, gap: int = 0) -> Batch:
    """`count` events at the offsets from `first` on, then offsets that carried nothing."""
    rows = np.arange(first, first + count)
    return Batch(
        [Span(Stream("f", 1, partition), 1, first, first + count + gap, 99, count)],
        [InteractionEvent(f"e{row}", "u", "i", "view", 1.0) for row in rows],
        partition=np.full(count, partition),
        offset=rows,
        ts_us=rows,
        weight=np.ones(count, np.float32),
        hash=rows.astype(np.uint64),
        clamped=np.zeros(count, bool),
    )


class Writer:
    """Notes what it is given; each commit waits until it may end."""

    def __init__(self) -> None:
        self.planned: list[int] = []
        self.committed: list[Batch] = []
        self.begun, self.may_end = Event(), Event()
        self.failure: BaseException | None = None

    def plan_ahead(self, group: Batch) -> int:
        self.planned.append(len(group.events))
        return len(group.events)

    def commit(self, group: Batch, work: int) -> None:
        assert work == len(group.events)
        self.begun.set()
        assert self.may_end.wait(PATIENCE_S)
        if self.failure is not None:
            raise self.failure
        self.committed.append(group)

    def close(self) -> None:
        self.planned.append(-1)


@pytest.fixture
def writer() -> Writer:
    return Writer()


def start(writer: Writer, events_max: int = 5_000) -> GroupCommit:
    commits = GroupCommit(writer, events_max)  # type: ignore[arg-type]
    commits.put(batch(0, 0, 1))
    assert writer.begun.wait(PATIENCE_S)
    return commits


def eventually(holds: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(1_000):
        if holds():
            return
        pause.wait(PATIENCE_S / 1_000)
    raise AssertionError("it never held")


def test_what_arrives_meanwhile_is_one_group(writer: Writer) -> None:
    commits = start(writer)
    commits.put(batch(0, 1, 2, gap=3))
    commits.put(batch(1, 7, 1))
    commits.put(batch(0, 6, 1))
    assert writer.planned == [1], "a small group waits for others to join"
    writer.may_end.set()
    commits.close()
    assert writer.planned == [1, 4, -1]
    spans = {span.stream.partition: span for span in writer.committed[1].spans}
    assert (spans[0].previous_offset, spans[0].next_offset, spans[0].messages) == (1, 7, 3)
    assert (spans[1].previous_offset, spans[1].next_offset, spans[1].messages) == (7, 8, 1)
    assert writer.committed[1].offset.tolist() == [1, 2, 7, 6]


def test_a_large_group_is_planned_while_the_one_before_is_committed(writer: Writer) -> None:
    commits = start(writer)
    commits.put(batch(0, 1, AHEAD_EVENTS))
    eventually(lambda: writer.planned == [1, AHEAD_EVENTS])
    assert writer.committed == []
    writer.may_end.set()
    commits.close()
    assert [len(group.events) for group in writer.committed] == [1, AHEAD_EVENTS]


def test_a_group_holds_no_more_than_its_limit(writer: Writer) -> None:
    commits = start(writer, events_max=5)
    for first in (1, 4):
        commits.put(batch(0, first, 3))
    writer.may_end.set()
    commits.close()
    assert [len(group.events) for group in writer.committed] == [1, 3, 3]


def test_a_failure_comes_up_once_and_ends_everything(writer: Writer) -> None:
    commits = start(writer)
    writer.failure = ValueError("fenced")
    writer.may_end.set()

    def failed() -> bool:
        try:
            commits.put(batch(0, 1, 1))
        except ValueError:
            return True
        return False

    eventually(failed)
    commits.close()
    assert writer.committed == []


def test_a_failure_comes_up_at_the_end_at_the_latest(writer: Writer) -> None:
    commits = start(writer)
    writer.failure = ValueError("fenced")
    writer.may_end.set()
    with pytest.raises(ValueError, match="fenced"):
        commits.close()


def test_a_flush_waits_and_raises(writer: Writer) -> None:
    commits = start(writer)
    commits.put(batch(0, 1, 1))
    Timer(0.05, writer.may_end.set).start()
    commits.flush()
    assert len(writer.committed) == 2
    writer.failure = ValueError("fenced")
    commits.put(batch(0, 2, 1))
    with pytest.raises(ValueError, match="fenced"):
        commits.flush()
    commits.close()


def test_one_batch_alone_stays_as_it_is() -> None:
    one = batch(0, 0, 2)
    assert join([one]) is one

"""Batches committed in groups, two groups at a time: one is committed, the next one is planned.

Everything that arrives while a group is on its way becomes the next group, whatever its partition.
So a transaction is as small as one click when a flow has caught up, and grows with the lag.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition, Thread

from flows.batch import Batch, join
from flows.preference_writer import PreferenceWriter

AHEAD_EVENTS = 500
"""So many events are planned while others are committed; fewer wait, as more may join them."""


class GroupCommit:
    """Takes batches in the order of their offsets; errors come up with a later one, or at the end.

    Args:
        writer: plans in this object's first thread and commits in its second one.
        events_max: of a group, as long as it has more than one batch.
    """

    def __init__(self, writer: PreferenceWriter, events_max: int) -> None:
        self._writer, self._events_max = writer, events_max
        self._changed = Condition()
        self._waiting: deque[Batch] = deque()
        self._waiting_events = 0
        self._groups = 0
        """That are planned or committed now."""
        self._closing = False
        self._error: BaseException | None = None
        self._commit: Future[None] | None = None
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._planner = Thread(target=self._run, name="plan", daemon=True)
        self._planner.start()

    def put(self, batch: Batch) -> None:
        """Hand over a batch; waits while a whole group is waiting already."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._error is not None or self._waiting_events < self._events_max
            )
            self._raise()
            self._waiting.append(batch)
            self._waiting_events += len(batch.events)
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything that was handed over is committed."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._error is not None or not (self._waiting or self._groups or self._failed())
                )
            )
            self._raise()

    def close(self) -> None:
        """Commit what waits, then close the writer; raises what was not raised before."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._planner.join()
        self._committer.shutdown()
        self._writer.close()
        self._raise()

    def _raise(self) -> None:
        """Raise what has failed, once: a second time, while closing, Bytewax aborts."""
        error, self._error = self._error, None
        if error is not None:
            self._closing = True
            raise error

    def _run(self) -> None:
        try:
            while batch := self._next():
                work = self._writer.plan_ahead(batch)
                self._finish()
                self._commit = self._committer.submit(self._writer.commit, batch, work)
                self._commit.add_done_callback(self._wake)
            self._finish()
        except BaseException as error:  # noqa: BLE001 - it is raised in the flow's own thread
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _next(self) -> Batch | None:
        """The next group, None when there will be none."""
        with self._changed:
            self._changed.wait_for(self._is_ready)
            if self._failed() or not self._waiting:
                return None
            group = [self._waiting.popleft()]
            events = len(group[0].events)
            while self._waiting and events + len(self._waiting[0].events) <= self._events_max:
                group.append(self._waiting.popleft())
                events += len(group[-1].events)
            self._waiting_events -= events
            self._groups += 1
            self._changed.notify_all()
        return join(group)

    def _is_ready(self) -> bool:
        if self._waiting_events >= AHEAD_EVENTS or self._closing:
            return True
        idle = self._commit is None or self._commit.done()
        return idle and (bool(self._waiting) or self._failed())

    def _failed(self) -> bool:
        commit = self._commit
        return commit is not None and commit.done() and commit.exception() is not None

    def _finish(self) -> None:
        if self._commit is not None:
            self._commit.result()

    def _wake(self, _: "Future[None]") -> None:
        with self._changed:
            self._groups -= 1
            self._changed.notify_all()

"""Events that wait to be sent: a thread sends them in batches, and again until they are taken."""

import atexit
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence

from schemas.events import InteractionEvent
from schemas.responses import AcceptedEvents
from vane.errors import InvalidEvent, Unavailable, VaneError

WAITING_MAX = 10_000
"""Events; one more is refused."""
BATCH_MAX = 500
OF_A_USER_MAX = 32
"""In a batch: half of what Vane remembers of a user, so that a batch sent again counts once."""
LINGER_S = 0.05
"""An event waits so long for others to go with."""
PAUSE_S_MIN, PAUSE_S_MAX = 0.2, 10.0

Send = Callable[[Sequence[InteractionEvent]], AcceptedEvents]
OnRefused = Callable[[InteractionEvent, VaneError], None]


class Outbox:
    """A bounded queue with a thread that empties it.

    Args:
        send: delivers a batch.
        on_refused: is told, in that thread, of every event that will never be taken.
    """

    def __init__(self, send: Send, on_refused: OnRefused) -> None:
        self._send, self._on_refused = send, on_refused
        self._waiting: deque[InteractionEvent] = deque()
        self._changed = threading.Condition()
        self._sending = 0
        self._hurry = self._closing = self._abandoned = False
        self._thread: threading.Thread | None = None

    def put(self, event: InteractionEvent) -> None:
        """Keep an event until it is sent.

        Raises:
            Unavailable: too many wait, or the outbox is closed.
        """
        with self._changed:
            if self._closing:
                raise Unavailable("the client is closed")
            if len(self._waiting) + self._sending >= WAITING_MAX:
                raise Unavailable(f"{WAITING_MAX} events wait for Vane to answer")
            self._waiting.append(event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vane events", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> int:
        """Wait until all are sent; how many are not when the time is over."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._left(), timeout_s)
            self._hurry = False
            return self._left()

    def close(self, timeout_s: float = 10.0) -> int:
        """Send what waits and take no more; how many were not sent in time and are lost."""
        with self._changed:
            self._closing = True
        left = self.flush(timeout_s)
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
        if self._thread is not None:
            atexit.unregister(self.close)
        return left

    def _left(self) -> int:
        return len(self._waiting) + self._sending

    def _run(self) -> None:
        while batch := self._next():
            self._deliver(batch)
            with self._changed:
                self._sending = 0
                self._changed.notify_all()

    def _next(self) -> list[InteractionEvent]:
        """The oldest events, once there are any; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._abandoned)
            ready = lambda: len(self._waiting) >= BATCH_MAX or self._hurry or self._abandoned  # noqa: E731
            self._changed.wait_for(ready, LINGER_S)
            batch, of_user = list[InteractionEvent](), Counter[str]()
            while self._waiting and not self._abandoned and len(batch) < BATCH_MAX:
                user_id = self._waiting[0].user_id
                if of_user[user_id] == OF_A_USER_MAX:
                    break
                of_user[user_id] += 1
                batch.append(self._waiting.popleft())
            self._sending = len(batch)
            return batch

    def _deliver(self, batch: Sequence[InteractionEvent]) -> None:
        """Send a batch, again and again while Vane does not answer."""
        pause_s = PAUSE_S_MIN
        while not self._abandoned:
            try:
                answer = self._send(batch)
            except Unavailable:
                with self._changed:
                    wait_s = pause_s * random.uniform(0.5, 1.0)
                    self._changed.wait_for(lambda: self._abandoned, wait_s)
                pause_s = min(2 * pause_s, PAUSE_S_MAX)
            except VaneError as error:
                for event in batch:
                    self._on_refused(event, error)
                return
            else:
                for bad in answer.rejected:
                    self._on_refused(batch[bad.index], InvalidEvent(bad.field, bad.reason))
                return

"""Runs all of `vane up`: start, restart what ends, stop in the order that loses nothing."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vane.embedded.broker import Broker
from vane.embedded.child import VaneChild
from vane.embedded.postgres import Postgres
from vane.embedded.process import StartFailed
from vane.embedded.redis import Redis
from vane.embedded.restarts import Backoff
from vane.errors import Fenced, OperatorNeeded, UsageError, VaneError

TICK_S = 0.1
READY_LIMIT_S = 180.0
"""For all children; on a busy machine the embedding model alone takes a while to load."""
DRAIN_LIMIT_S = 900.0
DRAIN_NOTICE_S = 10.0
ORPHANED_LIMIT_S = 5.0
"""For flows and API to end after the broker did: there is nothing left to drain."""


class Logs(Protocol):
    """What the supervisor asks of the store and of Kafka, which it does not know itself."""

    def migrate(self) -> None:
        """Bring the schema up to date."""

    def open(self) -> None:
        """Create the topics and open a new log for each."""

    def unread(self) -> dict[str, int] | None:
        """Messages of each topic known to be unread, a lower bound; None: cannot be told."""


Part = Postgres | Redis | Broker | VaneChild


@dataclass(slots=True)
class Life:
    """A part and its restarts; `retry_at` is None while it runs, infinite while it must not."""

    part: Part
    started_at: float = field(default_factory=time.monotonic)
    retry_at: float | None = None
    backoff: Backoff = field(default_factory=Backoff)


class Supervisor:
    """The servers and children of one `vane up`.

    Args:
        postgres, redis, broker: the servers.
        stages: children in the order in which they stop: each stage drains before the next one.
        logs: see `Logs`.
        say: tells the person at the terminal.
    """

    def __init__(
        self,
        postgres: Postgres,
        redis: Redis,
        broker: Broker,
        stages: Sequence[Sequence[VaneChild]],
        logs: Logs,
        say: Callable[[str], None],
    ) -> None:
        self._postgres, self._redis, self._broker = postgres, redis, broker
        self._stages = stages
        self._children = [child for stage in stages for child in stage]
        self._logs, self._say = logs, say
        self._lives: list[Life] = []

    def start(self) -> None:
        """Start everything and wait until all are ready.

        Raises:
            StartFailed: a server or a child did not come up.
            UsageError: a child says that what it was given is wrong.
            OperatorNeeded: a child says that a person must decide.
        """
        servers: list[Postgres | Redis | Broker] = [self._postgres, self._redis, self._broker]
        for server in servers:
            server.start()
        self._logs.migrate()
        unread = self._logs.unread()
        if unread and any(unread.values()):
            self._say(f"the last run was cut off; {_lost(unread)}")
        self._logs.open()
        for child in self._children:
            child.start()
        self._await_ready()
        self._lives = [Life(part) for part in (*servers, *self._children)]

    def watch(self, stop: Callable[[], bool]) -> None:
        """Restart what ends, until `stop` says so."""
        while not stop():
            time.sleep(TICK_S)
            for life in self._lives:
                self._check(life, time.monotonic())

    def stop(self, hurry: Callable[[], bool]) -> None:
        """Stop API, flows, broker, Redis, PostgreSQL; whatever was started so far.

        Args:
            hurry: once it is true, flows are not waited for.
        """
        for stage in self._stages:
            self._stop_stage(stage, hurry)
        if self._lives:
            unread = self._logs.unread()
            if unread is None or any(unread.values()):
                self._say(_lost(unread))
        for server in (self._broker, self._redis, self._postgres):
            server.stop()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_LIMIT_S
        while waiting := [child for child in self._children if not child.is_ready()]:
            for child in waiting:
                status = child.process.poll()
                if status == Fenced.exit_code:
                    child.start()
                elif status is not None:
                    raise _start_error(child, status)
            if time.monotonic() > deadline:
                raise StartFailed(waiting[0].process, f"not ready within {READY_LIMIT_S:.0f} s")
            time.sleep(TICK_S)

    def _check(self, life: Life, now: float) -> None:
        if life.retry_at is None:
            status = life.part.process.poll()
            if status is not None:
                self._note_end(life, status, now)
        elif now >= life.retry_at:
            life.retry_at, life.started_at = None, now
            try:
                self._renew_broker() if life.part is self._broker else life.part.start()
            except VaneError as error:
                self._say(str(error))  # the part has ended: the next check sees that
                life.part.kill()

    def _note_end(self, life: Life, status: int, now: float) -> None:
        life.part.kill()
        delay_s = life.backoff.delay_s(status, now - life.started_at)
        life.retry_at = now + delay_s
        reason = f": {life.part.message()}" if status == OperatorNeeded.exit_code else ""
        self._say(
            f"{life.part.name} ended ({_describe(status)}), starts again in {delay_s:g} s{reason}"
        )
        if life.part is self._broker:
            self._halt_children()

    def _halt_children(self) -> None:
        """The topics are gone with the broker: nobody may read or write before the new ones."""
        for child in self._children:
            if child.is_running():
                child.process.request_stop()
        deadline = time.monotonic() + ORPHANED_LIMIT_S
        for child in self._children:
            if child.is_running():
                child.process.wait(max(0.0, deadline - time.monotonic()))
            child.kill()
        self._pause_children(math.inf)
        self._say(f"flows and API stopped, as the topics are gone; {_lost(self._logs.unread())}")

    def _renew_broker(self) -> None:
        self._broker.start()
        self._logs.open()
        self._pause_children(time.monotonic())

    def _pause_children(self, until: float) -> None:
        for life in self._lives:
            if life.part in self._children:
                life.retry_at = until

    def _stop_stage(self, stage: Sequence[VaneChild], hurry: Callable[[], bool]) -> None:
        asked = [child for child in stage if child.is_running()]
        for child in asked:
            child.process.request_stop()
        started = time.monotonic()
        noticed = False
        while running := [child for child in asked if child.is_running()]:
            waited_s = time.monotonic() - started
            if hurry() or waited_s > DRAIN_LIMIT_S:
                self._say(f"{_names(running)} ended before having read everything")
                break
            if waited_s > DRAIN_NOTICE_S and not noticed:
                self._say(f"waiting for {_names(running)}; Ctrl-C stops at once")
                noticed = True
            time.sleep(TICK_S)
        for child in stage:
            child.kill()


def _start_error(child: VaneChild, status: int) -> VaneError:
    for kind in (UsageError, OperatorNeeded):
        if status == kind.exit_code:
            return kind(f"{child.name}: {child.message()}")
    return StartFailed(child.process, _describe(status))


def _describe(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"signal {-status}"


def _names(children: Iterable[VaneChild]) -> str:
    return " and ".join(child.name for child in children)


def _lost(unread: Mapping[str, int] | None) -> str:
    """Honest: a flow knows the end of its log only as far as it has looked."""
    known = sorted((topic, count) for topic, count in (unread or {}).items() if count)
    if not known:
        return (
            "acknowledged messages that no flow had seen yet are lost; how many cannot be told"
            + ("" if unread is None else ", all that were seen are applied")
        )
    counts = " and ".join(f"{count} of {topic}" for topic, count in known)
    return f"acknowledged messages that were not read are lost: at least {counts}"

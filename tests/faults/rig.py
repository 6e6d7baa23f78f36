"""The servers behind proxies, a load, and real `vane flow` processes that a test may torture."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.faults.load import Load
from tests.faults.proxy import Proxy
from vane.audit import audit_all
from vane.erase import erase_user
from vane.errors import Fenced, Unavailable
from vane.merge import merge_users
from vane.settings import Settings, variable
from vane.store.connection import connect, translated
from vane.store.tuning import read_tuning
from vane.store.verification import open_snapshot

PATIENCE_S = 90.0
EXIT_PATIENCE_S = 30.0


def wait_for(done: Callable[[], object], what: str, timeout_s: float | None = None) -> None:
    """Poll until it is so; `timeout_s` is PATIENCE_S where none is given."""
    timeout_s = timeout_s or PATIENCE_S
    until = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < until, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.01)


class FlowProcess:
    """One `vane flow`; what it says goes to a file."""

    def __init__(self, flow: str, command: list[str], environ: dict[str, str], log: Path) -> None:
        self.flow, self.log = flow, log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=environ, stdin=subprocess.DEVNULL, stderr=output, stdout=output
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Exit status, None while it lives."""
        return self._process.poll()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL; a killed process is not frozen any more."""
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        return self._process.wait(EXIT_PATIENCE_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; exit status."""
        self.send(number)
        return self.wait()


@dataclass(slots=True)
class Rig:
    """Everything of one test.

    Attributes:
        settings: addresses without proxies …
        proxied: … and those of the flows.
        postgres, redis: the proxies.
        faults: names of the random faults, for messages.
        mutation: the protection that is taken out of every process, see `tests.faults.mutant`.
    """

    seed: int
    settings: Settings
    proxied: Settings
    postgres: Proxy
    redis: Proxy
    folder: Path
    load: Load
    faults: list[str] = field(default_factory=list)
    mutation: str = ""
    chunk_events: int = 100
    processes: list[FlowProcess] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill what lives."""
        for process in self.processes:
            process.kill()

    def start(self, *options: str, flow: str = "interactions", **environ: str) -> FlowProcess:
        """One more process."""
        module = ["tests.faults.mutant", self.mutation] if self.mutation else ["vane"]
        command = [sys.executable, "-m", *module, "flow", flow, *options]
        log = self.folder / f"{flow}-{len(self.processes)}.log"
        process = FlowProcess(flow, command, self.environ(**environ), log)
        self.processes.append(process)
        return process

    def vane(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, without proxies."""
        return subprocess.run(
            [sys.executable, "-m", "vane", *arguments],
            env={**os.environ, **_addresses(self.settings)},
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def merge(self, visitor: str, account: str, *, through: Settings | None = None) -> None:
        """Merge a user into another, without proxies or through some."""
        with connect(through or self.settings, "fault test") as connection:
            merge_users(connection, visitor, account)
        self.load.ledger.merged[visitor] = account

    def erase(self, user: str) -> None:
        """Erase a user, without proxies."""
        erase_user(self.settings, user)
        for partition, cut in self.query(
            "select partition, cut from erasure where user_id = %s", user
        ):
            self.load.ledger.cuts[partition, user] = cut

    def environ(self, **more: str) -> dict[str, str]:
        """Environment of a flow."""
        own = {
            variable("chunk_events_max"): str(self.chunk_events),
            variable("fetch_wait_ms"): "10",
            variable("lock_timeout_ms"): "500",
            variable("statement_timeout_ms"): "10000",
            variable("trends_flush_ms"): "50",
        }
        chosen = {variable(name): value for name, value in more.items()}
        return {**os.environ, **own, **_addresses(self.proxied), **chosen}

    @property
    def database(self) -> str:
        """Name of the test's own database."""
        [(name,)] = self.query("select current_database()")
        return str(name)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement over a connection of its own, as soon as PostgreSQL answers."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                with connect(self.settings, "fault test") as connection, translated():
                    cursor = connection.execute(sql, values)
                    return cursor.fetchall() if cursor.description else []
            except Unavailable:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def passed(self) -> int:
        """Offsets that the flow has committed."""
        [(count,)] = self.query(
            "select coalesce(sum(next_offset - start_offset), 0)::bigint from stream_position "
            "where flow = 'interactions'"
        )
        return int(count)

    def moved_from(self, count: int) -> bool:
        """Whether more than that was committed, or all there is."""
        return self.passed() > count or self.drained()

    def wait_passed(self, count: int) -> None:
        wait_for(lambda: self.passed() >= count, f"{count} offsets committed; {self.state()}")

    def drained(self) -> bool:
        """Whether everything that was acknowledged is committed, in the newest log."""
        positions = dict(
            self.query(
                "select partition, next_offset from stream_position where flow = 'interactions' "
                "and log_id = (select max(log_id) from log)"
            )
        )
        last = self.load.ledger.last_offsets()
        return all(positions.get(partition, 0) > offset for partition, offset in last.items())

    def heal_and_check(self) -> None:
        """Heal, read to the end of the log under supervision, and ask the oracle."""
        self.postgres.heal()
        self.redis.heal()
        self.load.flush()
        for process in self.living():
            process.send(signal.SIGCONT)
        self.supervise(self.drained)
        for process in self.living("interactions"):
            status = process.stop()
            assert status in {0, Fenced.exit_code}, process.said()
        if any(process.flow == "trends" for process in self.processes):
            self.finish_trends()
        self.check()

    def living(self, flow: str = "") -> list[FlowProcess]:
        """Processes that have not ended, of one flow or of all."""
        mine = [process for process in self.processes if flow in {"", process.flow}]
        return [process for process in mine if process.status is None]

    def finish_trends(self) -> None:
        """Let flows/trends read all that is committed."""
        for process in self.living("trends"):
            process.kill()
        last = self.start(flow="trends", drain="end")
        wait_for(lambda: "item slots" in last.said(), f"trends; {self.state()}")
        assert last.stop() == 0, last.said()
        [(behind,)] = self.query(
            "select count(*) from interaction join stream_position using (log_id, partition) where "
            "flow in ('trends/' || lpad(item_slot::text, 2, '0'), "
            "'neighbours/' || lpad(item_slot::text, 2, '0')) and \"offset\" >= next_offset"
        )
        assert behind == 0, f"seed {self.seed}: {behind} log rows were left by the trends"

    def supervise(self, done: Callable[[], bool]) -> None:
        """Until it is so, start a process when none lives, as a supervisor would."""

        def settled() -> bool:
            finished = done()
            if not finished and not self.living("interactions"):
                self.start()
            return finished

        wait_for(settled, f"drained; {self.state()}")

    def check(self) -> None:
        """Every acknowledged event is applied exactly once, everything else is accounted for."""
        ledger, what = self.load.ledger, f"seed {self.seed} {self.faults}"
        applied = self.query("select user_id, event_id from interaction")
        expected = ledger.expected()
        assert len(applied) == expected.total(), f"{what}: events applied"
        assert not expected - Counter(applied), f"{what}: events lost"
        letters = self.query(
            "select (select count(*) from log where log.log_id < dead_letter.log_id), partition, "
            "payload from dead_letter"
        )
        assert Counter(letters) == ledger.dead_letters(), f"{what}: dead letters"
        [(duplicates,)] = self.query(
            "select coalesce(sum(duplicates), 0)::int from stream_position"
        )
        assert duplicates == ledger.repeated, f"{what}: duplicates"
        with connect(self.settings, "fault test") as connection:
            tuning, _ = read_tuning(connection)
            with open_snapshot(connection) as snapshot:
                report = audit_all(snapshot, tuning.half_lives_s, lambda _: None)
        assert report.listed == [], f"{what}: {report.listed}"
        assert report.events == expected.total(), f"{what}: events in states"

    def state(self) -> str:
        """For messages: the seed, and what the processes said last."""
        said = [process.said()[-600:] for process in self.processes[-3:]]
        return "\n".join([f"seed {self.seed} {self.faults}", *said])


def _addresses(settings: Settings) -> dict[str, str]:
    names = ("database_url", "redis_url", "kafka_bootstrap")
    return {variable(name): getattr(settings, name) for name in names}

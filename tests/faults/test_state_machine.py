"""Workers, crashes, zombies, re-deliveries, lost answers, merges, outside writers, in any order.

Whatever happened: a healthy worker drains the logs at the end, and then every event is in exactly
once by the independent oracle. With a protection taken out, the same machine finds it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, ClassVar

import hypothesis
import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from flows import preference_writer, state_session
from flows.kafka import Share
from flows.user_states import UserStates
from tests.faults.load import counted_as
from tests.support import Worker, add_item, event, unit_vectors
from vane.audit import audit_all
from vane.errors import Fenced, InvalidRequest
from vane.merge import merge_users
from vane.settings import Settings
from vane.store import interactions, positions, states
from vane.store.connection import Connection
from vane.store.verification import open_snapshot

PARTITIONS = st.integers(0, 1)
USERS = st.sampled_from(["ann", "bob", "cem"])
ITEMS = st.sampled_from(["i0", "i1", "i2", "i3"])
ACTIONS = st.sampled_from(["view", "like", "dislike", "purchase"])
EVENTS = st.lists(st.tuples(USERS, ITEMS, ACTIONS, st.integers(0, 10**5)), min_size=1, max_size=6)
GARBAGE = st.sampled_from([b"{", b"\xff", None, b"[" * 5_000, event("x", action="no such action")])
SHARES = st.sampled_from([Share(0, 1), Share(0, 2), Share(1, 2)])
VECTORS = unit_vectors(4)
STEPS = [(states, "write_states"), (interactions, "write_log")]
TABLES = (
    "log, retired, erasure, stream_position, dead_letter, item_version, user_preference,"
    " interaction, pending"
)


class Crash(BaseException):
    """The process dies here."""


@contextmanager
def patched(target: Any, name: str, replacement: Any) -> Iterator[None]:
    original = getattr(target, name)
    setattr(target, name, replacement)
    try:
        yield
    finally:
        setattr(target, name, original)


@contextmanager
def losing_answer(*, arrives: bool) -> Iterator[None]:
    """The connection dies around the next COMMIT."""
    leave = psycopg.Transaction.__exit__
    died: list[bool] = []

    def dies(transaction: Any, kind: Any, *args: Any) -> Any:
        if died or kind is not None:
            return leave(transaction, kind, *args)
        died.append(True)
        if arrives:
            leave(transaction, kind, *args)
        transaction.connection.close()
        raise psycopg.OperationalError("the connection is lost")

    with patched(psycopg.Transaction, "__exit__", dies):
        yield


class Machine(RuleBasedStateMachine):
    settings: ClassVar[Settings]
    connection: ClassVar[Connection]

    def __init__(self) -> None:
        super().__init__()
        self.connection.execute(f"truncate {TABLES}")
        self.logs: list[list[bytes | None]] = [[], []]
        self.workers: list[Worker] = []
        self.produced: list[tuple[str, str]] = []  # user, event id
        self.versions: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self.merged: dict[str, str] = {}
        for share in (Share(0, 2), Share(1, 2)):
            self.start(share)

    @rule(partition=PARTITIONS, events=EVENTS)
    def produce(self, partition: int, events: list[tuple[str, str, str, int]]) -> None:
        for user, item, action, second in events:
            number = len(self.produced)
            raw = event(number, user, item, action=action, ts=1.7e9 + second)
            self.logs[partition].append(raw)
            self.produced.append((user, f"e{number}"))

    @precondition(lambda self: self.logs[0])
    @rule(data=st.data(), partition=PARTITIONS)
    def produce_again(self, data: st.DataObject, partition: int) -> None:
        self.logs[partition].append(data.draw(st.sampled_from(self.logs[0])))

    @rule(partition=PARTITIONS, raw=GARBAGE)
    def produce_garbage(self, partition: int, raw: bytes | None) -> None:
        self.logs[partition].append(raw)

    @rule(item=ITEMS, filled=st.booleans())
    def item_version(self, item: str, *, filled: bool) -> None:
        version = self.items[item] = self.items.get(item, 0) + 1
        add_item(self.connection, item, VECTORS[int(item[1])] if filled else None, version)

    @rule(user=USERS)
    def outside_writer(self, user: str) -> None:
        """A rebuild or an erasure writes the row: the version rises."""
        self.connection.execute(
            "update user_preference set version = version + 9 where user_id = %s", [user]
        )

    @rule(visitor=USERS, account=USERS)
    def merge(self, visitor: str, account: str) -> None:
        with suppress(InvalidRequest):
            merge_users(self.connection, visitor, account)
            self.merged.setdefault(visitor, account)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), visitor=USERS, account=USERS)
    def merge_under_a_chunk(self, data: st.DataObject, visitor: str, account: str) -> None:
        """The plan is old when it is written."""
        worker, partition = self.choose(data)
        advance = positions.advance_position

        def late(*args: Any, **fields: Any) -> None:
            self.merge(visitor, account)
            advance(*args, **fields)

        with patched(preference_writer, "advance_position", late):
            self.attempt(worker, lambda: worker.apply(worker.chunk(partition)))

    @rule(share=SHARES)
    def start(self, share: Share) -> None:
        """The former owners of its partitions live on as zombies."""
        self.workers.append(Worker(self.settings, self.connection, self.logs, share))

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), most=st.integers(1, 5))
    def deliver(self, data: st.DataObject, most: int) -> None:
        worker, partition = self.choose(data)
        self.attempt(worker, lambda: worker.apply(worker.chunk(partition, most)))

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), most=st.integers(1, 5))
    def deliver_twice(self, data: st.DataObject, most: int) -> None:
        worker, partition = self.choose(data)
        chunk = worker.chunk(partition, most)
        self.attempt(worker, lambda: worker.apply(chunk))
        if worker in self.workers:
            self.attempt(worker, lambda: worker.apply(chunk))

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), step=st.sampled_from(STEPS))
    def crash(self, data: st.DataObject, step: tuple[Any, str]) -> None:
        worker, partition = self.choose(data)
        original = getattr(*step)

        def dies(*args: Any) -> None:
            original(*args)
            raise Crash

        with patched(*step, dies):
            self.attempt(worker, lambda: worker.apply(worker.chunk(partition)))

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), arrives=st.booleans())
    def lose_answer(self, data: st.DataObject, *, arrives: bool) -> None:
        worker, partition = self.choose(data)
        with losing_answer(arrives=arrives):
            self.attempt(worker, lambda: worker.apply(worker.chunk(partition)))

    @precondition(lambda self: self.workers)
    @rule(
        data=st.data(),
        most=st.integers(1, 4),
        meanwhile=st.sampled_from(["nothing", "write", "deliver", "lose", "lose acknowledged"]),
    )
    def deliver_ahead(self, data: st.DataObject, most: int, meanwhile: str) -> None:
        """Two groups at a time, as flows/group_commit has them: the second counts on the first."""
        worker, partition = self.choose(data)
        first, second = worker.prepare(partition, most), worker.prepare(partition, most)
        if meanwhile == "write":
            self.outside_writer(data.draw(USERS))
        if meanwhile == "deliver" and (others := [w for w in self.workers if w is not worker]):
            self.attempt(others[0], others[0].drain)
        if meanwhile.startswith("lose"):
            with losing_answer(arrives=meanwhile != "lose"):
                self.attempt(worker, first)
        else:
            self.attempt(worker, first)
        if worker in self.workers:
            self.attempt(worker, second)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def housekeeping(self, data: st.DataObject) -> None:
        worker, partition = self.choose(data)
        worker.housekeeping(partition)

    @invariant()
    def versions_never_go_back(self) -> None:
        rows: dict[str, int] = dict(
            self.connection.execute("select user_id, version from user_preference")
        )
        assert all(rows[user] >= version for user, version in self.versions.items())
        self.versions = rows

    def teardown(self) -> None:
        try:
            self.heal_and_check()
        finally:
            for worker in self.workers:
                worker.close()

    def heal_and_check(self) -> None:
        self.start(Share())
        healthy = self.workers[-1]
        healthy.drain()
        applied = self.connection.execute("select user_id, event_id from interaction").fetchall()
        produced = {(counted_as(user, self.merged), name) for user, name in self.produced}
        assert sorted(applied) == sorted(produced)
        ends = self.connection.execute("select next_offset from stream_position order by partition")
        assert [end for (end,) in ends] == [len(log) for log in self.logs]
        with open_snapshot(self.connection) as snapshot:
            report = audit_all(snapshot, healthy.tuning.half_lives_s, lambda _: None)
        assert report.listed == []

    def choose(self, data: st.DataObject) -> tuple[Worker, int]:
        worker = data.draw(st.sampled_from(self.workers))
        return worker, data.draw(st.sampled_from(sorted(worker.cursors)))

    def attempt(self, worker: Worker, action: Any) -> None:
        """A worker that is fenced off or crashes is gone, with its connection."""
        try:
            action()
        except (Fenced, Crash):
            self.workers.remove(worker)
            worker.close()


def run_machine(settings: Settings, connection: Connection, examples: int) -> None:
    bound = type("Bound", (Machine,), {"settings": settings, "connection": connection})
    run_state_machine_as_test(
        bound,
        settings=hypothesis.settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
            report_multiple_bugs=False,
            phases=[hypothesis.Phase.generate],
        ),
    )


@pytest.fixture
def small(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Small caches: the three users fill theirs."""
    monkeypatch.setattr(state_session, "UserStates", lambda _room, *rest: UserStates(3, *rest))
    return replace(settings, chunk_events_max=8, user_cache_users=0, item_cache_items=1)


def test_every_event_counts_once(small: Settings, connection: Connection) -> None:
    run_machine(small, connection, examples=60)


def without_the_fence() -> tuple[dict[str, str], str, str]:
    sql = positions._SQL["advance_position"].replace(
        "next_offset = %(next)s", "next_offset = next_offset + %(next)s - %(previous)s"
    )
    return positions._SQL, "advance_position", sql.split("and epoch")[0]


def without_the_version_check() -> tuple[dict[str, str], str, str]:
    sql = states._SQL["upsert_states"]
    return states._SQL, "upsert_states", re.sub(r"where old\.version.*", "", sql)


def without_the_alias() -> tuple[dict[str, str], str, str]:
    sql = states._SQL["read_states"].replace("alias_of", "null::text")
    return states._SQL, "read_states", sql


@pytest.mark.parametrize(
    "mutation", [without_the_fence, without_the_version_check, without_the_alias]
)
def test_the_machine_finds_a_protection_taken_out(
    small: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch, mutation: Any
) -> None:
    queries, name, sql = mutation()
    assert sql != queries[name]
    monkeypatch.setitem(queries, name, sql)
    with pytest.raises((AssertionError, psycopg.IntegrityError)):
        run_machine(small, connection, examples=200)

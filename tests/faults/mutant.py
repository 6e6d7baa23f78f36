"""`python -m tests.faults.mutant MUTATION flow …`: vane with one protection taken out.

A fault test that still passes with such a process would prove nothing.
"""

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from psycopg.pq import TransactionStatus

import flows.batch
import flows.erasures
import flows.fetcher
import flows.plan
import flows.preference_writer
import flows.topic_watch
import vane.replay
from flows.state_session import StateSession
from vane.cli import main
from vane.store import interactions, positions, states
from vane.store.connection import connect

patch = setattr


def without_fence() -> None:
    """A former owner may write, and a chunk may be applied again."""
    sql = positions._SQL["advance_position"]
    relative = sql.replace(
        "next_offset = %(next)s", "next_offset = next_offset + %(next)s - %(previous)s"
    )
    positions._SQL["advance_position"] = relative.split("and epoch")[0]


def without_version_check() -> None:
    """A state is written over whatever is there."""
    sql = states._SQL["upsert_states"]
    states._SQL["upsert_states"] = re.sub(r"where old\.version.*", "", sql)


def without_common_transaction() -> None:
    """The position is committed before what belongs to it."""
    advance = positions.advance_position

    def alone(connection: Any, *args: Any, **fields: Any) -> None:
        other = connect_again()
        advance(other, *args, **fields)
        other.close()

    settings: list[Any] = []
    prepare = StateSession.__init__

    def remember(self: StateSession, own: Any, *args: Any, **fields: Any) -> None:
        settings.append(own)
        prepare(self, own, *args, **fields)

    def connect_again() -> Any:
        return connect(settings[0], "mutant")

    patch(StateSession, "__init__", remember)
    patch(flows.preference_writer, "advance_position", alone)


def without_duplicate_check() -> None:
    """A repeated event id is applied again."""
    patch(flows.plan, "first_seen", lambda _, events: np.ones(len(events), bool))


def without_lookup() -> None:
    """A lost answer counts as a failed commit."""
    surely = StateSession.surely

    def blindly(self: StateSession, commit: Any, _committed: Any) -> Any:
        return surely(self, commit, lambda: False)

    patch(StateSession, "surely", blindly)


def without_claim() -> None:
    """Events that waited for their item are added without being taken out of `pending`."""
    sql = interactions._SQL["take_pending"]
    interactions._SQL["take_pending"] = re.sub(
        r"delete from pending using", "select * from pending join", sql
    )


def without_alias_check() -> None:
    """A state that is in the way counts as the user's own, though the user was merged meanwhile."""
    read = states.read_states

    def own(connection: Any, *args: Any) -> Any:
        states, generation, aliases, erasure = read(connection, *args)
        inside = connection.info.transaction_status == TransactionStatus.INTRANS
        return states, generation, {} if inside else aliases, erasure

    patch(vane.replay, "read_states", own)


def without_tombstones() -> None:
    """What was produced before its user was erased counts as if it came later."""
    patch(flows.erasures.Erasures, "places", lambda *_: set())


def without_isolation() -> None:
    """Messages of aborted transactions are read."""
    _consumer_setting("isolation.level", "read_uncommitted")


def without_gap_error() -> None:
    """The consumer jumps to where the log begins now."""
    _consumer_setting("auto.offset.reset", "earliest")


def without_topic_watch() -> None:
    """Nobody looks whether the topic is still the same."""
    patch(flows.topic_watch.TopicWatch, "look", lambda _: None)


def without_clamp() -> None:
    """Times in the future are taken as they are."""
    patch(flows.batch, "FUTURE_LIMIT_US", 10**18)


def _consumer_setting(name: str, value: str) -> None:
    config = flows.fetcher._consumer_config
    patch(flows.fetcher, "_consumer_config", lambda settings: {**config(settings), name: value})


MUTATIONS: dict[str, Callable[[], None]] = {
    name: change for name, change in list(globals().items()) if name.startswith("without_")
}

if __name__ == "__main__":
    MUTATIONS[sys.argv.pop(1)]()
    main()

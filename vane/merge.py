"""Merges an anonymous visitor into an account, exactly once, while their events arrive."""

import logging

from vane.base import add
from vane.errors import InvalidRequest, Unavailable
from vane.preference import merge
from vane.rebuild import DIMENSION, Changes
from vane.replay import read_current
from vane.store.base import delete_bases, hold_half_lives, read_bases, write_bases
from vane.store.connection import Connection, translated
from vane.store.merge import account_of, has_account, lock_users, write_merged
from vane.store.tuning import read_tuning

ATTEMPTS_MAX = 3
"""A deadlock with flows, or with another merge of the same users, is worth another attempt."""

_log = logging.getLogger(__name__)


def merge_users(connection: Connection, visitor: str, account: str) -> Changes:
    """Make `visitor` an alias of `account`, which gets all that the visitor did.

    Events of the visitor that come later count for the account. The account may be an alias of
    another one, which is meant then. The same merge again changes nothing.

    Returns:
        the visitor and the account, each with its version now.

    Raises:
        InvalidRequest: a merge into itself, or the visitor has an account or belongs to another.
        Unavailable: PostgreSQL does not answer, or others hold the rows for too long.
    """
    for attempt in range(1, ATTEMPTS_MAX):
        try:
            return _merge_once(connection, visitor, account)
        except Unavailable as error:
            _log.warning("attempt %d to merge two users: %s", attempt, error)
    return _merge_once(connection, visitor, account)


def _merge_once(connection: Connection, visitor: str, account: str) -> Changes:
    with translated(), connection.transaction():
        account = account_of(connection, account)
        if visitor == account:
            raise InvalidRequest("visitor", "a user cannot be merged into itself")
        if has_account(connection, visitor):
            raise InvalidRequest("visitor", "has an account: only anonymous visitors are merged")
        lock_users(connection, visitor, account)
        tuning, _ = read_tuning(connection)
        users = [visitor, account]
        states, aliases, _ = read_current(connection, users, tuning, DIMENSION)
        if account in aliases:
            raise Unavailable("the account was merged into another one meanwhile")
        before = aliases.get(visitor)
        if before is None:
            merged = merge(states.take([0]), states.take([1]), tuning.half_lives_s)
            write_merged(connection, visitor, account, merged, tuning.generation)
            _merge_bases(connection, visitor, account)
            states.version[:] = merged.version
        elif before != account:
            raise InvalidRequest("visitor", "was merged into another account before")
        return list(zip(users, states.version.tolist(), strict=True))


def _merge_bases(connection: Connection, visitor: str, account: str) -> None:
    """What older months of the log left of the visitor is the account's, too."""
    bases = read_bases(connection, [visitor, account])
    if visitor not in bases:
        return
    hold_half_lives(connection)
    tuning, _ = read_tuning(connection)
    own = bases[visitor]
    both = add(bases[account], own, tuning.half_lives_s) if account in bases else own
    write_bases(connection, {account: both})
    delete_bases(connection, [visitor])

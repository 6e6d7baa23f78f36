"""Erases a user: everything that is known of one goes, and no replay brings it back."""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from schemas.responses import ErasedUser
from vane.errors import InvalidRequest, Unavailable
from vane.interaction import named_users
from vane.kafka_admin import describe_topic
from vane.markers import mark_partitions, marked_users
from vane.rebuild import Changes
from vane.settings import Settings
from vane.store.connection import Connection, connect, translated
from vane.store.erase import (
    begin_erasure,
    delete_of,
    forget_letters,
    leave_tombstones,
    letters_with,
)
from vane.store.erasures import cuts_of
from vane.store.merge import account_of, aliases_of, lock_users
from vane.store.positions import find_log

TOPIC = "user-interactions"

ATTEMPTS_MAX = 3
"""A deadlock with flows or merges, or a lock held for too long, is worth another attempt."""

_log = logging.getLogger(__name__)


class MergedAway(InvalidRequest):
    """The user counts as another one since a merge, and is only known as that one."""

    def __init__(self, account: str) -> None:
        super().__init__("user_id", "was merged into another user: name that one")
        self.account = account


class Erased(NamedTuple):
    """What an erasure has deleted.

    Attributes:
        changes: the user and the visitors merged into it, each with its version now.
        events: rows of the interaction log.
        pending: events that waited for their item.
        dead_letters: messages that could not be applied and named the user; their contents.
        accounts: 1 where the user had one.
    """

    changes: Changes
    events: int
    pending: int
    dead_letters: int
    accounts: int

    def of(self, user: str) -> ErasedUser:
        """As it is told of the user."""
        versions = dict(self.changes)
        visitors = sorted(versions.keys() - {user})
        counts = (self.events, self.pending, self.dead_letters, self.accounts)
        return ErasedUser(user, versions[user], visitors, *counts)


def erase_user(settings: Settings, user: str) -> Erased:
    """Delete all that is known of a user, and of the visitors who were merged into it.

    Events that were produced before, also those that no flow has read yet, count for nobody
    whenever they are read; later ones begin a new user of that name.

    Raises:
        MergedAway: the user was merged into another one.
        Unavailable: PostgreSQL or Kafka does not answer, or others hold the rows for too long.
        OperatorNeeded: the topic was recreated and not accepted yet.
    """
    topic, partitions = describe_topic(settings.kafka_bootstrap, TOPIC)
    with connect(settings, "vane erase") as connection:
        with translated():
            _refuse_merged(connection, user)
            log_id = find_log(connection, topic)
            names = [user, *aliases_of(connection, user)]
        cuts = mark_partitions(settings.kafka_bootstrap, TOPIC, partitions, names)
        return _erase(connection, user, log_id, cuts)


def erase_again(settings: Settings) -> Iterator[Erased]:
    """Erase everybody whose erasure the topic knows of and PostgreSQL does not, after a restore.

    Flows must not have read on before: what a user did after the erasure goes as well.

    Yields:
        what each erasure has deleted.

    Raises:
        Unavailable: PostgreSQL or Kafka does not answer, or others hold the rows for too long.
        OperatorNeeded: the topic was recreated and not accepted yet.
    """
    topic, partitions = describe_topic(settings.kafka_bootstrap, TOPIC)
    with connect(settings, "vane erase") as connection:
        with translated():
            log_id = find_log(connection, topic)
            known = cuts_of(connection, log_id)
        for user, cuts in marked_users(settings.kafka_bootstrap, TOPIC, partitions).items():
            if all(known.get((user, each), -1) >= cut for each, cut in cuts.items()):
                continue
            with translated():
                account = account_of(connection, user)
            yield _erase(connection, account, log_id, cuts)
            known |= {(account, partition): cut for partition, cut in cuts.items()}


def _erase(connection: Connection, user: str, log_id: int, cuts: dict[int, int]) -> Erased:
    for attempt in range(1, ATTEMPTS_MAX):
        try:
            return erase_at(connection, user, log_id, cuts)
        except Unavailable as error:
            _log.warning("attempt %d to erase a user: %s", attempt, error)
    return erase_at(connection, user, log_id, cuts)


def erase_at(connection: Connection, user: str, log_id: int, cuts: dict[int, int]) -> Erased:
    """`erase_user` with the offset of each partition of a log before which nothing counts."""
    with translated(), connection.transaction():
        number = begin_erasure(connection, user, log_id)
        lock_users(connection, user, user)
        _refuse_merged(connection, user)
        users = sorted({user, *aliases_of(connection, user)})
        deleted = delete_of(connection, users)
        letters = [
            letter.place
            for name in users
            for letter in letters_with(connection, name)
            if name in named_users(letter.key, letter.payload)
        ]
        forget_letters(connection, letters)
        versions = leave_tombstones(connection, users, log_id, cuts, number)
        return Erased(sorted(versions.items()), dead_letters=len(set(letters)), **deleted)


def _refuse_merged(connection: Connection, user: str) -> None:
    account = account_of(connection, user)
    if account != user:
        raise MergedAway(account)

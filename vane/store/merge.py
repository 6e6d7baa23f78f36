"""What a merge of two users reads, locks and writes, all of it inside the caller's transaction."""

from vane.preference import States
from vane.store.connection import Connection
from vane.store.interactions import time_of
from vane.store.sql import load_queries

_SQL = load_queries("merge")

_MOVES = ("move_aliases", "move_interactions", "move_pending")


def account_of(connection: Connection, user: str) -> str:
    """The account that a user was merged into, else the user."""
    row = connection.execute(_SQL["account_of"], {"user": user}).fetchone()
    return user if row is None else str(row[0])


def aliases_of(connection: Connection, account: str) -> list[str]:
    """The users who were merged into the account."""
    return [alias for (alias,) in connection.execute(_SQL["aliases_of"], {"user": account})]


def has_account(connection: Connection, user: str) -> bool:
    """Whether a user logs in, so is nobody's visitor."""
    row = connection.execute(_SQL["has_account"], {"user": user}).fetchone()
    assert row is not None
    return bool(row[0])


def lock_users(connection: Connection, visitor: str, account: str) -> None:
    """Lock the two, the visitor's waiting events and aliases; make the rows that are missing."""
    connection.execute(_SQL["lock_pending"], {"user": visitor})
    users = sorted({visitor, account, *aliases_of(connection, visitor)})
    connection.execute(_SQL["lock_users"], {"users": users})


def write_merged(
    connection: Connection, visitor: str, account: str, merged: States, generation: int
) -> None:
    """Give the account the state in row 0 of `merged`, and all else that was the visitor's."""
    fields = {
        "visitor": visitor,
        "account": account,
        "long": str(merged.vectors[0, 0].tolist()),
        "short": str(merged.vectors[0, 1].tolist()),
        "mass_long": float(merged.masses[0, 0]),
        "mass_short": float(merged.masses[0, 1]),
        "as_of": time_of(int(merged.as_of_us[0])),
        "version": int(merged.version[0]),
        "events": int(merged.events[0]),
        "event_hash": int(merged.event_hash.view("i8")[0]),
        "recent": merged.recent[0].astype("<u8").tobytes(),
        "generation": generation,
    }
    for name in ("write_account", "empty_visitor", *_MOVES):
        connection.execute(_SQL[name], fields)

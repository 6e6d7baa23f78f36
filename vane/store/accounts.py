"""Accounts: who logs in by an email address. Without passwords, so for demos."""

from msgspec.structs import asdict

from schemas.responses import Account
from vane.store.connection import Connection, translated
from vane.store.serving import ServingStore
from vane.store.sql import load_queries

DEMO_ACCOUNTS = tuple(
    Account(name.lower() + str(number), f"{name.lower()}{number}@example.com", name)
    for number, name in enumerate(("John", "Jane", "Omar", "Mei", "Lucia", "Pavel"), start=1)
)
"""john1@example.com, jane2@example.com and so on, with user ids john1, jane2, …"""

_SQL = load_queries("accounts")


async def find_account(store: ServingStore, email: str) -> Account | None:
    """The account with an email address, in any case."""
    async with store.connection() as opened:
        cursor = await opened.execute(_SQL["find"], {"email": email})
        row = await cursor.fetchone()
    return None if row is None else Account(*row)


async def create_account(store: ServingStore, account: Account) -> bool:
    """Create an account; False where its email address or user id has one."""
    async with store.connection() as opened:
        cursor = await opened.execute(_SQL["create"], asdict(account))
        return await cursor.fetchone() is not None


def create_demo_accounts(connection: Connection) -> None:
    """Create those of the demo accounts that do not exist.

    Raises:
        Unavailable: the database does not answer.
    """
    with translated():
        for account in DEMO_ACCOUNTS:
            connection.execute(_SQL["create"], asdict(account))

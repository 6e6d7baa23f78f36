"""Keys of the HTTP API: made and rotated here, kept as hashes alone."""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from schemas.responses import ApiKey, NewApiKey
from vane.errors import NotFound
from vane.store.connection import Connection, translated
from vane.store.serving import ServingStore
from vane.store.sql import load_queries

PREFIX = "vane_"
"""Scanners for leaked secrets find keys by it."""
SECRET_BYTES = 32

_SQL = load_queries("keys")


class LiveKey(NamedTuple):
    """A key that is accepted now."""

    sha256: bytes
    name: str
    scopes: list[str]
    expires_at: datetime | None


def create_key(
    connection: Connection, name: str, scopes: Sequence[str], lifetime: timedelta | None = None
) -> NewApiKey:
    """Make a key; its secret is in the answer and nowhere else.

    Args:
        connection: to the primary.
        name: what it is for.
        scopes: of `read`, `ingest` and `admin`, one or more.
        lifetime: after which it is refused; None: never.
    """
    secret = _secret()
    fields = {"name": name, "scopes": sorted(set(scopes)), "lifetime": lifetime, **_hashed(secret)}
    with translated():
        row = connection.execute(_SQL["create"], fields).fetchone()
    assert row is not None
    return NewApiKey(secret, ApiKey(*row))


def list_keys(connection: Connection) -> list[ApiKey]:
    """All keys that were ever made, oldest first."""
    with translated():
        return [ApiKey(*row) for row in connection.execute(_SQL["list"])]


def rotate_key(connection: Connection, key_id: int, grace: timedelta) -> NewApiKey:
    """Make the successor of a key, which is accepted beside it for the time of grace.

    Raises:
        NotFound: there is no such key that is still accepted.
    """
    secret = _secret()
    fields = {"id": key_id, "grace": grace, **_hashed(secret)}
    with translated(), connection.transaction():
        row = connection.execute(_SQL["replace"], fields).fetchone()
        if row is None or connection.execute(_SQL["outlive"], fields).fetchone() is None:
            raise NotFound(f"no API key {key_id} that is still accepted")
    return NewApiKey(secret, ApiKey(*row))


def revoke_key(connection: Connection, key_id: int) -> ApiKey:
    """End a key; once more changes nothing.

    Raises:
        NotFound: there is no such key.
    """
    with translated():
        row = connection.execute(_SQL["revoke"], {"id": key_id}).fetchone()
    if row is None:
        raise NotFound(f"no API key {key_id}")
    return ApiKey(*row)


async def live_keys(store: ServingStore, used: Collection[bytes]) -> list[LiveKey]:
    """The keys that are accepted now.

    Args:
        store: of the API process.
        used: hashes of those that were used since the last call, to be noted.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with store.connection() as opened:
        if used:
            await opened.execute(_SQL["used"], {"used": list(used)})
        cursor = await opened.execute(_SQL["live"])
        return [LiveKey(*row) for row in await cursor.fetchall()]


def _secret() -> str:
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def _hashed(secret: str) -> dict[str, bytes]:
    return {"sha256": sha256(secret.encode()).digest()}

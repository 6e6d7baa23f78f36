"""Versions of users' states, for those who watch many of them."""

from collections.abc import Sequence

from vane.store.serving import ServingStore
from vane.store.sql import load_queries

_SQL = load_queries("versions")


async def user_versions(store: ServingStore, user_ids: Sequence[str]) -> dict[str, int]:
    """User id → version; a user without a state is left out."""
    (rows,) = await store.read((_SQL["user_versions"], {"user_ids": list(user_ids)}))
    return dict(rows)

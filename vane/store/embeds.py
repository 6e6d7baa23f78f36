"""What items embed: the products in a video or an article."""

from collections.abc import Sequence

from schemas.discovery import EmbeddedItem
from vane.store.serving import ServingStore
from vane.store.sql import load_queries

EMBEDS_MAX = 10
"""So many of the first ones that an item embeds are shown."""

_SQL = load_queries("embeds")


async def read_embeds(
    store: ServingStore, item_ids: Sequence[str]
) -> dict[str, list[EmbeddedItem]]:
    """What each of these items embeds that may be had now; who embeds nothing is left out."""
    fields = {"item_ids": list(item_ids), "looked_at": EMBEDS_MAX}
    (rows,) = await store.read((_SQL["embeds"], fields))
    found: dict[str, list[EmbeddedItem]] = {}
    for embedder, *columns in rows:
        found.setdefault(embedder, []).append(EmbeddedItem(*columns))
    return found

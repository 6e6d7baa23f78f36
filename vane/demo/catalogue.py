"""The demo catalogue as one stream of product updates."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from functools import cache

from schemas.events import ProductUpdate
from vane.demo.cars import car_updates
from vane.demo.films import film_updates
from vane.demo.media import article_updates, video_updates

ANY_DAY = date(2026, 1, 1)


def demo_items(day: date) -> Iterator[ProductUpdate]:
    """Every item of the demo catalogue, the kinds interleaved evenly.

    The same at every call; only `published_at` moves with `day`: it lies within the 30 days
    before its start in UTC.
    """
    start = datetime.combine(day, time(), UTC)
    kinds = [
        list(make(start)) for make in (car_updates, film_updates, video_updates, article_updates)
    ]
    placed = [
        ((index + 0.5) / len(items), rank, item)
        for rank, items in enumerate(kinds)
        for index, item in enumerate(items)
    ]
    return (item for *_, item in sorted(placed, key=lambda place: place[:2]))


@cache
def demo_items_by_id() -> dict[str, ProductUpdate]:
    """The items by id, for all that does not depend on the day."""
    return {item.item_id: item for item in demo_items(ANY_DAY)}

"""Well-known films: public facts, described in our own words."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from schemas.events import ItemStats, ProductUpdate
from vane.demo.models import slug
from vane.demo.tables import between, dice, read_table

PUBLISHED_DAYS = 30


def film_updates(day_start: datetime) -> Iterator[ProductUpdate]:
    """The films as a streaming site would send them; published is when they came to the site."""
    for row in read_table("films"):
        genres, year = row["genres"].split(","), int(row["year"])
        item_id = f"film-{year}-{slug(row['title'])}"
        random = dice(item_id)
        plays = int(between(random, 50, 5_000) * between(random, 0, 2))
        yield ProductUpdate(
            item_id=item_id,
            kind="film",
            title=f"{row['title']} ({year})",
            description=row["description"],
            category=genres[0],
            tags=[*genres, row["director"], f"{year // 10 * 10}s"],
            image_url=f"/pictures/{item_id}.svg",
            author=row["director"],
            published_at=day_start - timedelta(minutes=random.randrange(PUBLISHED_DAYS * 1_440)),
            attributes={"title": row["title"], "year": year, "director": row["director"]},
            stats=ItemStats(plays=plays, likes=plays // 9, comments=plays // 70),
        )

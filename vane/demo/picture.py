"""The pictures of the demo catalogue, drawn from what the items themselves say."""

from schemas.events import ProductUpdate
from vane.demo.car_picture import car
from vane.demo.catalogue import demo_items_by_id
from vane.demo.posters import draw_film
from vane.demo.press import draw_article, draw_video
from vane.demo.scenery import scene
from vane.demo.svg import document
from vane.demo.tables import dice


def draw_car(item: ProductUpdate) -> str:
    """A car on a road."""
    assert isinstance(item.attributes, dict)
    shown = car(str(item.category), item.attributes["colour"], ground=346, scale=1.08, centre=320)
    return document(str(item.title), scene(dice("scene", item.item_id)), shown)


DRAWERS = {"car": draw_car, "film": draw_film, "video": draw_video, "article": draw_article}


def draw(item: ProductUpdate) -> str:
    """The picture of an item of the demo catalogue, as SVG."""
    return DRAWERS[str(item.kind)](item)


def picture(item_id: str) -> str | None:
    """The picture of the demo item with this id, None where there is none."""
    item = demo_items_by_id().get(item_id)
    return None if item is None else draw(item)

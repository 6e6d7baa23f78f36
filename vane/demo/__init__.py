"""A catalogue to try Vane with: cars, films, videos and articles, and pictures drawn for them."""

from vane.demo.catalogue import demo_items
from vane.demo.picture import draw, picture

__all__ = ["demo_items", "draw", "picture"]

"""Posters of films: the title in type over shapes that speak of the genre."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from schemas.events import ProductUpdate
from vane.demo import motifs, places
from vane.demo.motifs import Palette
from vane.demo.svg import (
    HEIGHT,
    SANS,
    SERIF,
    WIDTH,
    document,
    gradient,
    mix,
    rect,
    text,
    wrap,
)
from vane.demo.tables import dice, pick

LEFT = 40
LINE_CHARACTERS_MAX = 17
SIZE_MAX, SIZE_MIN = 54.0, 24.0
TITLE_WIDTH_MAX = 540
WIDE, NARROW = 0.68, 0.58
"""Width of a letter as a share of its size: bold capitals, and serif letters."""


class Genre(NamedTuple):
    """How films of a genre look: what may be drawn, in which colours, with which letters."""

    motifs: tuple[Callable[[Random, Palette], str], ...]
    palettes: tuple[Palette, ...]
    serif: bool = False


_NIGHT = Palette("#0d1330", "#2b2a63", "#f06a8b", "#ffd08a", "#f7f4ff")
_TEAL = Palette("#06262e", "#0f5662", "#f2b84b", "#7fd6c8", "#f1fbf8")
_EMBER = Palette("#2a0d10", "#7c1f22", "#ff8a4c", "#ffd9a8", "#fff3e8")
_CREAM = Palette("#f4ead8", "#e8cfae", "#c5543a", "#2f4858", "#2a2320")
_SKY = Palette("#bfe3ec", "#fdf3dc", "#f0794f", "#2f6f86", "#173540")
_PLUM = Palette("#2b1533", "#6d2d5f", "#f59ab0", "#f8d6a4", "#fff2f6")
_INK = Palette("#101216", "#2b3038", "#d9c27a", "#8d98a8", "#f5f2ea")
_MOSS = Palette("#16211a", "#42573a", "#d9b65c", "#9fb98a", "#f4f1e2")
_SUN = Palette("#ffd25e", "#ff9c4a", "#e2483d", "#2a4d8f", "#2b1a1a")
_MINT = Palette("#d6f2e3", "#9fdcc6", "#ef6f6c", "#2d5d7b", "#12343b")
_BLOOD = Palette("#0c0709", "#3d0b12", "#d3202f", "#e8d9c4", "#f6ece4")
_SAND = Palette("#f3d7a2", "#d98a54", "#7c2f23", "#f9efd9", "#3a1a14")

GENRES = {
    "Action": Genre((motifs.rays, motifs.slash), (_EMBER, _SUN, _INK)),
    "Adventure": Genre((places.mountains,), (_SAND, _SKY, _TEAL)),
    "Animation": Genre((motifs.balloons, places.meadow), (_SKY, _MINT, _SUN)),
    "Comedy": Genre((motifs.confetti, motifs.smiles), (_SUN, _MINT, _CREAM, _SKY)),
    "Crime": Genre((motifs.blinds, places.street), (_INK, _BLOOD, _TEAL)),
    "Drama": Genre(
        (motifs.arches, places.window, places.horizon, motifs.leaves),
        (_CREAM, _PLUM, _TEAL, _MOSS, _NIGHT),
        serif=True,
    ),
    "Fantasy": Genre((places.castle,), (_NIGHT, _PLUM, _TEAL), serif=True),
    "History": Genre((places.horizon, motifs.leaves), (_SAND, _CREAM, _MOSS), serif=True),
    "Horror": Genre((places.bare_tree,), (_BLOOD, _INK, _PLUM), serif=True),
    "Musical": Genre((motifs.record, motifs.waves), (_PLUM, _SUN, _NIGHT)),
    "Mystery": Genre((motifs.keyhole,), (_INK, _TEAL, _PLUM), serif=True),
    "Romance": Genre((motifs.two_suns, motifs.leaves), (_PLUM, _CREAM, _SKY), serif=True),
    "Science Fiction": Genre((places.planet, places.orbit), (_NIGHT, _TEAL, _PLUM, _EMBER)),
    "Sport": Genre((motifs.track,), (_SUN, _SKY)),
    "Thriller": Genre((motifs.rings, motifs.slash), (_BLOOD, _INK, _TEAL)),
    "War": Genre((places.searchlights,), (_MOSS, _INK, _EMBER)),
    "Western": Genre((places.mesas,), (_SAND, _EMBER)),
}


def draw_film(item: ProductUpdate) -> str:
    """A poster."""
    assert isinstance(item.attributes, dict)
    random = dice("poster", item.item_id)
    genre = GENRES[str(item.category)]
    colours = pick(random, genre.palettes)
    return document(
        str(item.title),
        gradient("ground", (0, colours.top, 1), (1, colours.bottom, 1)),
        rect(0, 0, WIDTH, HEIGHT, "url(#ground)"),
        pick(random, genre.motifs)(random, colours),
        _lettering(item.attributes, colours, serif=genre.serif),
    )


def _lettering(facts: dict[str, object], colours: Palette, *, serif: bool) -> str:
    """Title, director and year on a ground that keeps them readable, at the lower left."""
    title = str(facts["title"])
    letter = NARROW if serif else WIDE
    lines = wrap(title if serif else title.upper(), LINE_CHARACTERS_MAX)
    longest = max(len(row) for row in lines)
    size = min(SIZE_MAX, TITLE_WIDTH_MAX / (letter * longest), 150 / len(lines))
    size = max(SIZE_MIN, size)
    font = {"font_family": SERIF if serif else SANS, "font_weight": "700" if serif else "800"}
    first = HEIGHT - 74 - (len(lines) - 1) * size * 1.06
    shade = mix(colours.bottom, colours.top, 0.2)
    parts = [
        gradient("veil", (0, shade, 0), (0.55, shade, 0.82), (1, shade, 0.96)),
        rect(0, first - size - 70, WIDTH, HEIGHT - first + size + 70, "url(#veil)"),
    ]
    parts += [
        text(row, LEFT, first + index * size * 1.06, size, colours.letters, **font)
        for index, row in enumerate(lines)
    ]
    credit = f"{facts['director']}  ·  {facts['year']}"
    parts.append(rect(LEFT, HEIGHT - 54, 42, 4, colours.accent))
    more = {"font_family": SANS, "font_weight": "600", "letter_spacing": "1"}
    parts.append(text(credit, LEFT, HEIGHT - 24, 17, colours.letters, opacity=0.85, **more))
    return "".join(parts)

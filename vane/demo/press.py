"""Pictures of videos and articles, which are about cars."""

from schemas.events import ProductUpdate
from vane.demo.car_picture import PAINTS, car
from vane.demo.scenery import scene
from vane.demo.svg import (
    HEIGHT,
    SANS,
    SERIF,
    WIDTH,
    circle,
    document,
    gradient,
    mix,
    polygon,
    rect,
    tag,
    text,
    wrap,
)
from vane.demo.tables import dice, pick

PAPERS = ("#f6f1e6", "#eef1f0", "#f4ece4", "#edeff5")
INK = "#22252b"


def draw_video(item: ProductUpdate) -> str:
    """A still of the car under a play badge, with the length."""
    assert isinstance(item.attributes, dict)
    facts = item.attributes
    seconds = facts["duration_s"]
    return document(
        str(item.title),
        scene(dice("scene", item.item_id)),
        car(facts["body"], facts["colour"], ground=346, scale=1.14, centre=330),
        gradient("veil", (0, "#000000", 0.1), (0.6, "#000000", 0.18), (1, "#000000", 0.55)),
        rect(0, 0, WIDTH, HEIGHT, "url(#veil)"),
        circle(320, 196, 58, "#000000", opacity=0.5),
        circle(320, 196, 58, "none", stroke="#ffffff", stroke_width=4, opacity=0.95),
        polygon([(303, 168), (303, 224), (349, 196)], "#ffffff", stroke="#ffffff",
                stroke_width=6, stroke_linejoin="round"),
        rect(552, 350, 68, 30, "#000000", rx=6, opacity=0.72),
        text(f"{seconds // 60}:{seconds % 60:02}", 586, 371, 18, "#ffffff",
             font_family=SANS, font_weight="700", text_anchor="middle"),
        rect(0, 394, WIDTH, 6, "#ffffff", opacity=0.35),
        rect(0, 394, dice("played", item.item_id).uniform(60, 420), 6, "#e5342f"),
    )  # fmt: skip


def draw_article(item: ProductUpdate) -> str:
    """A page of a magazine: masthead, headline, columns and the car."""
    assert isinstance(item.attributes, dict)
    facts, random = item.attributes, dice("page", item.item_id)
    paper, accent = pick(random, PAPERS), mix(PAINTS[facts["colour"]], "#a02c2c", 0.45)
    lines = wrap(str(item.title), 24)
    size = min(44.0, 560 / (0.54 * max(map(len, lines))), 112 / len(lines))
    headline = [
        text(row, 40, 92 + size * 0.7 + k * size * 1.12, size, INK, font_family=SERIF,
             font_weight="700")
        for k, row in enumerate(lines)
    ]  # fmt: skip
    small = {"font_family": SANS, "font_weight": "700", "letter_spacing": "2"}
    minutes = f"{facts['reading_minutes']} MIN"
    return document(
        str(item.title),
        rect(0, 0, WIDTH, HEIGHT, paper),
        rect(40, 36, 560, 2, INK),
        text(str(item.category).upper(), 40, 64, 15, accent, **small),
        text(minutes, 600, 64, 15, INK, text_anchor="end", opacity=0.6, **small),
        rect(40, 78, 560, 1, INK, opacity=0.5),
        *headline,
        _photo(facts["body"], facts["colour"], item.item_id),
        *(_column(x, random.randint(5, 7), item.item_id) for x in (40, 190)),
    )


def _photo(body: str, colour: str, seed: str) -> str:
    """The car on its road, framed at the lower right."""
    x, y, width, height = 340, 236, 260, 164
    frame = tag("clipPath", rect(x, y, width, height, "#ffffff"), id="frame")
    drawn = scene(dice("scene", seed)) + car(body, colour, ground=346, scale=1.08, centre=320)
    moved = tag("g", drawn, transform=f"translate({x} {y}) scale({width / WIDTH:.4f})")
    return frame + tag("g", moved, clip_path="url(#frame)")


def _column(x: float, rows: int, seed: str) -> str:
    """Lines of text too small to read."""
    random = dice("column", seed, x)
    return "".join(
        rect(
            x, 240 + k * 20, 130 if k < rows - 1 else random.uniform(40, 110), 6, INK, opacity=0.28
        )
        for k in range(rows)
    )

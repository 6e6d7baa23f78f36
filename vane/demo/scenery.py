"""Places and hours of the day behind the cars."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from vane.demo.svg import (
    HEIGHT,
    WIDTH,
    circle,
    gradient,
    mix,
    path,
    polygon,
    rect,
    smooth,
    tag,
)
from vane.demo.tables import pick

ROAD = 306
"""y of the far edge of the road, in pixels."""


class Hour(NamedTuple):
    """Colours of an hour: sky above and at the horizon, land far and near, sun and road."""

    sky: str
    horizon: str
    far: str
    near: str
    sun: str
    road: str


HOURS = (
    Hour("#7db8e8", "#e6f2f8", "#a9c4d4", "#7fa07e", "#fff6d8", "#5b606a"),
    Hour("#f19a7c", "#fde3c4", "#d49a94", "#7d6a78", "#fff0c9", "#565460"),
    Hour("#41507f", "#f0a588", "#7a6a92", "#3d4364", "#ffd9a0", "#3e4150"),
    Hour("#a9b8c6", "#e9eef1", "#b3c0c8", "#81908f", "#f7f9fa", "#60646b"),
    Hour("#7ccabf", "#eef7e4", "#9cc9b9", "#5f9a7c", "#fffbe0", "#595f63"),
    Hour("#c9a4d8", "#fde8e4", "#b59cc4", "#75709c", "#fff3ea", "#57566a"),
)


def scene(random: Random) -> str:
    """Sky, a place, and a road in front."""
    hour = pick(random, HOURS)
    place = pick(random, PLACES)
    x, y = random.uniform(60, WIDTH - 60), random.uniform(60, 150)
    parts = [
        gradient("sky", (0, hour.sky, 1), (1, hour.horizon, 1)),
        rect(0, 0, WIDTH, ROAD + 4, "url(#sky)"),
        circle(x, y, 64, hour.sun, opacity=0.25),
        circle(x, y, 38, hour.sun, opacity=0.9),
        *_clouds(random),
        place(random, hour),
        _road(hour),
    ]
    return "".join(parts)


def ridge(
    random: Random, base: float, height: float, step: float, fill: str, **more: float | str
) -> str:
    """A line of soft hills, filled down to the road."""
    points = [(-step, base)]
    x = -step / 2
    while x < WIDTH + step:
        points.append((x, base - random.uniform(0.1, 1) * height))
        x += step * random.uniform(0.7, 1.3)
    points.append((WIDTH + step, base))
    return path(f"{smooth(points)}V{HEIGHT}H{-step}Z", fill, **more)


def peaks(random: Random, base: float, height: float, step: float, fill: str, snow: str) -> str:
    """Mountains with snow on the higher ones."""
    parts, x = [], -step / 2
    while x < WIDTH + step:
        top = base - height * random.uniform(0.55, 1)
        half = step * random.uniform(0.75, 1.1)
        parts.append(polygon([(x - half, base), (x, top), (x + half, base)], fill))
        parts.append(
            polygon([(x, top), (x + half, base), (x + half * 0.25, base)], "#000000", opacity=0.08)
        )
        cap, width = (base - top) * 0.26, half * 0.26
        jag = [(x, top), (x + width, top + cap), (x + width * 0.35, top + cap * 0.75)]
        jag += [(x, top + cap * 1.05), (x - width * 0.4, top + cap * 0.7), (x - width, top + cap)]
        parts.append(polygon(jag, snow, opacity=0.85))
        x += step * random.uniform(0.7, 1.2)
    return "".join(parts)


def skyline(random: Random, base: float, height: float, fill: str, lit: str) -> str:
    """Houses side by side, some windows lit."""
    parts, x = [], -10.0
    while x < WIDTH:
        width, tall = random.uniform(34, 74), height * random.uniform(0.35, 1)
        shade = mix(fill, "#ffffff", random.uniform(0, 0.14))
        parts.append(rect(x, base - tall, width + 1, tall + 2, shade))
        for row in range(int(tall // 17)):
            for column in range(int(width // 14)):
                if random.random() < 0.4:
                    at = x + 6 + column * 14, base - tall + 8 + row * 17
                    parts.append(rect(*at, 6, 9, lit, opacity=0.55))
        x += width
    return "".join(parts)


def _hills(random: Random, hour: Hour) -> str:
    middle = mix(hour.far, hour.near, 0.5)
    return (
        ridge(random, ROAD - 50, 80, 150, hour.far)
        + ridge(random, ROAD - 24, 60, 120, middle)
        + ridge(random, ROAD + 4, 34, 100, hour.near)
    )


def _alps(random: Random, hour: Hour) -> str:
    return (
        peaks(random, ROAD, 190, 150, mix(hour.far, hour.horizon, 0.3), "#ffffff")
        + ridge(random, ROAD - 4, 56, 110, mix(hour.far, hour.near, 0.6))
        + ridge(random, ROAD + 6, 26, 90, hour.near)
    )


def _city(random: Random, hour: Hour) -> str:
    lit = mix(hour.sun, "#ffd27a", 0.4)
    return skyline(random, ROAD, 190, mix(hour.far, hour.horizon, 0.35), lit) + skyline(
        random, ROAD, 120, mix(hour.far, hour.near, 0.55), lit
    )


def _coast(random: Random, hour: Hour) -> str:
    water = mix(hour.sky, "#2d6f93", 0.45)
    waves = "".join(
        rect(random.uniform(0, WIDTH), random.uniform(246, 296), random.uniform(30, 110), 2, "#fff")
        for _ in range(16)
    )
    return (
        ridge(random, 236, 60, 170, hour.far)
        + rect(0, 232, WIDTH, ROAD - 228, water)
        + tag("g", waves, opacity=0.35)
        + ridge(random, ROAD + 14, 22, 160, mix(hour.near, "#d8c59a", 0.5))
    )


def _forest(random: Random, hour: Hour) -> str:
    back = ridge(random, ROAD - 20, 90, 160, hour.far)
    trees = []
    for depth in (0.25, 0.6, 0.95):
        fill = mix(hour.far, mix(hour.near, "#1f4a3a", 0.45), depth)
        x = random.uniform(-20, 0)
        while x < WIDTH + 20:
            tall, half = random.uniform(60, 118) * (1.25 - depth * 0.4), random.uniform(15, 23)
            foot = ROAD + 6 - (1 - depth) * 16
            for w, low, high in ((1, 0, 0.62), (0.8, 0.28, 0.82), (0.56, 0.55, 1)):
                left, right, base = x - half * w, x + half * w, foot - tall * low
                trees.append(polygon([(left, base), (x, foot - tall * high), (right, base)], fill))
            x += random.uniform(22, 44)
    return back + "".join(trees) + ridge(random, ROAD + 6, 10, 80, mix(hour.near, "#2a4a3a", 0.4))


PLACES: tuple[Callable[[Random, Hour], str], ...] = (_hills, _alps, _city, _coast, _forest)


def _clouds(random: Random) -> list[str]:
    clouds = []
    shapes = ((0, 0, 46, 13), (-22, -8, 22, 15), (14, -13, 28, 18), (40, -3, 26, 11))
    for _ in range(random.randint(1, 3)):
        x, y, size = random.uniform(20, 600), random.uniform(30, 120), random.uniform(0.6, 1.2)
        puffs = "".join(
            tag("ellipse", cx=x + dx * size, cy=y + dy * size, rx=rx * size, ry=ry * size)
            for dx, dy, rx, ry in shapes
        )
        clouds.append(tag("g", puffs, fill="#ffffff", opacity=0.5))
    return clouds


def _road(hour: Hour) -> str:
    dark = mix(hour.road, "#000000", 0.3)
    dashes = "".join(rect(x, 372, 62, 5, "#ffffff", opacity=0.6) for x in range(-20, WIDTH, 124))
    return (
        gradient("road", (0, hour.road, 1), (1, dark, 1))
        + rect(0, ROAD, WIDTH, HEIGHT - ROAD, "url(#road)")
        + rect(0, ROAD, WIDTH, 4, mix(hour.road, "#ffffff", 0.45))
        + dashes
    )

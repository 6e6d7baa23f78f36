"""Places of the posters: worlds, towns and landscapes in the colours of a palette."""

from math import cos, sin
from random import Random

from vane.demo.motifs import Palette
from vane.demo.scenery import peaks, ridge, skyline
from vane.demo.svg import (
    HEIGHT,
    WIDTH,
    circle,
    glow,
    line,
    mix,
    polygon,
    rect,
    tag,
)


def bare_tree(random: Random, colours: Palette) -> str:
    """A moon behind a tree without leaves."""
    x = random.uniform(400, 500)
    moon = circle(x, 140, 104, colours.accent, opacity=0.92)
    branches: list[str] = []
    _branch(random, branches, (x + 50, 400.0), (-1.65, 96.0, 15.0))
    tree = tag("g", "".join(branches), stroke=colours.top, stroke_linecap="round")
    return moon + tree + ridge(random, 372, 40, 120, colours.top)


def street(random: Random, colours: Palette) -> str:
    """A city at night under a lamp."""
    x = random.uniform(420, 520)
    cone = polygon([(x, 92), (x - 120, 400), (x + 120, 400)], colours.accent, opacity=0.3)
    pole = line(x + 46, 400, x + 46, 84, "#000000", 6) + line(x + 48, 86, x - 6, 86, "#000000", 6)
    return (
        skyline(random, 330, 260, mix(colours.bottom, colours.second, 0.15), colours.accent)
        + rect(0, 328, WIDTH, 80, mix(colours.top, "#000000", 0.4))
        + cone
        + pole
        + circle(x, 92, 12, colours.accent)
    )


def horizon(random: Random, colours: Palette) -> str:
    """A low sun in stripes over water."""
    x, y = random.uniform(380, 480), 190
    bars = "".join(
        rect(x - 150, y + k * 17, 300, 3 + k * 2, mix(colours.bottom, colours.top, 0.4))
        for k in range(8)
    )
    water = "".join(
        rect(
            random.uniform(-20, 560), random.uniform(250, 390), random.uniform(60, 220), 3,
            colours.second, opacity=0.4,
        )
        for _ in range(18)
    )  # fmt: skip
    return circle(x, y, 122, colours.accent) + bars + water


def castle(random: Random, colours: Palette) -> str:
    """Towers on a hill before the moon."""
    x, dark = random.uniform(360, 440), mix(colours.top, "#000000", 0.35)
    towers = []
    for dx, width, top in ((0, 38, 150), (44, 56, 196), (106, 42, 112), (154, 34, 178)):
        towers.append(rect(x + dx, top, width, 300, dark))
        roof = [(x + dx - 8, top), (x + dx + width / 2, top - 62), (x + dx + width + 8, top)]
        towers.append(polygon(roof, mix(colours.accent, colours.top, 0.35)))
        towers.append(rect(x + dx + width / 2 - 4, top + 24, 8, 15, colours.second, rx=4))
    moon = circle(x + 90, 136, 120, colours.second, opacity=0.9)
    hill = ridge(random, 350, 70, 200, dark)
    return _stars(random, colours.letters) + moon + "".join(towers) + hill


def searchlights(random: Random, colours: Palette) -> str:
    """Beams over a dark land."""
    beams = []
    for foot in (330, 450, 570):
        lean = random.uniform(-150, 110)
        top = [(foot + lean - 46, -10), (foot + lean + 46, -10)]
        beams.append(polygon([(foot - 5, 350), *top, (foot + 5, 350)], colours.accent, opacity=0.4))
    stripes = "".join(
        polygon([(x, 250), (x + 34, 284), (x + 68, 250), (x + 68, 268), (x + 34, 302), (x, 268)],
                colours.second, opacity=0.55)
        for x in range(300, 640, 80)
    )  # fmt: skip
    dark = mix(colours.top, "#000000", 0.4)
    return "".join(beams) + stripes + ridge(random, 350, 44, 130, dark)


def mesas(random: Random, colours: Palette) -> str:
    """Table mountains and a large sun."""
    x, rock = random.uniform(360, 460), mix(colours.accent, colours.bottom, 0.25)
    far = mix(rock, colours.top, 0.5)
    return (
        circle(x, 176, 116, colours.second, opacity=0.9)
        + polygon([(360, 320), (388, 190), (500, 190), (520, 240), (560, 246), (580, 320)], far)
        + polygon([(60, 330), (92, 214), (170, 214), (206, 330)], far)
        + polygon([(470, 350), (500, 150), (580, 146), (596, 210), (700, 226), (700, 350)], rock)
        + rect(0, 316, WIDTH, HEIGHT, mix(rock, "#000000", 0.25))
    )


def mountains(random: Random, colours: Palette) -> str:
    """A way to far mountains."""
    far, near = mix(colours.bottom, colours.second, 0.55), mix(colours.accent, "#000000", 0.2)
    return (
        circle(random.uniform(380, 500), 118, 70, colours.accent, opacity=0.95)
        + peaks(random, 330, 210, 170, far, "#ffffff")
        + ridge(random, 330, 70, 150, mix(far, near, 0.5))
        + ridge(random, 352, 30, 120, near)
    )


def meadow(random: Random, colours: Palette) -> str:
    """Round hills, a sun and clouds."""
    puffs = "".join(
        tag("ellipse", cx=x + dx, cy=y, rx=rx, ry=20, fill="#ffffff", opacity=0.85)
        for x, y in ((150, 70), (360, 110), (560, 60))
        for dx, rx in ((-26, 34), (0, 44), (30, 30))
    )
    return (
        circle(random.uniform(420, 520), 130, 82, colours.accent)
        + puffs
        + ridge(random, 300, 120, 260, mix(colours.second, colours.bottom, 0.45))
        + ridge(random, 340, 100, 220, mix(colours.second, colours.bottom, 0.2))
    )


def window(random: Random, colours: Palette) -> str:
    """A lit window in a dark wall, its light on the floor."""
    x = random.uniform(360, 440)
    panes = "".join(
        rect(x + dx, 40 + dy, 66, 82, colours.second, opacity=0.95)
        for dx in (0, 74)
        for dy in (0, 90)
    )
    floor = polygon([(x - 20, 300), (x + 160, 300), (x + 60, 410), (x - 200, 410)], colours.second)
    return (
        rect(x - 14, 26, 168, 200, mix(colours.top, colours.accent, 0.55))
        + panes
        + circle(x + 106, 96, 24, colours.accent, opacity=0.9)
        + tag("g", floor, opacity=0.25)
    )


def planet(random: Random, colours: Palette) -> str:
    """A planet with a ring, and stars."""
    x, y, radius = random.uniform(400, 500), random.uniform(120, 170), random.uniform(84, 116)
    dark = mix(colours.accent, "#000000", 0.65)
    ball = glow("ball", (0, colours.second, 1), (0.5, colours.accent, 1), (1, dark, 1), lit=True)
    turn = f"rotate(-18 {x:.0f} {y:.0f})"
    whole = tag(
        "ellipse",
        cx=x,
        cy=y,
        rx=radius * 1.7,
        ry=radius * 0.34,
        fill="none",
        stroke=colours.second,
        stroke_width=7,
        opacity=0.8,
    )
    front = tag("clipPath", rect(x - 300, y, 600, 300, "#ffffff"), id="front")
    return "".join(
        [
            ball,
            _stars(random, colours.letters),
            front,
            tag("g", whole, transform=turn),
            circle(x, y, radius, "url(#ball)"),
            tag("g", tag("g", whole, clip_path="url(#front)"), transform=turn),
            circle(x - 240, y - 50, random.uniform(14, 26), colours.second, opacity=0.85),
        ]
    )


def orbit(random: Random, colours: Palette) -> str:
    """A horizon of a world from above, with orbits."""
    x = random.uniform(260, 420)
    rings = "".join(
        circle(x, 560, radius, "none", stroke=colours.second, stroke_width=1.6, opacity=0.5)
        for radius in range(390, 620, 46)
    )
    moons = "".join(
        circle(x + r * cos(a), 560 - r * sin(a), random.uniform(6, 15), colours.second)
        for r, a in ((436, random.uniform(1.2, 1.5)), (482, 1.9), (528, random.uniform(0.9, 1.2)))
    )
    glowing = glow("ball", (0.8, colours.accent, 0.9), (1, colours.accent, 0))
    return (
        glowing
        + _stars(random, colours.letters)
        + circle(x, 560, 420, "url(#ball)")
        + circle(x, 560, 344, mix(colours.accent, colours.bottom, 0.55))
        + rings
        + moons
    )


def _stars(random: Random, fill: str) -> str:
    return tag(
        "g",
        "".join(
            circle(random.uniform(0, WIDTH), random.uniform(0, 300), random.uniform(0.6, 2), fill)
            for _ in range(70)
        ),
        opacity=0.8,
    )


def _branch(
    random: Random,
    drawn: list[str],
    foot: tuple[float, float],
    growth: tuple[float, float, float],
) -> None:
    """A branch and what grows from it; growth is angle, length and width."""
    angle, length, width = growth
    tip = foot[0] + length * cos(angle), foot[1] + length * sin(angle)
    drawn.append(
        f'<path d="M{foot[0]:.0f} {foot[1]:.0f}L{tip[0]:.0f} {tip[1]:.0f}" '
        f'stroke-width="{width:.1f}"/>'
    )
    if width < 2:
        return
    for lean in (-0.5, 0.42):
        turned = angle + lean + random.uniform(-0.22, 0.22)
        _branch(random, drawn, tip, (turned, length * random.uniform(0.66, 0.84), width * 0.66))

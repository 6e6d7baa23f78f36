"""Shapes of the posters: one for each mood, in the colours of a palette."""

from math import cos, pi, sin
from random import Random
from typing import NamedTuple

from vane.demo.svg import (
    circle,
    line,
    mix,
    path,
    polygon,
    rect,
    tag,
)


class Palette(NamedTuple):
    """Colours of a poster: ground from top to bottom, two accents, and letters that show on it."""

    top: str
    bottom: str
    accent: str
    second: str
    letters: str


def rings(random: Random, colours: Palette) -> str:
    """Rings that draw the eye in."""
    x, y = random.uniform(400, 480), random.uniform(130, 170)
    drawn = []
    for step in range(11, 0, -1):
        fill = colours.accent if step % 2 else mix(colours.top, "#000000", 0.2)
        drift = (11 - step) * 3.2
        drawn.append(circle(x + drift, y + drift * 0.6, step * 21, fill))
    return "".join(drawn)


def slash(random: Random, colours: Palette) -> str:
    """Broad strokes from corner to corner."""
    x = random.uniform(250, 330)
    return "".join(
        polygon(
            [
                (x + at, -10),
                (x + at + width, -10),
                (x + at + width - 210, 410),
                (x + at - 210, 410),
            ],
            fill,
            opacity=opacity,
        )
        for at, width, fill, opacity in (
            (0, 46, colours.second, 0.25),
            (90, 120, colours.accent, 0.95),
            (230, 34, colours.second, 0.8),
            (300, 210, colours.accent, 0.35),
        )
    )


def rays(random: Random, colours: Palette) -> str:
    """Rays from behind the horizon."""
    x, y, count = random.uniform(360, 480), random.uniform(170, 220), 26
    beams = "".join(
        polygon([(x, y), _at(x, y, 800, a), _at(x, y, 800, a + pi / count)], colours.accent)
        for a in (2 * pi * k / count for k in range(count))
    )
    return (
        tag("g", beams, opacity=0.45)
        + circle(x, y, 92, colours.accent)
        + circle(x, y, 70, colours.second)
        + circle(x, y, 44, colours.top)
    )


def confetti(random: Random, colours: Palette) -> str:
    """Cheerful shapes."""
    fills = (colours.accent, colours.second, "#ffffff", mix(colours.accent, "#ffffff", 0.4))
    shapes = []
    for k in range(28):
        x, y = (k % 7) * 96 + random.uniform(0, 70), (k // 7) * 76 + random.uniform(0, 50) - 20
        size, fill = random.uniform(14, 34), fills[random.randrange(4)]
        turn = f"rotate({random.randrange(360)} {x:.0f} {y:.0f})"
        half = f"M{x - size:.0f} {y:.0f}a{size:.0f} {size:.0f} 0 0 1 {2 * size:.0f} 0z"
        shapes.append(
            random.choice(
                (
                    circle(x, y, size * 0.8, fill),
                    path(half, fill, transform=turn),
                    rect(x, y, size * 1.3, size * 0.5, fill, transform=turn, rx=4),
                    circle(x, y, size * 0.7, "none", stroke=fill, stroke_width=8),
                )
            )
        )
    return "".join(shapes)


def smiles(random: Random, colours: Palette) -> str:
    """A big round grin."""
    x, y = random.uniform(410, 480), random.uniform(140, 165)
    grin = f"M{x - 76:.0f} {y + 14:.0f}a76 76 0 0 0 152 0z"
    return (
        circle(x, y, 136, colours.accent)
        + circle(x - 46, y - 38, 15, colours.letters)
        + circle(x + 46, y - 38, 15, colours.letters)
        + path(grin, colours.letters)
        + path(f"M{x - 66:.0f} {y + 14:.0f}h132v14h-132z", "#ffffff")
        + circle(x - 300, y - 30, 34, colours.second, opacity=0.8)
        + circle(x - 215, y + 44, 16, colours.second, opacity=0.6)
    )


def blinds(random: Random, colours: Palette) -> str:
    """Light through the blinds, and a figure with a hat."""
    x = random.uniform(400, 480)
    slats = "".join(
        polygon(
            [(230, y), (640, y - 46), (640, y - 24), (230, y + 22)], colours.accent, opacity=0.75
        )
        for y in range(10, 420, 44)
    )
    shade = mix(colours.top, "#000000", 0.45)
    hat = f"M{x - 84} 134q84 -26 168 0q-84 18 -168 0z"
    crown = f"M{x - 46} 128q4 -66 46 -58q42 -8 46 58z"
    coat = f"M{x - 120} 420q6 -170 92 -178h56q86 8 92 178z"
    head = tag("ellipse", cx=x, cy=168, rx=38, ry=48, fill=shade)
    return slats + path(hat, shade) + path(crown, shade) + head + path(coat, shade)


def arches(random: Random, colours: Palette) -> str:
    """Arches within arches."""
    x = random.uniform(400, 470)
    fills = (colours.accent, colours.second, mix(colours.accent, colours.bottom, 0.5))
    return "".join(
        path(f"M{x - r} 420V{190 if r > 60 else 210}a{r} {r} 0 0 1 {2 * r} 0V420z", fills[k % 3])
        for k, r in enumerate(range(176, 20, -30))
    )


def leaves(random: Random, colours: Palette) -> str:
    """Two twigs."""
    drawn = []
    for x, lean, fill in ((500, -14, colours.accent), (400, 10, colours.second)):
        twig = [line(x, 400, x, 60, fill, 4)]
        for k in range(7):
            y, size = 340 - k * 42, 58 - k * 4
            for side in (-1, 1):
                tip = f"{x + side * size * 1.5:.0f} {y - size:.0f}"
                leaf = f"M{x} {y}Q{x + side * size * 0.2:.0f} {y - size:.0f} {tip}"
                twig.append(path(f"{leaf}Q{x + side * size:.0f} {y} {x} {y}Z", fill))
        angle = lean + random.uniform(-6, 6)
        drawn.append(tag("g", "".join(twig), transform=f"rotate({angle:.1f} {x} 400)", opacity=0.9))
    return "".join(drawn)


def two_suns(random: Random, colours: Palette) -> str:
    """Two circles that overlap."""
    x, y, apart = random.uniform(400, 440), random.uniform(140, 170), random.uniform(80, 120)
    return (
        circle(x, y, 108, colours.accent, opacity=0.9)
        + circle(x + apart, y + 18, 108, colours.second, opacity=0.72)
        + circle(x + apart / 2, y + 9, 176, "none", stroke=colours.letters, opacity=0.4)
    )


def record(random: Random, colours: Palette) -> str:
    """A record that turns."""
    x, y = random.uniform(430, 490), random.uniform(140, 170)
    grooves = "".join(
        circle(x, y, r, "none", stroke="#ffffff", stroke_width=1, opacity=0.18)
        for r in range(64, 150, 9)
    )
    shine = polygon([(x, y), (x - 150, y - 60), (x - 110, y - 110)], "#ffffff", opacity=0.12)
    return (
        circle(x, y, 156, "#14121a")
        + grooves
        + shine
        + circle(x, y, 52, colours.accent)
        + circle(x, y, 34, colours.second)
        + circle(x, y, 7, "#14121a")
    )


def waves(random: Random, colours: Palette) -> str:
    """Lines of music that swing, with notes."""
    shift = random.uniform(-30, 30)
    staves = "".join(
        path(
            f"M-10 {y + 70}C160 {y - 70 + shift:.0f} 320 {y + 170 + shift:.0f} 660 {y}",
            stroke=colours.letters, stroke_width=3, opacity=0.7,
        )
        for y in range(60, 160, 22)
    )  # fmt: skip
    notes = []
    for x, y, fill in (
        (390, 176, colours.accent),
        (470, 120, colours.second),
        (560, 96, "#ffffff"),
    ):
        notes.append(tag("ellipse", cx=x, cy=y, rx=20, ry=15, fill=fill))
        notes.append(line(x + 18, y, x + 18, y - 82, fill, 6))
        notes.append(path(f"M{x + 18} {y - 84}q34 12 26 46q-6 -24 -26 -26z", fill))
    return staves + "".join(notes)


def keyhole(random: Random, colours: Palette) -> str:
    """Light through a keyhole."""
    x = random.uniform(430, 490)
    beam = polygon([(x - 30, 120), (x + 30, 120), (x - 160, 420), (x - 420, 420)], colours.accent)
    return (
        tag("g", beam, opacity=0.28)
        + circle(x, 150, 132, mix(colours.bottom, colours.accent, 0.25))
        + circle(x, 116, 46, colours.accent)
        + polygon([(x - 20, 140), (x + 20, 140), (x + 40, 238), (x - 40, 238)], colours.accent)
    )


def track(random: Random, colours: Palette) -> str:
    """Lanes around a bend."""
    y = random.uniform(330, 370)
    lanes = (colours.accent, colours.second) * 3
    return "".join(
        circle(640, y, 330 - k * 44, "none", stroke=fill, stroke_width=34, opacity=0.92)
        for k, fill in enumerate(lanes)
    )


def balloons(random: Random, colours: Palette) -> str:
    """Balloons on their way up."""
    fills = (colours.accent, colours.second, "#ffffff", mix(colours.accent, "#ffd45e", 0.6))
    drawn = []
    for k in range(9):
        x, y = (
            300 + (k % 5) * 68 + random.uniform(-16, 16),
            60 + (k // 5) * 96 + random.uniform(-24, 30),
        )
        fill, size = fills[k % 4], random.uniform(26, 38)
        string = f"M{x:.0f} {y + size:.0f}Q{x + 10:.0f} {y + 80:.0f} {x - 6:.0f} {y + 130:.0f}"
        drawn.append(path(string, stroke=colours.letters, stroke_width=1.4, opacity=0.5))
        drawn.append(tag("ellipse", cx=x, cy=y, rx=size, ry=size * 1.2, fill=fill))
        drawn.append(circle(x - size * 0.35, y - size * 0.45, size * 0.18, "#ffffff", opacity=0.7))
    return "".join(drawn)


def _at(x: float, y: float, distance: float, angle: float) -> tuple[float, float]:
    return x + distance * cos(angle), y + distance * sin(angle)

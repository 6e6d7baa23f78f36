"""A car as seen from the pavement, drawn from its body class and colour."""

from collections.abc import Sequence
from math import cos, pi, sin

from vane.demo.bodies import BODIES, Body
from vane.demo.svg import (
    Corner,
    circle,
    glow,
    gradient,
    line,
    mix,
    outline,
    path,
    polygon,
    rect,
    tag,
)

PAINTS = {
    "White": "#eceff2",
    "Black": "#2b2e34",
    "Grey": "#747b85",
    "Silver": "#b8bfc8",
    "Blue": "#2c62b0",
    "Red": "#b8242f",
    "Green": "#2d6e52",
    "Beige": "#c9b68f",
    "Orange": "#db6f28",
    "Yellow": "#e6b82e",
}
DARK = "#16181d"
SPOKES = 5


def car(body_class: str, colour: str, *, ground: float, scale: float, centre: float) -> str:
    """The car on its wheels.

    Args:
        body_class: as in the category of a listing.
        colour: name of its paint.
        ground: y of the road under the wheels, in pixels.
        scale: pixels per centimetre.
        centre: x of the middle of the car, in pixels.
    """
    body = BODIES[body_class]
    left = centre - body.length * scale / 2
    drawn = [_shell(body, PAINTS[colour]), _lights(body), *_wheels(body)]
    return tag(
        "g",
        _shadow(body) + "".join(drawn),
        transform=f"translate({left:.1f} {ground:.1f}) scale({scale:.3f})",
    )


def _up(corners: Sequence[Corner]) -> list[Corner]:
    """The corners with y downwards, as SVG has it."""
    return [(x, -y, radius) for x, y, radius in corners]


def _shadow(body: Body) -> str:
    fade = glow("shadow", (0, "#000000", 0.55), (0.7, "#000000", 0.35), (1, "#000000", 0))
    middle = body.length / 2
    return fade + tag("ellipse", cx=middle, cy=0, rx=middle + 16, ry=13, fill="url(#shadow)")


def _shell(body: Body, paint: str) -> str:
    shape = outline(_up(body.shell))
    shade = gradient(
        "shade",
        (0, "#ffffff", 0.42),
        (0.34, "#ffffff", 0.08),
        (0.5, "#000000", 0),
        (1, "#000000", 0.5),
    )
    base = body.glass[0][0][1]
    parts = [
        shade,
        tag("clipPath", path(shape, "#ffffff"), id="shell"),
        _seats(body) if body.open_top else "",
        path(shape, paint),
        path(shape, "url(#shade)"),
        _rails(body),
        _windows(body, paint),
        _seams(body, base),
        _sill(body),
        path(shape, stroke="#000000", stroke_width=1.2, stroke_opacity=0.35),
        _mirror(body, paint),
    ]
    return "".join(parts)


def _windows(body: Body, paint: str) -> str:
    tint = gradient("glass", (0, "#3d4a57", 1), (0.5, "#222a33", 1), (1, "#141a20", 1))
    panes = "".join(
        path(outline(_up(corners)), "url(#glass)", stroke="#0c0e11", stroke_width=2)
        for corners in body.glass
    )
    first = body.glass[0]
    clip = tag("clipPath", path(outline(_up(first)), "#ffffff"), id="pane")
    x, top = first[1][0], -first[1][1]
    shine = polygon(
        [(x + 6, top - 8), (x + 34, top - 8), (x - 14, top + 60), (x - 42, top + 60)], "#ffffff"
    )
    shine = tag("g", shine, clip_path="url(#pane)", opacity=0.2)
    base, roof = -first[0][1] - 1, -max(corner[1] for corner in first) - 2
    posts = ""
    if len(body.glass) == 1 and not body.open_top:
        posts = "".join(
            line(x, base, x + (3 if x > 200 else 14), roof, mix(paint, "#101318", 0.72), 7)
            for x in body.pillars
        )
        posts = tag("g", posts, clip_path="url(#pane)")
    return tint + panes + clip + shine + posts


def _seams(body: Body, base: float) -> str:
    """Door gaps, handles and the crease along the side."""
    front, rear = body.wheels
    reach = body.wheel_radius + 12
    low = body.shell[0][1] + 8
    seams = "".join(
        path(
            f"M{x} {-base + 1}C{x + 2} {-base + 22} {x + 2} {-low - 14} {x - 2} {-low}",
            stroke="#000000",
            stroke_width=1.3,
            stroke_opacity=0.4,
        )
        for x in (*[p for p in body.pillars if p > 200], front + reach + 12)
    )
    handles = "".join(
        rect(x - 28, -base + 11, 19, 4, "#000000", rx=2, opacity=0.38)
        for x in body.pillars
        if x > 200
    )
    crease = path(
        f"M{front - reach + 10} {-base + 24}C{front + 70} {-base + 17} {rear - 90} {-base + 19} "
        f"{body.length - 24} {-base + 13}",
        stroke="#ffffff",
        stroke_width=1.8,
        stroke_opacity=0.32,
    )
    return seams + handles + crease


def _sill(body: Body) -> str:
    front, rear = body.wheels
    low = body.shell[0][1]
    height = 15 if body.rough else 7
    sill = rect(front, -low - height + 2, rear - front, height, DARK, opacity=0.85)
    lip = path(f"M4 {-low - 12}Q{-1} {-low} 10 {-low}H{front}V{-low - 9}H40Z", DARK, opacity=0.8)
    diffuser = path(
        f"M{body.length - 4} {-low - 11}Q{body.length + 1} {-low} {body.length - 10} {-low}"
        f"H{rear}V{-low - 8}H{body.length - 40}Z",
        DARK,
        opacity=0.8,
    )
    return sill + lip + diffuser


def _mirror(body: Body, paint: str) -> str:
    x, y, _ = body.glass[0][0]
    fill = mix(paint, "#000000", 0.25)
    return rect(x + 12, -y - 10, 19, 12, fill, rx=5, stroke=DARK, stroke_width=1)


def _rails(body: Body) -> str:
    if body.rails is None:
        return ""
    start, end, y = body.rails
    middle = (start + end) / 2
    bow = f"M{start} {-y + 4}Q{start + 8} {-y - 1} {start + 24} {-y - 2}"
    bow += f"Q{middle} {-y - 6} {end - 20} {-y - 1}Q{end - 4} {-y} {end} {-y + 5}"
    return path(bow, stroke="#2a2d33", stroke_width=3.5, stroke_linecap="round")


def _seats(body: Body) -> str:
    """Head rests over the open sides of a convertible."""
    x = body.pillars[0]
    heads = "".join(rect(at, -112, 20, 34, "#3a2b26", rx=8) for at in (x - 44, x - 2))
    return heads + rect(x - 52, -96, 34, 20, "#4a3831", rx=6) + rect(x - 8, -96, 34, 20, "#4a3831")


def _lights(body: Body) -> str:
    x, y, _ = body.shell[2]
    lamp = outline(
        [(x - 7, -y + 6, 3), (x + 16, -y - 1, 5), (x + 42, -y - 2, 3), (x + 24, -y + 14, 6),
         (x - 8, -y + 17, 4)]
    )  # fmt: skip
    end, top = body.length, -body.tail
    tail = outline(
        [(end - 30, top - 1, 4), (end - 9, top + 3, 4), (end - 2, top + 12, 3),
         (end - 2, top + 22, 4), (end - 22, top + 16, 5)]
    )  # fmt: skip
    return "".join(
        [
            path(lamp, "#f3f7fb", stroke="#20242a", stroke_width=1.6),
            circle(x + 13, -y + 7, 4.6, "#aebfce"),
            path(tail, "#c3202f", stroke="#5c0f18", stroke_width=1.2),
        ]
    )


def _wheels(body: Body) -> list[str]:
    radius, parts = body.wheel_radius, []
    for x in body.wheels:
        y = -radius
        arch = circle(x, y, radius + 5, "#0b0c0e")
        if body.rough:
            arch = circle(x, y, radius + 13, "#25282e") + arch
        parts.append(tag("g", arch, clip_path="url(#shell)"))
        parts.append(circle(x, y, radius, "#1d1f24"))
        parts.append(circle(x, y, radius * 0.72, "#3b4048"))
        parts += _spokes(x, y, radius * 0.68)
        parts.append(
            circle(x, y, radius * 0.69, "none", stroke="#ccd2d9", stroke_width=radius * 0.08)
        )
        parts.append(circle(x, y, radius * 0.15, "#8b929c"))
    return parts


def _spokes(x: float, y: float, reach: float) -> list[str]:
    angles = [pi / 2 + 2 * pi * k / SPOKES for k in range(SPOKES)]
    return [
        line(x, y, x + reach * cos(a + lean), y - reach * sin(a + lean), "#c3c9d1", reach * 0.13)
        for a in angles
        for lean in (-0.16, 0.16)
    ]

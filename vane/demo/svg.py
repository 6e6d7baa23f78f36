"""Small pieces of SVG; all pictures of the demo catalogue have the same size."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from math import hypot

WIDTH, HEIGHT = 640, 400
SANS = "'Helvetica Neue', Helvetica, 'Liberation Sans', Arial, sans-serif"
SERIF = "Georgia, 'Liberation Serif', 'Times New Roman', serif"

Corner = tuple[float, float, float]
"""A corner of an outline: x, y and the radius that it is rounded with."""


def document(title: str, *content: str) -> str:
    """A picture with its title for screen readers."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img"><title>{escape(title)}</title>'
        f"{''.join(content)}</svg>"
    )


def tag(name: str, content: str = "", /, **attributes: str | float) -> str:
    """An element; `stroke_width=2` is the attribute `stroke-width`."""
    listed = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{listed}>{content}</{name}>" if content else f"<{name}{listed}/>"


def rect(
    x: float, y: float, width: float, height: float, fill: str, **attributes: str | float
) -> str:
    """A rectangle."""
    return tag("rect", x=x, y=y, width=width, height=height, fill=fill, **attributes)


def circle(x: float, y: float, radius: float, fill: str, **attributes: str | float) -> str:
    """A disc."""
    return tag("circle", cx=x, cy=y, r=radius, fill=fill, **attributes)


def path(d: str, fill: str = "none", **attributes: str | float) -> str:
    """A path."""
    return tag("path", d=d, fill=fill, **attributes)


def polygon(points: Sequence[tuple[float, float]], fill: str, **attributes: str | float) -> str:
    """A polygon."""
    listed = " ".join(f"{_value(x)},{_value(y)}" for x, y in points)
    return tag("polygon", points=listed, fill=fill, **attributes)


def line(
    x1: float, y1: float, x2: float, y2: float, stroke: str, width: float, **more: str | float
) -> str:
    """A line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_width=width, **more)


def text(content: str, x: float, y: float, size: float, fill: str, **more: str | float) -> str:
    """A line of text, escaped."""
    return tag("text", escape(content), x=x, y=y, font_size=size, fill=fill, **more)


def gradient(name: str, *stops: tuple[float, str, float], across: bool = False) -> str:
    """A linear gradient from top to bottom, or across, as stops of (offset, colour, opacity)."""
    end = {"x2": 1, "y2": 0} if across else {"x2": 0, "y2": 1}
    return tag("linearGradient", _stops(stops), id=name, x1=0, y1=0, **end)


def glow(name: str, *stops: tuple[float, str, float], lit: bool = False) -> str:
    """A radial gradient; `lit` from the upper left, as a ball is."""
    centre: dict[str, float] = {"cx": 0.35, "cy": 0.3, "r": 0.8} if lit else {}
    return tag("radialGradient", _stops(stops), id=name, **centre)


def outline(corners: Sequence[Corner]) -> str:
    """A closed path with rounded corners."""
    parts: list[str] = []
    for index, (x, y, radius) in enumerate(corners):
        before = _towards((x, y), corners[index - 1], radius)
        after = _towards((x, y), corners[(index + 1) % len(corners)], radius)
        start = "L" if parts else "M"
        parts.append(f"{start}{_pair(before)}Q{_pair((x, y))} {_pair(after)}")
    return "".join(parts) + "Z"


def smooth(points: Sequence[tuple[float, float]]) -> str:
    """A path through the middles between the points, without corners."""
    parts = [f"M{_pair(points[0])}"]
    for here, following in pairwise(points[1:]):
        middle = ((here[0] + following[0]) / 2, (here[1] + following[1]) / 2)
        parts.append(f"Q{_pair(here)} {_pair(middle)}")
    return "".join([*parts, f"L{_pair(points[-1])}"])


def mix(colour: str, other: str, share: float) -> str:
    """A colour `#rrggbb` with a share of another one."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def wrap(words: str, characters_max: int) -> list[str]:
    """As few lines as have at most so many characters, and about equally long ones."""
    lines = _filled(words, characters_max)
    narrower = (_filled(words, width) for width in range(len(words) // len(lines), characters_max))
    return next((even for even in narrower if len(even) == len(lines)), lines)


def _filled(words: str, characters_max: int) -> list[str]:
    """Lines as full as they can be; longer only where a word is."""
    lines = [""]
    for word in words.split():
        joined = f"{lines[-1]} {word}".strip()
        if len(joined) <= characters_max or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


def _towards(point: tuple[float, float], neighbour: Corner, distance: float) -> tuple[float, float]:
    """The point so far from a corner towards its neighbour, at most half-way."""
    dx, dy = neighbour[0] - point[0], neighbour[1] - point[1]
    share = min(0.5, distance / (hypot(dx, dy) or 1))
    return point[0] + dx * share, point[1] + dy * share


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _stops(stops: Sequence[tuple[float, str, float]]) -> str:
    return "".join(
        tag("stop", offset=offset, stop_color=colour, stop_opacity=opacity)
        for offset, colour, opacity in stops
    )


def _pair(point: tuple[float, float]) -> str:
    return f"{_value(point[0])} {_value(point[1])}"


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return escape(value)
    return f"{value:.2f}".rstrip("0").rstrip(".")

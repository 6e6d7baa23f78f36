"""The plots of docs/performance.md, as SVG."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Points = Sequence[tuple[float, float]]

mpl.rcParams.update(
    {
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 9,
        "grid.alpha": 0.3,
        "legend.frameon": False,
        "svg.hashsalt": "vane",  # the same picture is the same file
    }
)


def plot_lines(
    path: Path,
    lines: Mapping[str, Points],
    *,
    x: str,
    y: str,
    logarithmic: bool = False,
    zero: bool = False,
) -> None:
    """Draw a line with dots for each name.

    Args:
        path: of the SVG.
        lines: name → (x, y), with dots where there are few.
        x: what the horizontal axis is, with its unit.
        y: the vertical one.
        logarithmic: both axes.
        zero: the vertical axis begins at zero.
    """
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    marker = "o" if max(map(len, lines.values())) < 20 else ""
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker=marker, markersize=4, label=name)
    axes.set(xlabel=x, ylabel=y)
    if logarithmic:
        _plain_logarithms(axes, sorted({point[0] for each in lines.values() for point in each}))
    if zero:
        axes.set_ylim(bottom=0)
    if len(lines) > 1:
        axes.legend()
    figure.savefig(path, metadata={"Date": None})


def _plain_logarithms(axes: Axes, ticks: Sequence[float]) -> None:
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:,.0f}")

"""A dashboard as a picture: each panel where Grafana has it, with what its queries give."""

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from grafana.panels import COLUMNS, Dashboard
from grafana.scraper import Prometheus
from vane.embedded.broker import LOOPBACK

WIDTH_IN, ROW_IN, HEAD_IN, DPI = 15.0, 0.3, 0.75, 96
STEPS = 120
"""Points of a line."""
COLOURS_KEPT = 192
"""Of a picture, so that it stays small."""
LEGEND_LINES, LEGEND_COLUMNS_MAX, NAME_MAX = 4, 4, 26
CHARACTER_IN, MARK_IN = 0.055, 0.33
"""Width of a character of a legend, and of what stands around a name."""
GOOD, BAD, INK, FAINT = "#1a7f4b", "#c4321f", "#22272e", "#8a929c"
LINES = ("#2f6fb0", "#d9772b", "#3a9456", "#b8433d", "#7d5fb2", "#8a6a4f", "#c864a4", "#6d7680",
         "#a59a26", "#2d9fae", "#1b3f66", "#e3a977")  # fmt: skip
POWERS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
SMALL_S = ((1.0, 1.0, "s"), (1e-3, 1e3, "ms"), (0.0, 1e6, "µs"))
LONG_S = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def draw(page: Dashboard, prometheus: Prometheus, start_s: float, end_s: float, path: Path) -> None:
    """Draw a page with what Prometheus tells of this time."""
    panels = page.json()["panels"]
    rows = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in panels)
    height_in = rows * ROW_IN + HEAD_IN
    figure = plt.figure(figsize=(WIDTH_IN, height_in), facecolor="#f3f4f6")
    figure.text(0.008, 1 - 0.25 / height_in, page.title, size=15, weight="bold", va="center")
    said = f"{page.description}  {(end_s - start_s) / 60:.0f} minutes of simulated load."
    figure.text(0.008, 1 - 0.53 / height_in, said, size=9, color=FAINT, va="center")
    for panel in panels:
        place = panel["gridPos"]
        top = 1 - (HEAD_IN + place["y"] * ROW_IN) / height_in
        left = place["x"] / COLUMNS
        if panel["type"] == "row":
            middle = top - ROW_IN / 2 / height_in
            figure.text(0.008, middle, panel["title"], size=10, weight="bold", va="center")
            continue
        box = (left, top - place["h"] * ROW_IN / height_in, place["w"] / COLUMNS,
               place["h"] * ROW_IN / height_in)  # fmt: skip
        _panel(figure, panel, box, prometheus, (start_s, end_s))
    raw = io.BytesIO()
    figure.savefig(raw, dpi=DPI, facecolor=figure.get_facecolor())
    plt.close(figure)
    picture = Image.open(raw).convert("RGB")
    picture.quantize(COLOURS_KEPT, kmeans=2).save(path, optimize=True)


def _panel(
    figure: Figure,
    panel: dict[str, Any],
    box: tuple[float, float, float, float],
    prometheus: Prometheus,
    span: tuple[float, float],
) -> None:
    left, bottom, width, height = box
    edge_x, edge_y = 0.05 / WIDTH_IN, 0.05 / figure.get_figheight()
    back = figure.add_axes(
        (left + edge_x, bottom + edge_y, width - 2 * edge_x, height - 2 * edge_y)
    )
    back.set(xticks=[], yticks=[], facecolor="white")
    for spine in back.spines.values():
        spine.set_color("#dde0e4")
    tall, wide = height * figure.get_figheight(), width * WIDTH_IN
    back.text(0.1 / wide, 1 - 0.16 / tall, panel["title"], size=9, weight="bold", va="center",
              color=INK, transform=back.transAxes)  # fmt: skip
    if panel["type"] == "stat":
        _stat(back, panel, prometheus, span[1])
        return
    inset_in = (0.62, 0.8 if panel["type"] == "timeseries" else 0.3, 0.24, 0.34)
    axes = figure.add_axes(
        (
            left + inset_in[0] / WIDTH_IN,
            bottom + inset_in[1] / figure.get_figheight(),
            width - (inset_in[0] + inset_in[2]) / WIDTH_IN,
            height - (inset_in[1] + inset_in[3]) / figure.get_figheight(),
        )
    )
    step_s = max((span[1] - span[0]) / STEPS, 1.0)
    found = [
        (target["legendFormat"], each)
        for target in panel["targets"]
        for each in prometheus.over(target["expr"], *span, step_s)
    ]
    (_heatmap if panel["type"] == "heatmap" else _lines)(axes, panel, found, span[0])
    _dress(axes, panel)


def _stat(axes: Axes, panel: dict[str, Any], prometheus: Prometheus, at_s: float) -> None:
    found = prometheus.now(panel["targets"][0]["expr"], at_s)
    value = float(found[0]["value"][1]) if found else float("nan")
    field = panel["fieldConfig"]["defaults"]
    steps = field["thresholds"]["steps"]
    beyond = len(steps) > 1 and value >= steps[1]["value"]
    colour = steps[1 if beyond else 0]["color"]
    axes.text(0.5, 0.4, told(value, field["unit"]), size=20, weight="bold", ha="center",
              va="center", color=GOOD if colour == "green" else BAD,
              transform=axes.transAxes)  # fmt: skip


def _lines(axes: Axes, panel: dict[str, Any], found: list[tuple[str, Any]], start_s: float) -> None:
    highest = 0.0
    for number, (legend, series) in enumerate(found):
        times, values = _points(series)
        name, colour = _named(legend, series["metric"]), LINES[number % len(LINES)]
        axes.plot((times - start_s) / 60, values, color=colour, lw=1.2, label=name)
        highest = max([highest, *values[np.isfinite(values)].tolist()])
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]:
        if step["value"] <= 3 * highest:
            axes.axhline(step["value"], color=BAD, lw=0.8, ls=(0, (4, 3)))
            highest = max(highest, step["value"])
    axes.set_ylim(0, 1.08 * highest if highest else 1)
    _legend(axes)


def _legend(axes: Axes) -> None:
    """As many names as have room."""
    lines, names = axes.get_legend_handles_labels()
    if not names:
        return
    figure = axes.figure
    assert isinstance(figure, Figure)
    names = [each if len(each) <= NAME_MAX else "…" + each[-NAME_MAX:] for each in names]
    room = axes.get_position().width * figure.get_figwidth() + 0.6
    fitting = int(room / (MARK_IN + CHARACTER_IN * max(map(len, names))))
    columns = min(max(fitting, 1), LEGEND_COLUMNS_MAX)
    if (left := len(names) - LEGEND_LINES * columns) > 0:
        shown = LEGEND_LINES * columns - 1
        names = [*names[:shown], f"and {left + 1} more"]
    axes.legend(lines[: len(names)], names, loc="upper center", bbox_to_anchor=(0.46, -0.13),
                fontsize=6.5, frameon=False, ncol=columns, handlelength=1.0, columnspacing=1.0,
                labelspacing=0.25)  # fmt: skip


def _heatmap(
    axes: Axes, _panel: dict[str, Any], found: list[tuple[str, Any]], start_s: float
) -> None:
    bounds = sorted(found, key=lambda each: float(each[1]["metric"]["le"]))
    times, first = _points(bounds[0][1])
    cells = np.array([_points(series)[1][: len(times)] for _, series in bounds])
    counts = np.diff(np.vstack([np.zeros_like(first), cells]), axis=0)
    edges = np.arange(len(bounds) + 1)
    minutes = (np.append(times, 2 * times[-1] - times[-2]) - start_s) / 60
    axes.pcolormesh(minutes, edges, np.ma.masked_less_equal(counts, 0), cmap="YlOrBr")
    axes.set_yticks(edges[1:], [told(float(s["metric"]["le"]), "s") for _, s in bounds])


def _dress(axes: Axes, panel: dict[str, Any]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    axes.tick_params(labelsize=7, colors=FAINT, length=2)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g} min"))
    if panel["type"] == "timeseries":
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: told(y, unit)))
        axes.grid(axis="y", color="#eceef0", lw=0.7)
    axes.margins(x=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c8ccd1")


def _points(series: Any) -> tuple[Any, Any]:
    """Times and values of a series."""
    return (
        np.array([each[0] for each in series["values"]], float),
        np.array([float(each[1]) for each in series["values"]]),
    )


def _named(legend: str, labels: dict[str, str]) -> str:
    """Grafana's way of naming a series."""
    for label, value in labels.items():
        legend = legend.replace("{{" + label + "}}", value)
    return legend.replace(f"{LOOPBACK}:", ":").strip()


def told(value: float, unit: str) -> str:
    """A value in a panel's unit."""
    if not np.isfinite(value):
        return "more" if value > 0 else "no data"
    match unit:
        case "percentunit":
            return f"{100 * value:.4g} %"
        case "s":
            return _seconds(value)
        case "bytes" | "Bps":
            return _large(value) + ("B/s" if unit == "Bps" else "B")
        case "ops" | "reqps" | "cps":
            return _large(value).strip() + "/s"
    return _large(value).strip()


def _seconds(value: float) -> str:
    for size, name in LONG_S:
        if value >= 2 * size:
            return f"{value / size:.3g} {name}"
    if value == 0:
        return "0 s"
    times, name = next((times, name) for least, times, name in SMALL_S if value >= least)
    return f"{value * times:.3g} {name}"


def _large(value: float) -> str:
    for size, name in POWERS:
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.3g} "

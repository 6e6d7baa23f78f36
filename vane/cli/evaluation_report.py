"""What an evaluation found, as a table in Markdown and as a plot."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from vane.contest import Figures
from vane.evaluation import Estimate

HEADER = (
    "method",
    "nDCG@10",
    "to base",
    "HR@10",
    "HR@20",
    "MRR@20",
    "coverage@10",
    "novelty@10",
    "diversity@10",
)
OWN_COLOUR, OTHER_COLOUR = "#0f766e", "#9ca3af"
BAR_INCHES = 0.42


class Report(msgspec.Struct, frozen=True):
    """An evaluation; the shape of `--json` and of `evaluation.json`."""

    mode: str
    events: int
    users: int
    items: int
    targets: int
    from_share: float
    seed: int
    base: str
    seconds: float
    methods: list[Figures]

    def markdown(self) -> str:
        """A table, best first, with 95 % intervals, and what it was measured on."""
        head = f"| {' | '.join(HEADER)} |\n| --- |{' ---: |' * (len(HEADER) - 1)}\n"
        rows = "".join(_row(each) for each in self.methods)
        return (
            f"{head}{rows}\n"
            f"{self.targets:,} targets in the last {1 - self.from_share:.0%} of {self.events:,} "
            f"events of {self.users:,} users on {self.items:,} items, {self.mode}, seed "
            f"{self.seed}; base: {self.base}; in brackets 95 % bootstrap intervals; "
            f"{self.seconds:,.0f} s.\n"
        )


def draw(methods: Sequence[Figures], file: Path) -> bool:
    """Bars of nDCG@10 with their intervals, as PNG; False where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - optional
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        return False
    figure = Figure(figsize=(8, 1.2 + BAR_INCHES * len(methods)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ordered = methods[::-1]
    means = [each.ndcg_10.mean for each in ordered]
    reach = [
        [max(0.0, each.ndcg_10.mean - each.ndcg_10.low) for each in ordered],
        [max(0.0, each.ndcg_10.high - each.ndcg_10.mean) for each in ordered],
    ]
    colours = [OWN_COLOUR if each.name == "vane" else OTHER_COLOUR for each in ordered]
    axes.barh([each.name for each in ordered], means, xerr=reach, color=colours, capsize=3)
    axes.set_xlabel("nDCG@10 with 95 % interval")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=144)
    return True


def _row(each: Figures) -> str:
    diversity = "" if each.diversity_10 is None else f"{each.diversity_10.mean:.3f}"
    cells = [
        _interval(each.ndcg_10, 3),
        _interval(each.ratio, 2),
        f"{each.hr_10.mean:.3f}",
        f"{each.hr_20.mean:.3f}",
        f"{each.mrr_20.mean:.3f}",
        f"{each.coverage_10:.3f}",
        f"{each.novelty_10.mean:.2f}",
        diversity,
    ]
    name = f"**{each.name}**" if each.name == "vane" else each.name
    return f"| {name} | {' | '.join(cells)} |\n"


def _interval(value: Estimate, digits: int) -> str:
    return f"{value.mean:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"

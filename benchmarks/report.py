"""What the benchmarks print: Markdown, each figure with its spread, and what it was measured on."""

import os
import platform
import statistics
from collections.abc import Sequence

import psutil


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, and the range where there is one."""
    low, middle, high = (
        f"{value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values))
    )
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def ratios(values: Sequence[float], floors: Sequence[float]) -> str:
    """The spread of what was measured as a share of its floor, run by run."""
    return spread([value / floor for value, floor in zip(values, floors, strict=True)], 2)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    """The machine in one line."""
    memory_gib = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, "
        f"Python {platform.python_version()}, load before: {os.getloadavg()[0]:.1f}"
    )

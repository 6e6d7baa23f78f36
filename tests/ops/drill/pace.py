"""Rules in drill time: every duration shrinks by one function, everything else stays as it is."""

import re
from copy import deepcopy
from math import sqrt
from typing import Any

PACE = 0.25
"""Drill seconds for the square root of a second: 1 min → 1.9 s, 5 min → 4.3, 1 h → 15, 3 d → 127.

A root keeps the order of all windows and lets days and minutes fit into one run."""
UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

_WINDOW = re.compile(r"\[(\d+)([smhd])\]")
_LIMIT = re.compile(r"(_seconds\)* > )(\d+)")


def shortened(seconds: float) -> float:
    """Seconds of the drill for seconds of the clock."""
    return PACE * sqrt(seconds)


def duration(text: str) -> str:
    """A duration of Prometheus, such as `15m`, in drill time."""
    return f"{shortened(int(text[:-1]) * UNIT_S[text[-1]]) * 1e3:.0f}ms"


def expression(text: str) -> str:
    """Windows, and limits that a metric in seconds is compared with, in drill time."""
    windows = _WINDOW.sub(lambda found: f"[{duration(found[1] + found[2])}]", text)
    return _LIMIT.sub(lambda found: f"{found[1]}{shortened(int(found[2])):g}", windows)


def shorten(rules: dict[str, Any]) -> dict[str, Any]:
    """A rules file in drill time."""
    short = deepcopy(rules)
    for group in short["groups"]:
        for rule in group["rules"]:
            rule["expr"] = expression(rule["expr"])
            if "for" in rule:
                rule["for"] = duration(rule["for"])
    return short

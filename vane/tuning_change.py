"""What operators may change of the tuning while everything runs, and what a change looks like."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET, structs

from schemas.responses import SettingValue
from vane.errors import InvalidSettings, NeedsRebuild
from vane.interaction import CONTROL
from vane.tuning import Tuning

ACTION_CHARS_MAX = 64
WEIGHT_MAX = 1_000.0

MEANINGS = {
    "half_life_long_s": "half-life of a user's lasting taste, in seconds",
    "half_life_short_s": "half-life of a user's taste of the session, in seconds",
    "action_weights": "what an event of each action weighs; events of others are dead letters",
    "excluding_actions": "an item stays out of a user's lists for ever after one of these",
    "diversity.strength": "how much a list avoids what is like the rest of it, against relevance",
    "diversity.author_share": "of the places of a list that one author may take, rounded up",
    "diversity.category_share": "of the places of a list that one category may take, rounded up",
}
ALLOWED = {
    "half_life_long_s": "a number above 0, by a rebuild alone",
    "half_life_short_s": "a number above 0, by a rebuild alone",
    "action_weights": f"actions, each with a number from {-WEIGHT_MAX:g} to {WEIGHT_MAX:g} or null",
    "excluding_actions": "a list of actions that have a weight",
    "diversity.strength": "a number from 0 to 1",
    "diversity.author_share": "a number above 0, at most 1",
    "diversity.category_share": "a number above 0, at most 1",
}
HALF_LIVES = ("half_life_long_s", "half_life_short_s")
KEPT = (*HALF_LIVES, "generation")

_RANGE = re.compile(r" - at `[^`]*`$")


def describe(tuning: Tuning) -> list[SettingValue]:
    """Every setting with its value, in the order of the documentation."""
    values, defaults = _flat(tuning), _flat(Tuning())
    return [
        SettingValue(name, values[name], defaults[name], meaning, ALLOWED[name])
        for name, meaning in MEANINGS.items()
    ]


def changed(tuning: Tuning, change: Mapping[str, Any]) -> Tuning:
    """The tuning after a change, which names some settings (JSON Merge Patch, RFC 7396).

    Args:
        tuning: as it is.
        change: settings by name; parts of one by a dotted name or nested.

    Raises:
        InvalidSettings: names every setting that cannot be so.
        NeedsRebuild: half-lives are among them.
    """
    patch = _Patch(tuning)
    for name, value in _nested(change).items():
        patch.apply(name, value)
    return patch.result()


@dataclass(slots=True)
class _Patch:
    tuning: Tuning
    errors: list[tuple[str, str]] = field(default_factory=list)
    _done: dict[str, Any] = field(default_factory=dict)

    def apply(self, name: str, value: Any) -> None:
        if name in KEPT:
            if value != getattr(self.tuning, name):
                self._refuse_kept(name)
        elif name == "diversity":
            self._diversity(value)
        elif name == "action_weights":
            self._weights(value)
        elif name == "excluding_actions":
            self._done[name] = value
        else:
            self._refuse(name, UNSET, f"one of {', '.join(MEANINGS)}")

    def result(self) -> Tuning:
        weights = self._done.get("action_weights", self.tuning.action_weights)
        excluding = self._done.get("excluding_actions", self.tuning.excluding_actions)
        if not _all_text(excluding) or not set(excluding) <= weights.keys():
            self._refuse("excluding_actions", excluding)
        else:
            self._done["excluding_actions"] = frozenset(excluding)
        if self.errors:
            raise InvalidSettings(self.errors)
        return structs.replace(self.tuning, **self._done)

    def _weights(self, value: Any) -> None:
        if not isinstance(value, dict):
            self._refuse("action_weights", value)
            return
        weights = dict(self.tuning.action_weights)
        for action, weight in value.items():
            if weight is None:
                weights.pop(action, None)
            elif not _is_action(action) or not _is_number(weight, WEIGHT_MAX):
                self._refuse(
                    f"action_weights.{action[:ACTION_CHARS_MAX]}", weight, ALLOWED["action_weights"]
                )
            else:
                weights[action] = float(weight)
        self._done["action_weights"] = weights

    def _diversity(self, value: Any) -> None:
        if not isinstance(value, dict):
            self._refuse("diversity", value, "an object of its parts")
            return
        now = msgspec.to_builtins(self.tuning.diversity)
        for part, number in value.items():
            name = f"diversity.{part}"
            if name not in MEANINGS:
                self._refuse(name, UNSET, f"one of {', '.join(MEANINGS)}")
                continue
            try:
                msgspec.convert({part: number}, type(self.tuning.diversity))
            except msgspec.ValidationError:
                self._refuse(name, number)
            else:
                now[part] = number
        if not self.errors:
            self._done["diversity"] = msgspec.convert(now, type(self.tuning.diversity))

    def _refuse_kept(self, name: str) -> None:
        if name in HALF_LIVES:
            raise NeedsRebuild(name)
        self._refuse(name, UNSET, "no change: it counts the changes of the half-lives")

    def _refuse(self, name: str, value: Any, allowed: str | None = None) -> None:
        got = "no such setting" if value is UNSET else f"{_shown(value)} is not allowed"
        self.errors.append((name, f"{got}; allowed: {allowed or ALLOWED[name]}"))


def _flat(tuning: Tuning) -> dict[str, Any]:
    return dict(_flatten("", msgspec.to_builtins(tuning)))


def _flatten(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if f"{prefix}{name}" == "diversity":
            yield from _flatten("diversity.", value)
        else:
            yield f"{prefix}{name}", sorted(value) if isinstance(value, list) else value


def _nested(change: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as objects."""
    nested: dict[str, Any] = {}
    for name, value in change.items():
        head, dot, rest = name.partition(".")
        inner = {rest: value} if dot else value
        both = isinstance(nested.get(head), dict) and isinstance(inner, dict)
        nested[head] = {**nested[head], **inner} if both else inner
    return nested


def _is_action(name: str) -> bool:
    return 1 <= len(name) <= ACTION_CHARS_MAX and not CONTROL.search(name)


def _is_number(value: Any, largest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= largest


def _all_text(value: Any) -> bool:
    return isinstance(value, list | tuple | frozenset) and all(isinstance(v, str) for v in value)


def _shown(value: Any) -> str:
    """A value as JSON, cut short."""
    text = CONTROL.sub("?", msgspec.json.encode(value).decode())
    return text if len(text) <= ACTION_CHARS_MAX else f"{text[:ACTION_CHARS_MAX]}…"

"""Changes of settings: what they do, and what is said of wrong ones."""

from typing import Any

import msgspec
import pytest

from vane.errors import InvalidSettings, NeedsRebuild
from vane.tuning import Tuning
from vane.tuning_change import ALLOWED, MEANINGS, changed, describe


def test_every_setting_is_described_with_value_and_default() -> None:
    weights = {"view": 3.0}
    rows = {row.name: row for row in describe(Tuning(action_weights=weights))}
    assert rows.keys() == MEANINGS.keys() == ALLOWED.keys()
    document = msgspec.to_builtins(Tuning())
    named = {name.partition(".")[0] for name in rows}
    assert named == document.keys() - {"generation"}
    assert {f"diversity.{part}" for part in document["diversity"]} <= rows.keys()
    assert rows["action_weights"].value == weights
    assert rows["action_weights"].default == Tuning().action_weights
    assert rows["diversity.strength"].default == 0.05


def test_only_what_is_named_changes() -> None:
    before = Tuning()
    after = changed(
        before,
        {
            "action_weights": {"view": 2, "wish": 4, "hide": None},
            "excluding_actions": ["dislike", "wish"],
            "diversity.strength": 0.5,
            "diversity": {"author_share": 1},
            "half_life_long_s": before.half_life_long_s,
            "generation": 1,
        },
    )
    expected = before.action_weights | {"view": 2.0, "wish": 4.0}
    del expected["hide"]
    assert after.action_weights == expected
    assert after.excluding_actions == {"dislike", "wish"}
    assert (after.diversity.strength, after.diversity.author_share) == (0.5, 1)
    assert after.diversity.category_share == before.diversity.category_share
    assert after.half_lives_s == before.half_lives_s
    assert changed(after, {}) == after


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"nonsense": 1}, "nonsense", "no such setting; allowed: one of half_life_long_s"),
        ({"diversity.nonsense": 1}, "diversity.nonsense", "no such setting"),
        ({"diversity": 1}, "diversity", "1 is not allowed; allowed: an object"),
        (
            {"diversity.strength": 1.1},
            "diversity.strength",
            "1.1 is not allowed; allowed: a number",
        ),
        ({"diversity.strength": "x"}, "diversity.strength", '"x" is not allowed'),
        ({"diversity": {"author_share": 0}}, "diversity.author_share", "above 0, at most 1"),
        ({"action_weights": []}, "action_weights", "[] is not allowed"),
        ({"action_weights": {"view": 1001}}, "action_weights.view", "from -1000 to 1000"),
        ({"action_weights": {"view": True}}, "action_weights.view", "true is not allowed"),
        ({"action_weights": {"": 1}}, "action_weights.", "actions, each with a number"),
        ({"action_weights": {"a\nb": 1}}, "action_weights.a\nb", "actions, each with a number"),
        ({"action_weights": {"hide": None}}, "excluding_actions", "actions that have a weight"),
        ({"excluding_actions": ["nonsense"]}, "excluding_actions", "actions that have a weight"),
        ({"excluding_actions": "hide"}, "excluding_actions", '"hide" is not allowed'),
        ({"excluding_actions": [1]}, "excluding_actions", "[1] is not allowed"),
        ({"generation": 7}, "generation", "no change"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(change: Any, field: str, reason: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        changed(Tuning(), change)
    assert [name for name, _ in caught.value.errors] == [field]
    assert reason in caught.value.errors[0][1]


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InvalidSettings) as caught:
        changed(Tuning(), {"nonsense": 1, "diversity.strength": 2, "action_weights": {"view": "x"}})
    names = [name for name, _ in caught.value.errors]
    assert names == ["nonsense", "diversity.strength", "action_weights.view"]


@pytest.mark.parametrize(
    ("name", "option"),
    [("half_life_long_s", "half-life-long"), ("half_life_short_s", "half-life-short")],
)
def test_half_lives_say_how_they_change(name: str, option: str) -> None:
    with pytest.raises(NeedsRebuild, match=f"vane rebuild --{option} 6h"):
        changed(Tuning(), {name: 1.0})

"""Filters over the item table agree with filters of single items; sets of tags; joined orders."""

from typing import Any

import numpy as np
import pytest

from vane.filters import ANY, Boost, Filter, boosted, fitting, passes
from vane.fusion import fused
from vane.item_table import ItemTable
from vane.tag_sets import NO_TAGS, TagSets

KINDS, CATEGORIES, TAGS = ["car", "film"], ["suv", "estate", None], ["sale", "new", "old", "rare"]


def _draw(rng: np.random.Generator, values: list[Any], most: int) -> list[Any]:
    return [*rng.choice(np.array(values, object), rng.integers(0, most + 1), replace=False)]


def test_the_table_and_single_items_agree() -> None:
    rng, table = np.random.default_rng(3), ItemTable()
    count = 200
    kinds = rng.choice(KINDS, count).tolist()
    categories = rng.choice(np.array(CATEGORIES, object), count).tolist()
    tags = [_draw(rng, TAGS, 3) for _ in range(count)]
    prices = [None if rng.random() < 0.2 else float(rng.integers(0, 9)) for _ in range(count)]
    table.put(
        [f"i{row}" for row in range(count)],
        kind=kinds,
        category=categories,
        tags=tags,
        price=np.array(prices, float),
    )
    filters = [ANY, Filter(tags=("unknown",)), Filter(price_min=0.0), Filter(price_max=4.0)]
    for _ in range(60):
        low, high = np.sort(rng.integers(0, 9, 2)).astype(float)
        wanted = Filter(
            tuple(_draw(rng, KINDS, 2)),
            tuple(_draw(rng, CATEGORIES[:2], 2)),
            tuple(_draw(rng, TAGS, 2)),
            None if rng.random() < 0.5 else low,
            None if rng.random() < 0.5 else high,
        )
        filters.append(wanted)
    for wanted in filters:
        single = [
            passes(wanted, *item) for item in zip(kinds, categories, tags, prices, strict=True)
        ]
        assert fitting(table, wanted, np.arange(count)).tolist() == single, wanted
    assert any(passes(wanted, "car", "suv", ["sale"], 3.0) for wanted in filters[4:])


def test_an_item_that_changes_leaves_its_tags() -> None:
    table = ItemTable()
    table.put(["a", "b"], tags=[["sale", "new"], ["new", "sale", "new"]])
    assert table.tags[0] == table.tags[1]
    table.put(["a"], tags=[[]])
    rows = np.arange(2)
    assert fitting(table, Filter(tags=("sale",)), rows).tolist() == [False, True]
    assert table.tags[0] == NO_TAGS


def test_counts_of_tags() -> None:
    sets = TagSets()
    assert sets.counts(np.zeros(0, np.int64)).tolist() == []
    codes = [sets.code(tags) for tags in (["a", "b"], ["b"], [], ["c", "a"], ["b", "a"])]
    assert codes == [0, 1, NO_TAGS, 2, 0]
    per_set = np.bincount([code for code in codes if code >= 0], minlength=len(sets))
    counts = sets.counts(per_set)
    assert {tag: counts[number] for tag, number in sets.tags.items()} == {"a": 3, "b": 3, "c": 1}
    assert sets.holding(["a", "none"]).tolist() == [0, 2]


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-6])
def test_a_boost_does_not_depend_on_the_scale_of_the_scores(scale: float) -> None:
    table = ItemTable()
    table.put(["a", "b", "c"], tags=[["sale"], [], ["sale"]])
    scores = np.array([1.0, 2.0, 3.0]) * scale
    double, half = Boost("tag", "sale", 2.0), Boost("tag", "sale", 0.5)
    added = boosted(table, [double], np.arange(3), scores)["boost:tag:sale"]
    assert added / scores.std() == pytest.approx([np.log(2), 0, np.log(2)])
    back = boosted(table, [half], np.arange(3), scores)["boost:tag:sale"]
    assert added + back == pytest.approx([0, 0, 0])
    assert not boosted(table, [double], np.arange(0), scores[:0])["boost:tag:sale"].any()


def test_two_boosts_of_one_value_count_both() -> None:
    table = ItemTable()
    table.put(["a", "b"], tags=[["sale"], []])
    twice = [Boost("tag", "sale", 2.0), Boost("tag", "sale", 3.0)]
    added = boosted(table, twice, np.arange(2), np.array([0.0, 2.0]))
    assert added["boost:tag:sale"] == pytest.approx([np.log(6), 0.0])


def test_what_both_orders_name_comes_first() -> None:
    scores = fused([(["a", "b", "c"], 1.0), (["c", "d"], 1.0)])
    assert max(scores, key=scores.__getitem__) == "c"
    assert scores["a"] == 1.0
    assert scores["b"] > scores["d"] * 0.99
    assert fused([]) == fused([([], 1.0)]) == {}

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vane import item_table
from vane.item_table import CATEGORY_COLUMN, ItemTable
from vane.popularity import COLD, COLUMNS
from vane.preference import NEVER_US

STEPS = st.lists(
    st.tuples(
        st.integers(0, 25),
        st.floats(0.0, 50.0),
        st.sampled_from(["grows", "falls", "goes", "comes", "moves"]),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_lists_kept_in_step_are_those_made_anew(steps: list[tuple[int, float, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_table, "TOP", 5)
        patch.setattr(item_table, "TOP_OF_CATEGORY", 3)
        table = ItemTable()
        for row, heat, step in steps:
            name = [f"i{row}"]
            table.put(name, filled=[True], since_us=[row])
            if step == "grows":
                number = table.number[name[0]]
                table.heats[number] = np.maximum(table.heats[number], heat)
                table.touch(np.array([number]))
            elif step == "falls":
                table.put(name, heats=np.full((1, len(COLUMNS)), heat))
            elif step == "moves":
                table.put(name, category=[f"c{round(heat) % 3}"])
            else:
                table.put(name, available=[step == "comes"])
            table.refresh()
            check(table)


def check(table: ItemTable) -> None:
    shown = np.flatnonzero(table.available & table.filled)
    for column in range(len(COLUMNS)):
        heats = table.heats[shown, column]
        wanted = np.sort(heats[heats > COLD])[::-1][: item_table.TOP]
        np.testing.assert_array_equal(table.heats[table.top(column), column], wanted)
    for code in set(table.category.tolist()) - {-1}:
        heats = table.heats[shown[table.category[shown] == code], CATEGORY_COLUMN]
        wanted = np.sort(heats[heats > COLD])[::-1][: item_table.TOP_OF_CATEGORY]
        found = table.top_of_category(code)
        np.testing.assert_array_equal(table.heats[found, CATEGORY_COLUMN], wanted)
    newest = table.since_us[table.newest(1_000)]
    np.testing.assert_array_equal(newest, np.sort(table.since_us[shown])[::-1][: item_table.TOP])


def test_a_table_grows_and_keeps_what_it_holds() -> None:
    table = ItemTable()
    table.put(["a"], category=["x"], events=[3])
    numbers = table.put([f"i{k}" for k in range(500)], author=[f"by {k % 7}" for k in range(500)])
    assert len(table) == 501
    assert table.number["i499"] == numbers[-1] == 500
    assert table.events[0] == 3
    assert table.author[500] == table.codes["author"]["by 2"]
    assert table.category[1] == -1
    assert table.first_us[500] == NEVER_US
    assert (table.heats[500] == COLD).all()


def test_what_arrives_later_is_not_new_yet() -> None:
    table = ItemTable()
    table.put(["now", "later"], filled=[True, True], since_us=[10, 30])
    table.refresh()
    assert table.newest(20).tolist() == [0]

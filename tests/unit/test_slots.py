import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vane.slots import MISSING, Slots

KEYS = st.lists(st.sampled_from("abcdefgh"), max_size=4, unique=True)


@given(st.lists(KEYS, max_size=30))
def test_every_key_of_a_call_has_a_slot_of_its_own(calls: list[list[str]]) -> None:
    """As a cache uses it: values lie at the slots, and a found key finds its own value."""
    slots, values = Slots(8), [""] * 8
    for keys in calls:
        found = slots.find(keys)
        missing = [key for key, slot in zip(keys, found, strict=True) if slot == MISSING]
        fresh = slots.assign(missing, found[found != MISSING])
        for key, slot in zip(missing, fresh.tolist(), strict=True):
            values[slot] = key
        assert [values[slot] for slot in slots.find(keys).tolist()] == keys
        assert len(slots) <= 8


def test_the_oldest_leaves_and_the_pinned_stay() -> None:
    slots = Slots(3)
    slots.assign(["a", "b", "c"], np.empty(0, np.int64))
    slots.assign(["d"], slots.find(["a"]))
    assert slots.find(["a", "b", "c", "d"]).tolist() == [0, MISSING, 2, 1]


def test_dropped_keys_are_gone_and_their_room_is_used() -> None:
    slots = Slots(2)
    slots.assign(["a", "b"], np.empty(0, np.int64))
    slots.drop(["a", "never there"])
    assert slots.find(["a", "b"]).tolist() == [MISSING, 1]
    slots.assign(["c"], np.empty(0, np.int64))
    assert slots.find(["b", "c"]).tolist() == [1, 0]
    slots.clear()
    assert len(slots) == 0


def test_more_keys_than_room_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError):
        Slots(1).assign(["a", "b"], np.empty(0, np.int64))

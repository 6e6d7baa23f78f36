"""The quick way through a chunk and the way message by message: the same batch."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import batch as batches
from flows.batch import decode_chunk
from flows.kafka import Chunk
from tests.support import event
from vane.store.positions import Stream
from vane.tuning import Tuning

NOW_US = 1_700_000_000_000_000
TIMES = st.one_of(
    st.integers(-5, 4_000_000_000),
    st.integers(10**11, 10**18),
    st.floats(9e8, 2e9),
    st.sampled_from(["2024-02-29T12:00:00Z", "1999-01-01T00:00:00Z", "never", 10**30]),
)
MESSAGES = st.builds(
    event,
    st.integers(0, 9),
    user=st.sampled_from(["u", "ü", "a\u0000b", ""]),
    item=st.sampled_from(["i", "\U0001f697"]),
    action=st.sampled_from(["view", "rating", "dance"]),
    value=st.sampled_from([None, 1, 6]),
    ts=TIMES,
)
RAW = st.lists(st.one_of(MESSAGES, st.sampled_from([None, b"", b"[" * 9_999])), max_size=6)
GOOD = st.lists(st.builds(event, st.integers(0, 9), ts=st.integers(10**9, 2 * 10**9)), max_size=6)


def chunk_of(values: list[bytes | None]) -> Chunk:
    offsets = [3 + 2 * index for index in range(len(values))]
    return Chunk(
        stream=Stream("interactions", 1, 0),
        epoch=1,
        previous_offset=3,
        next_offset=3 + 2 * len(values),
        end_offset=100,
        values=values,
        keys=[b"k"] * len(values),
        offsets=offsets,
        receipt_us=lambda _: NOW_US,
    )


def contents(values: list[bytes | None]) -> Any:
    batch = decode_chunk(chunk_of(values), Tuning(), 1_000)
    arrays = (batch.offset, batch.ts_us, batch.weight, batch.hash, batch.clamped)
    return batch.events, batch.dead_letters, [(array.dtype, array.tolist()) for array in arrays]


@given(st.one_of(RAW, GOOD))
def test_both_ways_give_the_same(values: list[bytes | None]) -> None:
    quick = contents(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_all_plain", lambda *_: None)
        assert contents(values) == quick


def test_the_quick_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_one_by_one", None)
    _, dead, (offset, ts_us, *_) = contents([event(1, ts=1.6e9), event(2, user="ü", ts=1.8e9)])
    assert dead == []
    assert offset == (np.dtype(np.int64), [3, 5])
    assert ts_us[1] == [1_600_000_000_000_000, NOW_US + 300_000_000]

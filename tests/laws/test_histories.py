"""Laws of users' histories: equal to a plain loop however the log is cut; what counts is capped."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vane import trend_oracle
from vane.histories import ACT, CAP_DECAY_US, HISTORY_EVENTS, WINDOW_ITEMS, Acts, Histories

DAY_US = CAP_DECAY_US
NOW_US = 1_700_000_000_000_000
PLENTY = 1 << 30

Looked = tuple[list[float], list[int], set[tuple[int, int, int]]]

logs = st.tuples(st.integers(0, 10**6), st.integers(1, 70), st.integers(1, 4), st.integers(1, 400))


def some_log(log: tuple[int, int, int, int]) -> tuple[list[str], Acts]:
    seed, items, users, count = log
    rng = np.random.default_rng(seed)
    acts = np.zeros(count, ACT)
    acts["item"] = rng.integers(0, items, count)
    acts["weight"] = rng.choice([1.0, 2.0, 8.0], count)
    acts["ts_us"] = NOW_US + rng.integers(0, 5 * DAY_US, count)
    return [f"user-{user}" for user in rng.integers(0, users, count)], acts


def one_by_one(users: list[str], acts: Acts) -> Looked:
    counted: list[float] = []
    earlier: list[int] = []
    pairs: set[tuple[int, int, int]] = set()
    histories: dict[str, list[tuple[int, float, int]]] = {}
    for event, (user, (item, weight, ts_us)) in enumerate(zip(users, acts.tolist(), strict=True)):
        history = histories.setdefault(user, [])
        recent = history[-HISTORY_EVENTS:]
        same = [w * 2 ** (-max(0, ts_us - t) / DAY_US) for i, w, t in recent if i == item]
        strongest = max(same, default=0.0)
        high = min(2 * max(strongest, weight), sum(same) + weight)
        counted.append(high - min(2 * strongest, sum(same)))
        earlier.append(len(recent))
        window = list(dict.fromkeys(i for i, *_ in reversed(recent) if i != item))[:WINDOW_ITEMS]
        pairs.update((event, other, place) for place, other in enumerate(window))
        history.append((item, weight, ts_us))
    return counted, earlier, pairs


def in_batches(users: list[str], acts: Acts, cuts: list[int], *, restart: bool) -> Looked:
    counted: list[float] = []
    earlier: list[int] = []
    pairs: set[tuple[int, int, int]] = set()
    histories = Histories[str](PLENTY)
    bounds = [0, *sorted(cut % len(users) for cut in cuts), len(users)]
    for low, high in pairwise(bounds):
        if restart:
            histories = Histories[str](PLENTY)
            for user in set(users[:low]):
                own = np.array([user == name for name in users[:low]])
                histories.put(user, acts[:low][own])
        look = histories.look_back(users[low:high], acts[low:high])
        counted += look.counted.tolist()
        earlier += look.earlier.tolist()
        columns = ((look.event + low).tolist(), look.other.tolist(), look.place.tolist())
        pairs.update(zip(*columns, strict=True))
    return counted, earlier, pairs


@given(log=logs, cuts=st.lists(st.integers(0, 400), max_size=4), restart=st.booleans())
def test_any_batches_and_restarts_see_what_a_plain_loop_sees(
    log: tuple[int, int, int, int], cuts: list[int], *, restart: bool
) -> None:
    users, acts = some_log(log)
    counted, earlier, pairs = in_batches(users, acts, cuts, restart=restart)
    expected = one_by_one(users, acts)
    assert counted == pytest.approx(expected[0], abs=1e-12)
    assert (earlier, pairs) == expected[1:]


@given(logs)
def test_what_a_user_adds_to_an_item_is_never_more_than_twice_the_strongest_event(
    log: tuple[int, int, int, int],
) -> None:
    _, acts = some_log((log[0], 1, 1, min(log[3], HISTORY_EVENTS)))
    acts["ts_us"].sort()
    counted = in_batches(["u"] * len(acts), acts, [], restart=False)[0]
    for last in range(len(acts)):
        ages = acts["ts_us"][last] - acts["ts_us"][: last + 1]
        added = (np.array(counted[: last + 1]) * np.exp2(-ages / DAY_US)).sum()
        assert added <= 2 * float(acts["weight"][: last + 1].max()) + 1e-9


def test_a_view_a_cart_and_a_purchase_count_in_full_and_a_hundred_views_as_two() -> None:
    acts = np.zeros(103, ACT)
    acts["ts_us"] = NOW_US
    acts["weight"][:3] = [1.0, 5.0, 8.0]
    acts["weight"][3:] = 1.0
    look = Histories[str](PLENTY).look_back(["buyer"] * 3 + ["bot"] * 100, acts)
    assert look.counted[:3].tolist() == [1.0, 5.0, 8.0]
    assert look.counted[3:].tolist() == [1.0, 1.0, *[0.0] * 98]


def test_rounding_does_not_decide_whether_an_event_at_the_cap_counts() -> None:
    """`vane verify` adds in another order, and 5 + 8 + 3 is 2·8 but for a rounding."""
    acts = np.zeros(4, ACT)
    acts["weight"] = [5.0, 8.0, 3.0, 3.0]
    acts["ts_us"] = [NOW_US, NOW_US, NOW_US, NOW_US + 1_000]
    look = Histories[str](PLENTY).look_back(["u"] * 4, acts)
    rows = [
        trend_oracle.Act("u", 1, 0, offset, "i", ts_us, weight)
        for offset, (_, weight, ts_us) in enumerate(acts.tolist())
    ]
    expected = [trend_oracle.count(*each).weight for each in trend_oracle.histories(rows)]
    assert look.counted.tolist() == expected == [5.0, 8.0, 3.0, 0.0]


def test_memory_is_bounded_and_the_longest_unseen_users_go() -> None:
    histories = Histories[str](50_000)
    for start in range(0, 1_000, 10):
        acts = np.zeros(10, ACT)
        histories.look_back([f"u{start + n}" for n in range(10)], acts)
    assert len(histories) <= 50_000 // 300
    assert histories.forgotten
    assert histories.missing(["u999", "u0", "u0"]) == ["u0"]

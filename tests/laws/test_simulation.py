"""Laws of simulated traffic."""

import itertools
from collections import Counter
from itertools import islice
from random import Random

import pytest

from vane.pace import NAP_S, TICK_S, Pace
from vane.simulation import PAGE_ITEMS, PERSONAS, CatalogueItem, Step, Visitor, simulate

USERS = [f"u{number}" for number in range(40)]
ITEMS = [
    CatalogueItem(
        item_id=f"i{number}",
        kind=("car", "film")[number % 2],
        category=f"c{number % 12}",
        tags=[f"t{number % 7}", f"t{number % 5 + 7}"],
        buyable=number % 2 == 0,
    )
    for number in range(600)
]


def steps(count: int, seed: int = 1, users: list[str] = USERS) -> list[Step]:
    return list(islice(simulate(ITEMS, users, seed, itertools.count(1)), count))


def test_a_seed_decides_everything() -> None:
    assert steps(2_000) == steps(2_000)
    assert steps(2_000) != steps(2_000, seed=2)


def test_all_look_and_few_act() -> None:
    shares = Counter(step.action for step in steps(60_000))
    total = shares.total()
    bounds = {
        "view": (0.70, 0.90),
        "click": (0.05, 0.25),
        "like": (0.003, 0.03),
        "cart": (0.001, 0.03),
        "purchase": (0.0003, 0.01),
        "hide": (0.002, 0.02),
        "dislike": (0.0005, 0.01),
        "rating": (0.002, 0.02),
        "share": (0.0003, 0.01),
        "comment": (0.0003, 0.01),
    }
    assert set(shares) == set(bounds)
    outside = {
        a: shares[a] / total for a, (lo, hi) in bounds.items() if not lo < shares[a] / total < hi
    }
    assert outside == {}


def test_only_what_was_seen_is_clicked_and_only_what_has_a_price_is_bought() -> None:
    buyable = {item.item_id for item in ITEMS if item.buyable}
    last = dict[str, Step]()
    for step in steps(20_000):
        before = last.get(step.user_id)
        if step.action != "view":
            assert before is not None
            assert (before.item_id, before.session) == (step.item_id, step.session)
        if step.action in {"cart", "purchase"}:
            assert step.item_id in buyable
        assert (step.value is not None) == (step.action == "rating")
        assert step.value in {None, 1.0, 2.0, 3.0, 4.0, 5.0}
        last[step.user_id] = step


def test_high_positions_are_seen_most() -> None:
    seen = Counter(step.position for step in steps(60_000) if step.action == "view")
    assert sorted(seen) == list(range(PAGE_ITEMS))
    assert all(seen[place + 1] < 0.95 * seen[place] for place in range(PAGE_ITEMS - 1))


def test_few_items_are_very_popular() -> None:
    views = Counter(step.item_id for step in steps(60_000)).most_common()
    assert sum(number for _, number in views[:60]) > 0.4 * 60_000  # a tenth of the items
    assert len(views) > 500


def test_users_come_and_go() -> None:
    found = steps(20_000)
    visitors = dict[int, set[str]]()
    for step in found:
        visitors.setdefault(step.session, set()).add(step.user_id)
    assert all(len(users) == 1 for users in visitors.values())
    assert list(visitors) == list(range(1, len(visitors) + 1))
    assert 3 < len(found) / len(visitors) < 30
    assert {step.user_id for step in found} == set(USERS)


def test_users_differ_by_what_they_click() -> None:
    """Two halves of one user's clicks are more alike than the clicks of two users."""
    clicks = dict[str, list[str]]()
    categories = {item.item_id: item.category or "" for item in ITEMS}
    for step in steps(40_000, users=USERS[:10]):
        if step.action == "click":
            clicks.setdefault(step.user_id, []).append(categories[step.item_id])

    def overlap(one: list[str], other: list[str]) -> float:
        first, second = Counter(one), Counter(other)
        return sum(min(first[c] / len(one), second[c] / len(other)) for c in first)

    halves = [(found[::2], found[1::2]) for found in clicks.values()]
    own = sum(overlap(*half) for half in halves) / len(halves)
    pairs = [(a[0], b[1]) for a in halves for b in halves if a is not b]
    others = sum(overlap(*pair) for pair in pairs) / len(pairs)
    assert own > others + 0.05


def test_tastes_drift_slowly_and_jump_now_and_then() -> None:
    visitor = Visitor("u", Random(5))
    moves, mains = [], set[int]()
    for _ in range(500):
        before = visitor.taste
        visitor.drift()
        assert sum(visitor.taste) == pytest.approx(1)
        moves.append(sum(abs(a - b) for a, b in zip(before, visitor.taste, strict=True)) / 2)
        mains.add(visitor.taste.index(max(visitor.taste)))
    moves.sort()
    assert 0 < moves[250] < 0.1
    assert sum(move > 0.4 for move in moves) in range(5, 50)
    assert len(mains) > PERSONAS // 2


@pytest.mark.parametrize("features", [False, True])
def test_a_catalogue_of_one_bare_item_is_enough(*, features: bool) -> None:
    item = CatalogueItem(
        "i", "item", "c" if features else None, ["t"] if features else [], buyable=False
    )
    found = list(islice(simulate([item], ["u"], 1, itertools.count(1)), 200))
    assert {step.item_id for step in found} == {"i"}


class FakeTime:
    """A clock that stands still but for sleeps and the receiver's delays."""

    def __init__(self) -> None:
        self.now, self.naps = 0.0, list[float]()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.mark.parametrize("rate", [0.5, 20.0, 333.3, 20_000.0])
def test_events_are_sent_at_their_time(rate: float) -> None:
    time = FakeTime()
    pace, sent = Pace(rate, time.clock, time.sleep), 0
    while time.now < 10:
        due = pace.wait(sent, 1_000)
        late_s = time.now - pace.due_s(sent)
        assert not due or 0 <= late_s <= NAP_S + 1e-9
        sent += due
    assert sent == pytest.approx(10 * rate, abs=NAP_S * rate + 2)
    assert max(time.naps) <= TICK_S
    assert min(time.naps) >= NAP_S


def test_a_stall_is_not_forgiven() -> None:
    time = FakeTime()
    pace, sent = Pace(1_000, time.clock, time.sleep), 0
    while time.now < 1:
        sent += pace.wait(sent, 100)
    time.now += 2.0  # the receiver hung
    assert pace.behind_s(sent) == pytest.approx(2.0, abs=0.02)
    asleep = len(time.naps)
    while pace.behind_s(sent) > NAP_S:
        sent += pace.wait(sent, 100)
        time.now += 0.001  # 100,000 a second go through now
    assert len(time.naps) == asleep
    assert sent == pytest.approx(1_000 * time.now, abs=20)

"""Believable traffic: users with tastes that drift, who come, look around and leave.

A generative model in the manner of topic models. A *persona* likes some kinds, categories and tags
of the catalogue; a user is a mixture of personas, which walks at random from session to session
and now and then jumps to a new interest. Within a session, a user goes down pages of items that are
popular or liked, and stops anywhere (a cascade, so that high positions are seen most).

Pure: no I/O and no clock. The same items, users and seed give the same steps. Times are relative:
steps come in the right order, and the caller's rate sets their pace.
"""

import math
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from heapq import heapreplace
from itertools import accumulate
from operator import mul
from random import Random
from typing import NamedTuple

PERSONAS = 8
TAGS_LIKED = 3
"""Tags that a persona likes of each example it is made from."""
ZIPF_EXPONENT = 0.9
LIKING_SHARPNESS = 5.0
"""A persona meets what it likes fully e^5 times as often as what it does not care for."""
TASTE_CONCENTRATION = 0.3
"""Of the Dirichlet distribution of tastes: below 1, a user likes few personas' items."""
DRIFT = 0.25
"""Standard deviation of the step, a session, of the logarithm of each interest."""
JUMP_CHANCE = 0.04
JUMP_SHARE = 0.7
POPULAR_SHARE = 0.3
PAGE_ITEMS = 10
NEXT_ITEM_CHANCE = 0.85
NEXT_PAGE_CHANCE = 0.5
BREAK_PAUSES = 20.0
"""Mean time between two sessions of a user, in mean pauses between two events."""

Feature = tuple[str, str]


class CatalogueItem(NamedTuple):
    """What users see of an item; `buyable` where it has a price."""

    item_id: str
    kind: str
    category: str | None
    tags: Sequence[str]
    buyable: bool


class Step(NamedTuple):
    """One thing that a simulated user does."""

    user_id: str
    session: int
    """Number of the visit; visits are numbered in the order of their first steps."""
    item_id: str
    action: str
    position: int
    """Of the item in the list that the user looks at, from 0."""
    value: float | None = None
    """1 to 5, of a rating alone."""


def simulate(
    items: Sequence[CatalogueItem], users: Sequence[str], seed: int, numbers: Iterator[int]
) -> Iterator[Step]:
    """What the users do, without end.

    Args:
        items: at least one.
        users: their ids, at least one.
        seed: decides everything that is left to chance; tastes depend on it and the users alone.
        numbers: of the sessions to come.
    """
    random = Random(seed)
    visitors = [Visitor(user, random) for user in users]
    market = Market(items, random)
    doing: list[Iterator[Step]] = [iter(()) for _ in users]
    queue = [(0.0, index) for index in range(len(users))]
    while True:
        now, index = queue[0]
        step = next(doing[index], None)
        if step is None:
            doing[index] = visitors[index].session(numbers, market)
            pause = random.expovariate(1 / BREAK_PAUSES)
        else:
            yield step
            pause = random.expovariate(1.0)
        heapreplace(queue, (now + pause, index))


class Visitor:
    """A simulated user.

    Attributes:
        taste: the share of each persona, which sum to 1.
    """

    def __init__(self, user_id: str, random: Random) -> None:
        self._user_id, self._random = user_id, random
        drawn = [random.gammavariate(TASTE_CONCENTRATION, 1.0) for _ in range(PERSONAS)]
        self.taste = _shares(drawn)

    def drift(self) -> None:
        """Walk a step; now and then jump to an interest that is not the main one so far."""
        random = self._random
        self.taste = _shares([share * math.exp(random.gauss(0, DRIFT)) for share in self.taste])
        if random.random() < JUMP_CHANCE:
            main = self.taste.index(max(self.taste))
            new = (main + random.randrange(1, PERSONAS)) % PERSONAS
            self.taste = [share * (1 - JUMP_SHARE) for share in self.taste]
            self.taste[new] += JUMP_SHARE

    def session(self, numbers: Iterator[int], market: "Market") -> Iterator[Step]:
        """One visit: pages of items from the top, until the user has enough."""
        number = next(numbers)
        self.drift()
        random, tastes = self._random, list(accumulate(self.taste))
        while True:
            for position in range(PAGE_ITEMS):
                place = market.meet(tastes, random)
                item = market.items[place]
                liking = market.liking(self.taste, place)
                for action, value in _reactions(item, liking, random):
                    yield Step(self._user_id, number, item.item_id, action, position, value)
                if random.random() > NEXT_ITEM_CHANCE:
                    break
            if random.random() > NEXT_PAGE_CHANCE:
                return


class Market:
    """The items by popularity (Zipf's law), and how much each persona likes them.

    Attributes:
        items: the most popular one first; a place is an index here.
    """

    def __init__(self, items: Sequence[CatalogueItem], random: Random) -> None:
        self.items = random.sample(items, len(items))
        popularity = [(rank + 1) ** -ZIPF_EXPONENT for rank in range(len(items))]
        rows = [_likings(persona, self.items) for persona in _personas(items, random)]
        met = [[math.exp(LIKING_SHARPNESS * liking) for liking in row] for row in rows]
        self._popular = list(accumulate(popularity))
        self._liked = [list(accumulate(map(mul, popularity, row))) for row in met]
        self._likings = list(zip(*rows, strict=True))

    def meet(self, tastes: Sequence[float], random: Random) -> int:
        """The place of an item that a user looks at; `tastes` are cumulative shares."""
        if random.random() < POPULAR_SHARE:
            return _draw(self._popular, random)
        return _draw(self._liked[_draw(tastes, random)], random)

    def liking(self, taste: Sequence[float], place: int) -> float:
        """How much a user likes an item, 0 to 1."""
        liking: float = sum(map(mul, taste, self._likings[place]))
        return liking


def _reactions(
    item: CatalogueItem, liking: float, random: Random
) -> Iterator[tuple[str, float | None]]:
    """The funnel: all look, few click, fewer go on; what is not liked is hidden now and then."""

    def happens(chance: float) -> bool:
        return random.random() < chance

    yield "view", None
    if not happens(0.06 + 0.4 * liking):
        if happens(0.02 * (1 - liking)):
            yield ("hide" if happens(0.7) else "dislike"), None
        return
    yield "click", None
    for action, chance in (("like", 0.25), ("comment", 0.05), ("share", 0.05)):
        if happens(chance * liking):
            yield action, None
    if happens(0.05):
        yield "rating", float(min(5, max(1, round(random.gauss(2 + 3 * liking, 0.7)))))
    if item.buyable and happens(0.25 * liking):
        yield "cart", None
        if happens(0.3):
            yield "purchase", None


def _personas(items: Sequence[CatalogueItem], random: Random) -> Iterator[Mapping[Feature, float]]:
    """What each persona likes: all of one example, half as much of another one.

    The first examples are of different kinds and categories, as far as there are any.
    """
    groups = defaultdict[Feature, list[CatalogueItem]](list)
    for item in items:
        groups[item.kind, item.category or ""].append(item)
    names = random.sample(list(groups), len(groups))
    for number in range(PERSONAS):
        likes = defaultdict[Feature, float](float)
        for name, weight in ((names[number % len(names)], 1.0), (random.choice(names), 0.5)):
            example = random.choice(groups[name])
            tags = random.sample(example.tags, min(TAGS_LIKED, len(example.tags)))
            for feature in _features(example._replace(tags=tags)):
                likes[feature] += weight
        yield likes


def _likings(persona: Mapping[Feature, float], items: Sequence[CatalogueItem]) -> list[float]:
    """How much a persona likes each item, 0 to 1."""
    scores = [sum(persona.get(feature, 0.0) for feature in _features(item)) for item in items]
    best = max(scores)
    return [score / best for score in scores]


def _features(item: CatalogueItem) -> Iterator[Feature]:
    yield "kind", item.kind
    if item.category is not None:
        yield "category", item.category
    for tag in item.tags:
        yield "tag", tag


def _draw(cumulative: Sequence[float], random: Random) -> int:
    """An index, with the chances of which the running sums are given."""
    return bisect(cumulative, random.random() * cumulative[-1], hi=len(cumulative) - 1)


def _shares(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]

"""From a user to ranked items: what is known, candidates, features, scores, diversity."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from api.candidates import Wish, choose, content_lists, taste_of
from api.knowledge import Knowledge
from api.metrics import ListMeter
from api.shelf import Shelf
from schemas.responses import Recommendations
from vane.diversity import diversified, pool_size, similarity, visits
from vane.features import features
from vane.filters import ANY, Boost, Filter, boosted
from vane.following import FOLLOWED_RECENT, Neighbours, follow
from vane.metrics import meter_of
from vane.ranking import Model
from vane.retrieval import (
    CLOSEST_CONTENT,
    Sources,
    Taste,
    sources,
)
from vane.settings import Settings
from vane.store.moments import HIDDEN_ITEMS_MAX, About, PastEvent, Wanted, about, still_hidden
from vane.store.serving import ServingStore, UserState, open_store

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

AT_A_TIME = 3
"""Lists that a process works on: more would take turns in its one thread, and all end late."""

NOBODY = About(UserState(0, None, 0, 0), None, [], [], [], [], [])


class Query(NamedTuple):
    """What a caller asks for."""

    limit: int = 10
    kind: str | None = None
    category: str | None = None
    exclude_seen: bool = True
    explain: bool = False
    more: Filter = ANY
    """Narrows the list further."""
    exclude: tuple[str, ...] = ()
    """Items that never come."""
    boosts: tuple[Boost, ...] = ()

    @property
    def filter(self) -> Filter:
        """All that the items must be."""
        if self.kind is None and self.category is None:
            return self.more
        kinds = self.more.kinds if self.kind is None else (self.kind,)
        categories = self.more.categories if self.category is None else (self.category,)
        return self.more._replace(kinds=kinds, categories=categories)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """All that a list is made from.

    Attributes:
        shelf: the items.
        state: the user's, at least as old as all else.
        taste: the user's side.
        sources: the candidates.
        features: (n, len(FEATURES)) of them.
        neighbours: rows of the user's newest items, by number.
        past: the newest event on each item of `taste.recent`.
        causes: (c, d) centred unit vectors of the newest CLOSEST_CONTENT items of `taste.recent`,
            zero without text.
        contents: (n, d) those of the candidates.
        some_hidden: whether there may be candidates that the user hid.
    """

    shelf: Shelf
    state: UserState
    taste: Taste
    sources: Sources
    features: Floats
    neighbours: Mapping[int, Neighbours]
    past: Sequence[PastEvent]
    causes: Floats
    contents: Floats
    some_hidden: bool

    def ids(self, rows: Ints) -> list[str]:
        """Item ids of these candidates."""
        return self.shelf.ids(self.sources.numbers[rows])

    def visits(self, numbers: Ints) -> Floats:
        """How strongly n items are visited with each of the k recent ones, (n, k)."""
        return visits(numbers, self.taste.recent, self.neighbours)


@dataclass(frozen=True, slots=True)
class Scored:
    """The n candidates of a moment with their scores."""

    moment: Moment
    model: Model
    scores: Doubles  # (n,)
    boosts: Mapping[str, Doubles] = field(default_factory=dict)  # (n,) each; in the scores

    def ranked(self, rows: Ints, visited: Floats) -> "Ranked":
        """A list of these rows, with how strongly each is visited with the recent items."""
        return Ranked(self.moment, self.model, rows, self.scores[rows], visited, self.boosts)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The chosen candidates, best first."""

    moment: Moment
    model: Model
    rows: Ints  # (m,) of the moment's candidates
    scores: Doubles  # (m,)
    visits: Floats  # (m, k) with the user's recent items
    boosts: Mapping[str, Doubles] = field(default_factory=dict)  # as in `Scored`


OnList = Callable[[Recommendations, Ranked], None]


class Recommender:
    """Answers for one process, from a store and what the process knows.

    Attributes:
        on_list: is told of every list that is made for a user.
        meter: measures how lists are made.
    """

    def __init__(
        self, store: ServingStore, knowledge: Knowledge, meter: ListMeter | None = None
    ) -> None:
        """Args: what it reads, what the process knows, and where it counts; None: nowhere."""
        self.store, self.knowledge = store, knowledge
        self.meter = meter or ListMeter(meter_of("api"))
        store.scans = self.meter.scans
        self.on_list: OnList | None = None
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._shelf = Shelf(knowledge.table, self.meter.lookups, knowledge.ages_s)
        knowledge.listeners.append(self._changed)

    async def shelf(self) -> Shelf:
        """The items and what belongs to them, once they are loaded."""
        await self.knowledge.ready()
        return self._shelf

    async def rank(self, user_id: str | None, query: Query, known: About | None = None) -> Ranked:
        """The best for a user now; for None what anybody would get.

        `known` replaces what PostgreSQL knows of the user.
        """
        watch = self.meter.stopwatch()
        async with self._turns:
            watch.lap("wait")
            moment = await self.moment(user_id, query, known)
            watch = self.meter.stopwatch()
            wanted = pool_size(query.limit)
            scored = await self.score(moment, query, wanted)
            pool = await self.best(scored, user_id, wanted)
            watch.lap("ranking")
            rows, visited = self.diverse(scored, pool, query)
            watch.lap("diversity")
            return scored.ranked(rows, visited)

    async def moment(
        self,
        user_id: str | None,
        query: Query,
        known: About | None = None,
        numbers: Ints | None = None,
    ) -> Moment:
        """What a user's list is made from, now; `numbers` are candidates that are given."""
        shelf, store = await self.shelf(), self.store
        watch = self.meter.stopwatch()
        if known is None:
            known = await self.about(user_id, query)
        mean = await store.item_mean()
        watch.lap("user")
        taste, past = taste_of(shelf.table, known, mean)
        recent = shelf.ids(taste.recent)
        neighbours, nearest = await shelf.around(
            store, recent[:FOLLOWED_RECENT], recent[:CLOSEST_CONTENT], known.written
        )
        now_us = max([self.knowledge.now_us(), *taste.recent_us[:1].tolist()])
        followed = follow(shelf.table, taste.recent, neighbours, now_us)
        if numbers is None:
            lists = content_lists(shelf.table, taste, known, nearest)
            wish = Wish(query.limit, query.filter, query.exclude, query.boosts)
            numbers = choose(shelf, taste, known, followed, lists, now_us, wish)
        watch.lap("candidates")
        worded = taste.long is not None or bool(nearest)
        compared = np.concatenate([taste.recent[:CLOSEST_CONTENT], numbers])
        units = np.zeros((len(compared), 1), np.float32)
        if worded:
            await shelf.contents.load(store, compared)
            units = shelf.contents.units(compared, mean)
        watch.lap("contents")
        found = sources(shelf.table, taste, followed, units if worded else None, numbers, now_us)
        values = features(found, shelf.table, taste, now_us)
        watch.lap("features")
        return Moment(
            shelf=shelf,
            state=known.state,
            taste=taste,
            sources=found,
            features=values,
            neighbours=neighbours,
            past=past,
            causes=units[: len(compared) - len(numbers)],
            contents=units[len(compared) - len(numbers) :],
            some_hidden=len(known.hidden) >= HIDDEN_ITEMS_MAX,
        )

    async def score(self, moment: Moment, query: Query, best: int | None = None) -> Scored:
        """The candidates' scores, boosts included; with `best`, of only so many the right ones."""
        model = self.knowledge.model
        if not query.boosts:
            return Scored(moment, model, model.scores(moment.features, best))
        scores = model.scores(moment.features)
        boosts = boosted(moment.shelf.table, query.boosts, moment.sources.numbers, scores)
        return Scored(moment, model, scores + sum(boosts.values()), boosts)

    async def best(self, scored: Scored, user_id: str | None, count: int) -> Ints:
        """Rows of at most `count` candidates, best first, without what the user hid."""
        moment, rows = scored.moment, np.argsort(-scored.scores, kind="stable")[:count]
        if moment.some_hidden and user_id is not None:
            hidden = await still_hidden(self.store, user_id, moment.ids(rows))
            kept = np.array([item not in hidden for item in moment.ids(rows)], bool)
            rows = rows[kept] if kept.any() else rows
        return rows

    async def about(self, user_id: str | None, query: Query) -> About:
        """What is known of a user; of None nothing."""
        if user_id is None:
            return NOBODY
        return await about(self.store, user_id, await self.wanted(query))

    async def wanted(self, query: Query) -> Wanted:
        """What PostgreSQL is asked for."""
        few = None if query.filter == ANY else (await self.shelf()).few(query.filter)
        return Wanted(query.filter, query.exclude, query.exclude_seen, few)

    def diverse(self, scored: Scored, pool: Ints, query: Query) -> tuple[Ints, Floats]:
        """Rows of the list, best first: diversity says which, the scores in which order.

        With each how strongly it is visited with the recent items.
        """
        moment = scored.moment
        rules, numbers = self.knowledge.tuning.diversity, moment.sources.numbers[pool]
        if query.filter.categories:
            rules = structs.replace(rules, category_share=1.0)
        visited = moment.visits(numbers)
        chosen = diversified(
            scored.scores[pool],
            similarity(moment.contents[pool], visited),
            moment.shelf.table.author[numbers],
            moment.shelf.table.category[numbers],
            limit=query.limit,
            rules=rules,
        )
        chosen.sort()
        return pool[chosen], visited[chosen]

    def _changed(self, items: Sequence[str] | None) -> None:
        if items is None:
            self._shelf = Shelf(self.knowledge.table, self.meter.lookups, self.knowledge.ages_s)
        else:
            self._shelf.changed(items)


@asynccontextmanager
async def open_recommender(settings: Settings, application: str) -> AsyncIterator[Recommender]:
    """A recommender that knows what there is now, and does not follow what changes.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    knowledge = Knowledge(settings, application)
    try:
        await knowledge.refresh()
        async with open_store(settings, application) as store:
            yield Recommender(store, knowledge)
    finally:
        await knowledge.close()

"""Ready answers, kept for a short time and dropped by hints; never filled with a stale one.

An answer is about *subjects*: a user, an item, the trends. A hint for a subject drops its answers
and leaves a floor. An answer whose computation began before the hint may have missed the change:
it is kept only where it has at least the version that the hint named.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

FLOORS_MAX = 200_000
"""Subjects whose last hint is remembered; once one is forgotten, older fills are refused."""

TRENDS = "trends"
"""Subject of every list of what is popular or new."""

Key = tuple[bytes, bytes]
"""Path and query string, as they came."""


def user_subject(user_id: str) -> str:
    """Subject of a user's answers."""
    return f"user:{user_id}"


def item_subject(item_id: str) -> str:
    """Subject of an item's answers."""
    return f"item:{item_id}"


class Answer(NamedTuple):
    """A body that is ready to send.

    Attributes:
        etag: names the content, with its quotes.
        route: that gave it, for the metrics.
        subjects: what it is about; one about a user is for that user's token alone.
        version: of the user's state that it shows; None where it shows no user.
        as_of: the newest event in that state.
    """

    body: bytes
    etag: bytes
    route: str
    subjects: tuple[str, ...]
    version: int | None = None
    as_of: datetime | None = None


@dataclass(slots=True)
class _Entry:
    answer: Answer
    filled_s: float
    aged_from_s: float
    dropped: bool = False


class _Floor(NamedTuple):
    order: int
    version: int | None
    since_s: float
    shown: bool = False


@dataclass(slots=True)
class Cache:
    """A bounded map of answers, the least recently used one out first.

    Args:
        entries_max: 0 keeps nothing.
        ttl_s: an answer is served this long without a hint.
        clock: seconds, monotonic.
        ages: seconds that `ttl_s` is counted in, see `Knowledge.ages_s`.
    """

    entries_max: int
    ttl_s: float
    clock: Callable[[], float] = time.monotonic
    ages: Callable[[], float] = time.monotonic
    floors_max: int = FLOORS_MAX
    listeners: list[Callable[[Key, Answer], None]] = field(default_factory=list)
    _entries: OrderedDict[Key, _Entry] = field(default_factory=OrderedDict)
    _keys: dict[str, set[Key]] = field(default_factory=dict)
    _floors: OrderedDict[str, _Floor] = field(default_factory=OrderedDict)
    _order: int = 0
    _refused_before: int = 0

    def get(self, key: Key) -> Answer | None:
        """The answer, if it is fresh."""
        entry = self._entries.get(key)
        if entry is None or entry.dropped or self.ages() - entry.aged_from_s > self.ttl_s:
            return None
        self._entries.move_to_end(key)
        return entry.answer

    def last_known(self, key: Key) -> tuple[Answer, float] | None:
        """The answer however old, with its age in seconds: for when nothing better can be had."""
        entry = self._entries.get(key)
        return None if entry is None else (entry.answer, self.clock() - entry.filled_s)

    def begin(self) -> int:
        """A ticket, to be taken before anything that goes into an answer is read."""
        return self._order

    def put(self, key: Key, answer: Answer, ticket: int) -> bool:
        """Keep an answer whose reading began at `ticket`; False where a hint has overtaken it."""
        floors = [self._floors[name] for name in answer.subjects if name in self._floors]
        overtaken = not all(_reaches(answer, ticket, floor) for floor in floors)
        if overtaken or ticket < self._refused_before or self._has_newer(key, answer):
            return False
        self._remove(key)
        self._entries[key] = _Entry(answer, self.clock(), self.ages())
        for subject in answer.subjects:
            self._keys.setdefault(subject, set()).add(key)
        while len(self._entries) > self.entries_max:
            self._remove(next(iter(self._entries)))
        for listener in self.listeners:
            listener(key, answer)
        return True

    def drop(self, subject: str, version: int | None = None) -> None:
        """A hint: the subject changed, to `version` where it has versions."""
        self._order += 1
        for key in self._keys.get(subject, ()):
            self._entries[key].dropped = True
        known = self._floors.pop(subject, None)
        if known and known.version is not None and version is not None:
            version = max(version, known.version)
        self._floors[subject] = _Floor(self._order, version, self.clock())
        while len(self._floors) > self.floors_max:
            _, forgotten = self._floors.popitem(last=False)
            self._refused_before = max(self._refused_before, forgotten.order)

    def forget(self, subject: str) -> None:
        """Nothing about the subject may be kept, not even as the last known answer."""
        for key in list(self._keys.get(subject, ())):
            self._remove(key)

    def first_shown_s(self, answer: Answer) -> float | None:
        """How long ago a hint named the version that this answer is the first one to show."""
        for subject in answer.subjects:
            floor = self._floors.get(subject)
            if floor and not floor.shown and floor.version == answer.version is not None:
                self._floors[subject] = floor._replace(shown=True)
                return self.clock() - floor.since_s
        return None

    def drop_all(self) -> None:
        """Anything may have changed, and versions may even have gone back."""
        self._order += 1
        self._refused_before = self._order
        self._floors.clear()
        for entry in self._entries.values():
            entry.dropped = True

    def __len__(self) -> int:
        return len(self._entries)

    def _has_newer(self, key: Key, answer: Answer) -> bool:
        """Two that read at the same time may end in the other order, without any hint."""
        known = self.get(key)
        if known is None or known.version is None or answer.version is None:
            return False
        return known.version > answer.version

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        for subject in entry.answer.subjects:
            self._keys[subject].discard(key)
            if not self._keys[subject]:
                del self._keys[subject]


def _reaches(answer: Answer, ticket: int, floor: _Floor) -> bool:
    if answer.version is not None and floor.version is not None:
        return answer.version >= floor.version
    return ticket >= floor.order

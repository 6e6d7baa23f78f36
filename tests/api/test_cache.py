from dataclasses import dataclass

from api.cache import Answer, Cache

KEY, OTHER = (b"/a", b""), (b"/b", b"")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def an_answer(version: int | None = 1, *subjects: str) -> Answer:
    return Answer(b"body", b'"tag"', "/route", subjects or ("user:ada",), version)


def test_an_answer_lives_for_its_time() -> None:
    clock = Clock()
    cache = Cache(10, ttl_s=5.0, clock=clock, ages=clock)
    assert cache.put(KEY, an_answer(), cache.begin())
    clock.now = 5.0
    assert cache.get(KEY) is not None
    clock.now = 5.1
    assert cache.get(KEY) is None
    known = cache.last_known(KEY)
    assert known is not None
    assert known[1] == 5.1


def test_a_hint_drops_all_answers_of_its_subject_and_no_other() -> None:
    cache = Cache(10, 5.0)
    cache.put(KEY, an_answer(1, "user:ada", "trends"), cache.begin())
    cache.put(OTHER, an_answer(1, "user:bob"), cache.begin())
    cache.drop("trends")
    assert cache.get(KEY) is None
    assert cache.last_known(KEY) is not None
    assert cache.get(OTHER) is not None


def test_a_fill_from_before_the_hint_is_kept_only_with_the_versions_that_it_names() -> None:
    cache = Cache(10, 5.0)
    ticket = cache.begin()
    cache.drop("user:ada", 3)
    assert not cache.put(KEY, an_answer(2), ticket)
    assert cache.put(KEY, an_answer(3), ticket)
    cache.drop("user:ada", 2)
    assert not cache.put(KEY, an_answer(2), cache.begin())


def test_a_fill_without_versions_must_begin_after_the_hint() -> None:
    cache = Cache(10, 5.0)
    ticket = cache.begin()
    cache.drop("trends")
    assert not cache.put(KEY, an_answer(None, "trends"), ticket)
    assert not cache.put(KEY, an_answer(9, "user:ada", "trends"), ticket)
    assert cache.put(KEY, an_answer(9, "user:ada", "trends"), cache.begin())


def test_forgotten_floors_refuse_what_began_before_them() -> None:
    cache = Cache(10, 5.0, floors_max=2)
    ticket = cache.begin()
    cache.drop("user:ada", 3)
    later = cache.begin()
    cache.drop("user:bob", 1)
    cache.drop("user:eve", 1)
    assert not cache.put(KEY, an_answer(2), ticket)
    assert cache.put(KEY, an_answer(3), later)


def test_after_all_is_dropped_versions_may_have_gone_back() -> None:
    cache = Cache(10, 5.0)
    cache.put(KEY, an_answer(9), cache.begin())
    cache.drop("user:ada", 9)
    ticket = cache.begin()
    cache.drop_all()
    assert cache.get(KEY) is None
    assert not cache.put(KEY, an_answer(9), ticket)
    assert cache.put(KEY, an_answer(8), cache.begin())


def test_the_least_recently_used_answer_goes_first() -> None:
    cache = Cache(2, 5.0)
    cache.put(KEY, an_answer(), cache.begin())
    cache.put(OTHER, an_answer(), cache.begin())
    assert cache.get(KEY) is not None
    cache.put((b"/c", b""), an_answer(), cache.begin())
    assert (cache.get(KEY) is None, cache.get(OTHER) is None, len(cache)) == (False, True, 2)
    cache.drop("user:ada", 1)
    assert cache.get(KEY) is None


def test_no_entries_keep_nothing() -> None:
    cache = Cache(0, 5.0)
    cache.put(KEY, an_answer(), cache.begin())
    assert (cache.get(KEY), len(cache)) == (None, 0)

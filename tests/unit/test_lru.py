from vane.lru import Lru


def test_the_least_recently_used_leaves_first() -> None:
    cache = Lru[str, int](2)
    cache.put({"a": 1, "b": 2})
    assert cache.find(["a"]) == {"a": 1}
    cache.put({"c": 3})
    assert cache.find(["a", "b", "c"]) == {"a": 1, "c": 3}
    assert len(cache) == 2


def test_an_entry_is_found_for_its_time_and_a_new_value_has_it_again() -> None:
    now = [0.0]
    cache = Lru[str, int](9, ttl_s=10, clock=lambda: now[0])
    cache.put({"a": 1, "b": 2})
    now[0] = 6.0
    cache.put({"b": 3})
    now[0] = 10.5
    assert cache.find(["a", "b"]) == {"b": 3}


def test_dropped_keys_are_gone() -> None:
    cache = Lru[str, int | None](9)
    cache.put({"a": None, "b": 2, "c": 3})
    assert cache.find(["a"]) == {"a": None}
    cache.drop(["b", "unknown"])
    assert cache.find("abc") == {"a": None, "c": 3}
    cache.clear()
    assert len(cache) == 0

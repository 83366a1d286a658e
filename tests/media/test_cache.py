"""`MediaCache`: one value per key, made once, within a number of bytes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from cenote.errors import InvalidRequest
from cenote.media import MediaCache


@dataclass(frozen=True)
class Value:
    name: str
    nbytes: int = 10


def test_a_value_is_made_once_and_counted() -> None:
    cache, made = MediaCache(100), []
    for _ in range(3):
        assert cache.get("a", lambda: made.append("a") or Value("a")) == Value("a")
    assert made == ["a"]
    assert (cache.queries, cache.hits) == (3, 2)


def test_arrays_are_values() -> None:
    cache = MediaCache(100)
    first = cache.get("a", lambda: np.zeros(10, np.uint8))
    assert cache.get("a", lambda: np.ones(10, np.uint8)) is first


def test_the_value_that_was_not_used_for_longest_goes_first() -> None:
    cache = MediaCache(30)
    for name in "abc":
        cache.get(name, lambda name=name: Value(name))
    cache.get("a", lambda: Value("again"))
    cache.get("d", lambda: Value("d"))
    assert [cache.get(name, lambda: Value("new", 0)).name for name in "acd"] == ["a", "c", "d"]
    assert cache.get("b", lambda: Value("new")).name == "new"


def test_a_large_value_throws_out_as_many_as_it_needs() -> None:
    cache = MediaCache(30)
    for name in "abc":
        cache.get(name, lambda name=name: Value(name))
    cache.get("large", lambda: Value("large", 20))
    assert [cache.get(name, lambda: Value("new", 0)).name for name in ("c", "large", "a")] == ["c", "large", "new"]


@pytest.mark.parametrize("max_bytes", [0, 9])
def test_a_value_that_is_larger_than_the_cache_is_returned_and_not_kept(max_bytes: int) -> None:
    cache = MediaCache(max_bytes)
    assert cache.get("a", lambda: Value("first")).name == "first"
    assert cache.get("a", lambda: Value("second")).name == "second"
    assert cache.hits == 0


def test_a_cache_of_no_bytes_keeps_nothing_at_all() -> None:
    cache = MediaCache(0)
    cache.get("a", lambda: Value("first", 0))
    assert cache.get("a", lambda: Value("second", 0)).name == "second"


def test_nothing_is_left_after_clear() -> None:
    cache = MediaCache(20)
    cache.get("a", lambda: Value("old"))
    cache.clear()
    assert cache.get("a", lambda: Value("new")).name == "new"
    cache.get("b", lambda: Value("b"))
    assert cache.get("a", lambda: Value("newer")).name == "new"


def test_an_error_is_not_kept() -> None:
    cache = MediaCache(100)

    def fail() -> Value:
        raise InvalidRequest("broken")

    with pytest.raises(InvalidRequest, match="broken"):
        cache.get("a", fail)
    assert cache.get("a", lambda: Value("a")) == Value("a")


@pytest.mark.parametrize("max_bytes", [0, 100])
def test_threads_that_ask_at_once_share_one_value(max_bytes: int) -> None:
    cache, made, going = MediaCache(max_bytes), [], threading.Event()

    def make() -> Value:
        made.append(threading.get_ident())
        assert going.wait(30)
        return Value("a")

    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(cache.get, "a", make) for _ in range(4)]
        while cache.queries < 4:
            pass
        going.set()
        values = [answer.result() for answer in answers]
    assert len(made) == 1
    assert all(value is values[0] for value in values)
    assert cache.hits == 3


@pytest.mark.parametrize("error", [InvalidRequest("broken", param="image_url"), ValueError("broken")])
def test_an_error_is_raised_in_every_thread_that_waits(error: Exception) -> None:
    cache, going = MediaCache(100), threading.Event()

    def fail() -> Value:
        assert going.wait(30)
        raise error

    with ThreadPoolExecutor(3) as threads:
        answers = [threads.submit(cache.get, "a", fail) for _ in range(3)]
        while cache.queries < 3:
            pass
        going.set()
        failures = [answer.exception() for answer in answers]
    assert {type(failure) for failure in failures} == {type(error)}
    for place, failure in enumerate(failures):
        if isinstance(failure, InvalidRequest):
            failure.locate(place)
            assert failure.param == "image_url"
            assert str(failure) == f"Prompt {place}: broken"


def test_other_keys_do_not_wait_and_what_was_cleared_meanwhile_is_not_kept() -> None:
    cache, going = MediaCache(100), threading.Event()

    def make() -> Value:
        assert going.wait(30)
        return Value("old")

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(cache.get, "a", make)
        while not cache.queries:
            pass
        assert cache.get("b", lambda: Value("b")).name == "b"
        cache.clear()
        assert cache.get("a", lambda: Value("new")).name == "new"
        going.set()
        assert answer.result().name == "old"
    assert cache.get("a", lambda: Value("newer")).name == "new"

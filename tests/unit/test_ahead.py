"""A few calls ahead of whoever takes the results, and no more."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.ahead import map_ahead


def test_results_come_in_order() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(map_ahead(pool, lambda n: n * n, range(20), ahead=3)) == [n * n for n in range(20)]
        assert list(map_ahead(pool, str, [], ahead=3)) == []


def test_no_more_calls_are_begun_than_ahead_of_the_consumer() -> None:
    begun: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        results = map_ahead(pool, begun.append, range(100), ahead=3)
        for taken in range(1, 10):
            next(results)
            assert len(begun) <= taken + 2
        results.close()
    assert len(begun) <= 12


def test_a_failure_is_raised_where_its_result_is_taken() -> None:
    with ThreadPoolExecutor(2) as pool:
        results = map_ahead(pool, lambda n: 1 // n, [1, 0, 1], ahead=1)
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_what_waits_is_cancelled_when_nobody_takes_it() -> None:
    release, begun = threading.Event(), []

    def call(number: int) -> int:
        begun.append(number)
        if number:
            release.wait(10)
        return number

    with ThreadPoolExecutor(1) as pool:
        results = map_ahead(pool, call, range(10), ahead=5)
        assert next(results) == 0
        results.close()
        release.set()
    assert len(begun) <= 2

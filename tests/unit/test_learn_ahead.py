import threading
import time
from collections.abc import Iterator

import pytest

from engine.learn.ahead import worked_ahead


def test_results_come_in_the_order_of_the_items_whichever_is_done_first() -> None:
    def slower_at_first(item: int) -> int:
        time.sleep(0.002 * (5 - item))
        return 10 * item

    assert list(worked_ahead(slower_at_first, range(5), threads=3)) == [0, 10, 20, 30, 40]


def test_items_are_taken_only_a_few_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = worked_ahead(str, items(), threads=2)
    assert next(results) == "0"
    assert len(taken) == 3
    results.close()


def test_an_error_ends_it_and_no_thread_is_left() -> None:
    def fails(item: int) -> int:
        if item == 2:
            raise ValueError("item 2")
        return item

    found: list[int] = []
    with pytest.raises(ValueError, match="item 2"):
        found.extend(worked_ahead(fails, range(10), threads=2))
    assert found == [0, 1]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_whoever_stops_taking_leaves_no_thread() -> None:
    results = worked_ahead(str, range(10), threads=2)
    next(results)
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]

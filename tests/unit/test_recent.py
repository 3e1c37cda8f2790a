"""Answers that are kept for a moment: how old they may be, and how often they are looked up."""

import threading

import pytest

from shared.recent import Recent
from tests.waiting import wait_until


class Source:
    """Counts look-ups, at a time that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        self.values: dict[str, str] = {}
        self.recent = Recent[str, str](self.look_up, seconds=1.0, clock=lambda: self.now)

    def look_up(self, key: str) -> str | None:
        self.asked.append(key)
        return self.values.get(key)


@pytest.fixture
def source() -> Source:
    return Source()


def test_a_value_is_looked_up_once_a_second_for_each_key(source: Source) -> None:
    source.values = {"a": "1", "b": "2"}
    for now in (0.0, 0.5, 0.999):
        source.now = now
        assert (source.recent.get("a"), source.recent.get("b")) == ("1", "2")
    assert source.asked == ["a", "b"]
    source.now, source.values = 1.0, {"a": "3"}
    assert source.recent.get("a") == "3"


def test_the_age_of_a_value_counts_from_before_its_look_up(source: Source) -> None:
    def slow(_: str) -> str:
        source.now += 0.7
        return str(source.now)

    kept = Recent[str, str](slow, seconds=1.0, clock=lambda: source.now)
    assert kept.get("a") == "0.7"
    source.now = 1.1
    assert kept.get("a") != "0.7"


def test_what_was_not_found_is_looked_up_again_at_once(source: Source) -> None:
    assert source.recent.get("a") is None
    source.values["a"] = "1"
    assert source.recent.get("a") == "1"


def test_a_failed_look_up_is_not_kept(source: Source) -> None:
    failures = [OSError("storage is away")]

    def failing_once(key: str) -> str:
        if failures:
            raise failures.pop()
        return key

    kept = Recent[str, str](failing_once, seconds=1.0)
    with pytest.raises(OSError, match="away"):
        kept.get("a")
    assert kept.get("a") == "a"


def test_of_callers_at_once_one_looks_up_and_all_get_it() -> None:
    asked, answered, go = list[str](), list[str | None](), threading.Event()

    def slow(key: str) -> str:
        asked.append(key)
        go.wait(10)
        return key

    kept = Recent[str, str](slow, seconds=60.0)
    threads = [threading.Thread(target=lambda: answered.append(kept.get("a"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: asked, "the look-up")
    go.set()
    for thread in threads:
        thread.join()
    assert (asked, answered) == (["a"], ["a"] * 4)


def test_only_so_many_values_are_kept(source: Source) -> None:
    source.values = {key: key for key in "abc"}
    kept = Recent[str, str](source.look_up, seconds=1.0, most=2, clock=lambda: source.now)
    for key in "abcbca":
        assert kept.get(key) == key
    assert "".join(source.asked) == "abca"

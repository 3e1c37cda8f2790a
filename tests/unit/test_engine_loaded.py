"""Models in memory: loaded once, within a bound, nobody waiting for another's."""

import threading

import pytest

from engine.loaded import Loaded, LoadedModels
from tests.waiting import wait_until


class Shelf:
    """Models of given sizes, and how often each was loaded."""

    def __init__(self, bound: int, **sizes: int) -> None:
        self.loads: list[str] = []
        self.models = LoadedModels[str](bound)
        self._ids = {name: number for number, name in enumerate(sizes, 1)}
        self._sizes = sizes

    def get(self, name: str) -> str:
        def load() -> Loaded[str]:
            self.loads.append(name)
            return Loaded(name, self._sizes[name])

        return self.models.get(self._ids[name], load)

    @property
    def kept(self) -> str:
        names = {number: name for name, number in self._ids.items()}
        return "".join(names[number] for number in self.models.kept)

    def drop(self, name: str) -> None:
        self.models.drop(self._ids[name])


def test_a_model_is_loaded_once() -> None:
    shelf = Shelf(10, a=4)
    assert [shelf.get("a"), shelf.get("a")] == ["a", "a"]
    assert shelf.loads == ["a"]


def test_the_least_recently_used_go_first_when_the_bound_is_passed() -> None:
    shelf = Shelf(10, a=4, b=4, c=2, d=3)
    for name in "abcad":
        shelf.get(name)
    assert shelf.kept == "cad"
    assert sum(shelf.models.kept.values()) <= 10


def test_a_model_larger_than_the_bound_answers_alone_and_goes_with_the_next() -> None:
    shelf = Shelf(10, a=4, big=50, c=2)
    for name in ("a", "big", "big"):
        assert shelf.get(name) == name
    assert shelf.kept == "big"
    assert shelf.loads == ["a", "big"]
    shelf.get("c")
    assert shelf.kept == "c"


def test_a_deleted_model_is_dropped() -> None:
    shelf = Shelf(10, a=4, b=4)
    shelf.get("a")
    shelf.get("b")
    shelf.drop("a")
    shelf.drop("a")
    assert shelf.kept == "b"


def test_two_loads_of_one_model_at_once_happen_once_and_others_do_not_wait() -> None:
    models, started, go = LoadedModels[str](100), threading.Event(), threading.Event()
    loads, got = list[str](), list[str]()

    def slow() -> Loaded[str]:
        loads.append("slow")
        started.set()
        go.wait(10)
        return Loaded("slow", 1)

    threads = [threading.Thread(target=lambda: got.append(models.get(1, slow))) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(started.is_set, "the loading")
    assert models.get(2, lambda: Loaded("quick", 1)) == "quick"
    assert got == []
    go.set()
    for thread in threads:
        thread.join()
    assert (loads, got) == (["slow"], ["slow"] * 3)


def test_a_model_deleted_while_it_is_loaded_is_not_kept() -> None:
    models = LoadedModels[str](100)

    def load() -> Loaded[str]:
        models.drop(1)
        return Loaded("gone", 1)

    assert models.get(1, load) == "gone"
    assert models.kept == {}


def test_a_load_that_fails_is_tried_anew_by_the_next_caller() -> None:
    models = LoadedModels[str](100)

    def fail() -> Loaded[str]:
        raise OSError("torn")

    with pytest.raises(OSError, match="torn"):
        models.get(1, fail)
    assert models.get(1, lambda: Loaded("whole", 1)) == "whole"

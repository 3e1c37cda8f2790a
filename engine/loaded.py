"""Models in memory, within a bound: whichever was not asked for the longest goes first."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loaded[Model]:
    """A model, and how many bytes of memory it takes."""

    model: Model
    size: int


class LoadedModels[Model]:
    """Loads each model once and keeps it while there is room. Safe to share between threads.

    Nobody waits for the loading of a model but those who ask for that one. A model that is larger than the bound is
    kept too, alone, until another one is asked for.

    Attributes:
        bound: Bytes of all models together.
    """

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._lock = threading.Lock()
        self._models: OrderedDict[int, Future[Loaded[Model]]] = OrderedDict()  # the first has waited the longest

    def get(self, model_id: int, load: Callable[[], Loaded[Model]]) -> Model:
        """Returns a model; of callers at once, the first loads it and the others wait.

        What `load` raises, all who waited for it get; the next caller loads anew.

        Args:
            model_id: Never used again for another model.
            load: Reads it.
        """
        with self._lock:
            loading = self._models.get(model_id)
            ours = loading is None
            if loading is None:
                loading = self._models[model_id] = Future()
            self._models.move_to_end(model_id)
        if ours:
            try:
                loading.set_result(load())
            except BaseException as exc:
                with self._lock:
                    self._forget(model_id, loading)
                loading.set_exception(exc)
                raise
            self._make_room(model_id)
        return loading.result().model

    def drop(self, model_id: int) -> None:
        """Forgets a model that was deleted; who uses it right now may go on."""
        with self._lock:
            self._models.pop(model_id, None)

    @property
    def kept(self) -> dict[int, int]:
        """The ids of all models in memory, least recently used first, and the bytes of each."""
        with self._lock:
            return {one: future.result().size for one, future in self._models.items() if future.done()}

    def _make_room(self, newest: int) -> None:
        with self._lock:
            sizes = {one: future.result().size for one, future in self._models.items() if future.done()}
            total = sum(sizes.values())
            for one, size in sizes.items():
                if total <= self.bound:
                    return
                if one != newest:
                    del self._models[one]
                    total -= size

    def _forget(self, model_id: int, loading: Future[Loaded[Model]]) -> None:
        if self._models.get(model_id) is loading:
            del self._models[model_id]

"""Answers that are kept for a moment, so that a call that comes often does not read storage every time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_KEPT: Final = 1024


class Recent[Key, Value]:
    """Looks a value up at most once in `seconds` for each key. Safe to share between threads.

    What was not found (None), or raised, is looked up again at once: nothing has to wait to be seen for the first time.
    """

    def __init__(
        self,
        look_up: Callable[[Key], Value | None],
        *,
        seconds: float,
        most: int = MOST_KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes what looks a value up, for how long a value counts, how many are kept, and what tells seconds."""
        self._look_up = look_up
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._asking: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """Return the value, as old as `seconds` at most; of callers at once, one looks it up and the others wait."""
        if (kept := self._fresh(key)) is not None:
            return kept
        with self._lock:
            asking = self._asking.setdefault(key, threading.Lock())
        with asking:
            try:
                kept = self._fresh(key)
                return self._looked_up(key) if kept is None else kept
            finally:
                with self._lock:
                    if self._asking.get(key) is asking:
                        del self._asking[key]

    def _looked_up(self, key: Key) -> Value | None:
        asked_at = self._clock()  # before the look-up: what it finds is no older than that
        found = self._look_up(key)
        if found is not None:
            with self._lock:
                self._kept[key] = asked_at, found
                self._kept.move_to_end(key)
                if len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return found

    def _fresh(self, key: Key) -> Value | None:
        with self._lock:
            at, value = self._kept.get(key, (None, None))
        return value if at is not None and self._clock() - at < self._seconds else None

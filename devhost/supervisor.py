"""Keeps child processes running: starts them, starts again what died, stops them."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from devhost.errors import ServiceError
from devhost.process import Child

_GRACE: Final = 15.0
_MIN_BACKOFF: Final = 0.25
_MAX_BACKOFF: Final = 10.0
_STEADY_AFTER: Final = 10.0
_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watched:
    """A child and how its restarts go; `due` is when it is started again."""

    child: Child
    wanted: bool = False
    answered: bool = False
    backoff: float = _MIN_BACKOFF
    started: float = 0.0
    due: float | None = None


class Supervisor:
    """Watches named children from a thread of its own, between the first `start` and `close`."""

    def __init__(self, children: Sequence[Child], *, revive: bool, revived: Callable[[str], None]) -> None:
        """Takes the children, none of them started.

        Args:
            children: In the order in which they are started.
            revive: Whether one that dies is started again.
            revived: Called with the name of each that was, from a thread of its own.
        """
        self._revived = revived
        self._watched = {child.name: _Watched(child) for child in children}
        self._revive = revive
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def names(self) -> list[str]:
        """The children's names, in the order given."""
        return list(self._watched)

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each child that runs, by name."""
        running = {name: watched.child.pid for name, watched in self._watched.items()}
        return {name: pid for name, pid in running.items() if pid is not None}

    def start(self, names: Iterable[str]) -> None:
        """Starts children; from now on they are wanted.

        Raises:
            ServiceError: One cannot be started.
        """
        with self._lock:
            for name in names:
                self._watched[name].answered = False
                self._spawn(self._watched[name])
        if self._revive and self._thread is None:
            self._closed.clear()
            self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
            self._thread.start()

    def stop(self, names: Iterable[str]) -> None:
        """Stops children, one after the other; they are not started again."""
        with self._lock:
            for name in names:
                watched = self._watched[name]
                watched.wanted = False
                watched.child.stop(_GRACE)

    def kill(self, name: str) -> None:
        """Kills a child and what it started."""
        self._watched[name].child.kill()

    def close(self) -> None:
        """Ends the watching thread; call it after `stop`."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def wait(self, name: str, answers: Callable[[str], bool], timeout: float) -> None:
        """Returns when a child answers.

        Raises:
            ServiceError: It ended by itself before it ever answered, or did not answer within `timeout` seconds.
        """
        watched = self._watched[name]
        child = watched.child
        deadline = time.monotonic() + timeout
        while child.pid is None or not answers(name):
            code = child.exit_code()
            # One that answered before, or was killed (a negative code), comes back; one that gave up at its start
            # would give up again.
            if code is not None and not (self._revive and (watched.answered or code < 0)):
                raise ServiceError(f"{name} ended with {code}. Its last words:\n{child.last_words()}")
            if time.monotonic() > deadline:
                raise ServiceError(f"{name} did not answer within {timeout:g} s. Its last words:\n{child.last_words()}")
            time.sleep(0.05)
        watched.answered = True

    def _spawn(self, watched: _Watched) -> None:
        watched.child.start()
        watched.wanted, watched.started, watched.due = True, time.monotonic(), None

    def _watch(self) -> None:
        while not self._closed.wait(0.1):
            with self._lock:
                for watched in self._watched.values():
                    if watched.wanted and watched.child.exit_code() is not None:
                        self._revive_one(watched, time.monotonic())

    def _revive_one(self, watched: _Watched, now: float) -> None:
        if watched.due is None:
            code = watched.child.exit_code() or 0
            # One that was killed did not fail by itself; one that ends at once, again and again, is given time.
            steady = code < 0 or now - watched.started > _STEADY_AFTER
            watched.backoff = _MIN_BACKOFF if steady else min(watched.backoff * 2, _MAX_BACKOFF)
            watched.due = now + watched.backoff
            _log.warning("%s ended with %s; starting it again in %g s", watched.child.name, code, watched.backoff)
        if now >= watched.due:
            self._spawn(watched)
            threading.Thread(target=self._revived, args=(watched.child.name,), daemon=True).start()

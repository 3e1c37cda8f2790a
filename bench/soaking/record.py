"""What the callers keep count of together: answers, and the jobs that the engine has accepted."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})
_KEPT: Final = 20  # examples of server errors


@dataclass
class Record:
    """Counts and accepted jobs. Safe to share between threads.

    Attributes:
        statuses: Answers by status.
        refused: Calls without an answer while the engine was being killed.
        unanswered: Calls without an answer at any other time, with the error's name.
        server_errors: Of the answers with 5xx: what was asked, and the answer; the first few.
        outcomes: Jobs by how they were last seen.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    unanswered: Counter[str] = field(default_factory=Counter)
    server_errors: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    _jobs: dict[str, str] = field(default_factory=dict)  # path -> last status; models in order of their age
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note_answer(self, call: str, status: int, text: str) -> None:
        """Counts an answer."""
        with self._lock:
            self.statuses[status] += 1
            if status >= 500 and len(self.server_errors) < _KEPT:
                self.server_errors.append(f"{call}: {status} {text[:500]}")

    def note_silence(self, call: str, error: Exception, *, killing: bool) -> None:
        """Counts a call that got no answer."""
        with self._lock:
            if killing:
                self.refused += 1
            else:
                self.unanswered[f"{call}: {type(error).__name__}"] += 1

    def accept(self, path: str) -> None:
        """Remembers a job whose PUT was answered with 201."""
        with self._lock:
            self._jobs[path] = "notStarted"

    def see(self, path: str, status: str) -> None:
        """Remembers how a job was last seen."""
        with self._lock:
            if path in self._jobs:
                self._jobs[path] = status

    def forget(self, path: str) -> None:
        """Forgets a job before it is deleted; with a model go its evaluations.

        Before, because the engine may be killed between the deletion and its answer.
        """
        with self._lock:
            for one in [one for one in self._jobs if one == path or one.startswith(f"{path}/")]:
                self.outcomes[self._jobs.pop(one)] += 1

    def jobs(self) -> dict[str, str]:
        """Returns the accepted jobs that were not deleted, and how each was last seen."""
        with self._lock:
            return dict(self._jobs)

    def models(self, *, ended: bool | None = None) -> list[str]:
        """Returns the paths of models, the oldest first; of those that have (not) ended when asked so."""
        return [
            path
            for path, status in self.jobs().items()
            if "/evaluations/" not in path and (ended is None or (status in ENDED) is ended)
        ]

    @property
    def requests(self) -> int:
        """All answers."""
        return sum(self.statuses.values())

    @property
    def server_error_count(self) -> int:
        """Answers with 5xx."""
        return sum(count for status, count in self.statuses.items() if status >= 500)

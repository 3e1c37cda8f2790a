"""Child processes of the suite: each reads a JSON object a line and answers each with one."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parents[2]


class Asked:
    """One `python -m bench.serving.{module}`; used as a context, which ends it."""

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", f"bench.serving.{module}", *arguments]
        self._name = module
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def ask(self, **question: Any) -> dict[str, Any]:
        """Sends an object and returns the answer."""
        self.send(**question)
        return self.answer()

    def send(self, **question: Any) -> None:
        """Sends an object; `answer` fetches what comes back."""
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Waits for the next answer.

        Raises:
            SystemExit: The child ended instead; what it said is on standard error.
        """
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise SystemExit(f"bench.serving.{self._name} ended with {self._process.wait()}; see above for its reason")
        answer: dict[str, Any] = json.loads(line)
        return answer


def answer_questions(reply: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answers what the parent asks until it closes the pipe; for the child."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(reply(json.loads(line))) + "\n")
        sys.stdout.flush()

"""A job process as its parent sees it: started, listened to, ended in time."""

import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from engine.budget import Forecast
from engine.messages import JobLine, JobRequest, Progress
from engine.outcomes import Crashed, Outcome

# NumPy's results differ between thread counts, and a model must be reproducible. Read before NumPy is imported.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TICK = 5.0  # seconds
_ROOT = Path(__file__).resolve().parent.parent
_CHUNK = 65_536

_LINES: msgspec.json.Decoder[JobLine] = msgspec.json.Decoder(JobLine)

_log = logging.getLogger(__name__)


class JobProcess:
    """One `python -m engine.job`, in a session of its own so that a Ctrl-C is ours to handle.

    Used as a context: leaving it ends the process. Its standard input stays open as long as we live; when it closes,
    the process ends by itself.

    Args:
        seconds: After so long the process is killed.
        hour_seconds: Length of an hour of budget.
    """

    def __init__(self, *, seconds: float, hour_seconds: float) -> None:
        self._began = time.monotonic()
        self._seconds = seconds
        self._forecast = Forecast(seconds, hour_seconds)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "engine.job"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=_ROOT,
            env=_environment(),
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    @property
    def elapsed(self) -> float:
        """Seconds since the process was started."""
        return time.monotonic() - self._began

    def kill(self) -> None:
        """Ends the process and its workers now; harmless when they have ended."""
        # Until it is waited for, its number stands for nothing else, and it is also that of its group.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(
        self,
        request: JobRequest,
        *,
        on_progress: Callable[[Progress], None],
        on_tick: Callable[[float], None],
        may_give_up: bool,
    ) -> Outcome:
        """Sends the request, listens until the process has a result or ends, and says how it ended.

        Nobody waits for a process that has said its result: a thread of it may hang in a store that does not answer.

        Args:
            request: Sent through standard input.
            on_progress: Told what the process says.
            on_tick: Told every few seconds for how many the process has run.
            may_give_up: Whether to end it as soon as it is clear that its time cannot be enough.
        """
        short: Outcome | None = None
        self._send(request)
        for text in self._lines(on_tick):
            line = _decoded(text)
            if isinstance(line, Progress):
                self._forecast.note(line, self.elapsed)
                on_progress(line)
            elif line is not None:
                return line
            if short is None and may_give_up and self._forecast.is_hopeless(self.elapsed):
                short = self._forecast.out_of_time(early=True)
                self.kill()
        if short is None and self.elapsed >= self._seconds:
            short = self._forecast.out_of_time(early=False)
        if short is not None:
            return short
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self.kill()  # workers
        return Crashed(self._process.wait())

    def _lines(self, on_tick: Callable[[float], None]) -> Iterator[bytes]:
        """Yields what the process says, line by line, and kills it at its deadline."""
        if self._process.stdout is None:
            return
        handle, rest, ticks = self._process.stdout.fileno(), b"", 1
        listener = select.poll()  # select() cannot watch descriptors above 1023
        listener.register(handle, select.POLLIN)
        killed = False
        while True:
            until = TICK * ticks if killed else min(TICK * ticks, self._seconds)
            if listener.poll(max(0.0, until - self.elapsed) * 1000):
                chunk = os.read(handle, _CHUNK)
                if not chunk:
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
            if not killed and self.elapsed >= self._seconds:
                self.kill()
                killed = True
            if self.elapsed >= TICK * ticks:
                ticks += 1
                on_tick(self.elapsed)

    def _send(self, request: JobRequest) -> None:
        if self._process.stdin is None:
            return
        rest = memoryview(msgspec.json.encode(request) + b"\n")
        try:
            while rest:
                rest = rest[self._process.stdin.write(rest) or 0 :]
        except BrokenPipeError:
            _log.warning("A job process ended before it took its request.")  # wait() tells how


def _environment() -> dict[str, str]:
    """Ours without the engine's settings: a job needs no keys."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}
    return kept | ONE_THREAD


def _decoded(text: bytes) -> JobLine | None:
    try:
        return _LINES.decode(text)
    except msgspec.DecodeError:
        _log.warning("A job process said something that is not a job line (%d bytes).", len(text))
        return None

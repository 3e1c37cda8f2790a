"""A job process as its parent sees it: started, listened to, ended in time."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from engine.messages import Done, Failed, JobLine, JobRequest, Progress
from engine.outcomes import Crashed, Outcome, OutOfTime

# NumPy's results differ between thread counts, and a model must be reproducible. Read before NumPy is imported.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_EMBEDDING = "embed_training_pictures"
_ROOT = Path(__file__).resolve().parent.parent

_LINES: msgspec.json.Decoder[JobLine] = msgspec.json.Decoder(JobLine)

_log = logging.getLogger(__name__)


class JobProcess:
    """One `python -m engine.job`, in a session of its own so that a Ctrl-C is ours to handle.

    Used as a context: leaving it ends the process. Its standard input stays open as long as we live; when it closes,
    the process ends by itself.

    Args:
        request: Sent through standard input.
        seconds: After so long the process is killed.
    """

    def __init__(self, request: JobRequest, *, seconds: float) -> None:
        self._out_of_time = False
        self._share = 0.0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "engine.job"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            env=_environment(),
            start_new_session=True,
        )
        self._deadline = threading.Timer(seconds, self._end_of_time)
        self._deadline.daemon = True
        self._deadline.start()
        self._send(request)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadline.cancel()
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def kill(self) -> None:
        """Ends the process now; harmless when it has ended."""
        self._process.kill()

    def wait(self, on_progress: Callable[[Progress], None]) -> Outcome:
        """Listens until the process ends, and says how it ended; a result that was reported counts."""
        last: Done | Failed | None = None
        for text in self._process.stdout or ():
            line = _decoded(text)
            if isinstance(line, Progress):
                if line.stage == _EMBEDDING:
                    self._share = line.share
                on_progress(line)
            elif line is not None:
                last = line
        status = self._process.wait()
        if last is not None:
            return last
        return OutOfTime(self._share) if self._out_of_time else Crashed(status)

    def _send(self, request: JobRequest) -> None:
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            _log.warning("A job process ended before it took its request.")  # wait() tells how

    def _end_of_time(self) -> None:
        self._out_of_time = True
        self.kill()


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

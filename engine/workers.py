"""Worker processes of a job: started when there is enough to do for them, ended with it."""

import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import batched, islice
from pathlib import Path
from typing import Final, Self

import msgspec

from engine.access import shown
from engine.errors import JobError
from engine.executor import Executor
from engine.extractors import Extractor
from engine.processes import ONE_THREAD
from engine.walk import Address, PictureReader, Refused
from engine.worker import Outcomes, Setup, Shard

MOST_WORKERS: Final = 8  # each takes about 200 MB
WORTH_IT: Final = 256  # pictures; fewer are made before workers would have started
LARGEST_SHARD: Final = 64  # pictures
_SHARDS_EACH: Final = 8  # that each worker should get, so that all end at about the same time
_TRIES: Final = 2
_ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Crew:
    """The worker processes that a job may start.

    Attributes:
        setup: What each is told first.
        count: How many there are at most.
        worth_it: For how many pictures they are started.
    """

    setup: Setup
    count: int = field(default_factory=lambda: min(os.process_cpu_count() or 1, MOST_WORKERS))
    worth_it: int = WORTH_IT


class Workers:
    """Worker processes that make records of shards. Used as a context: leaving it ends them.

    Args:
        setup: What they are told first.
        count: How many at most.
    """

    def __init__(self, setup: Setup, count: int) -> None:
        self._count = count
        self._setup = setup
        self._lock = threading.Lock()
        self._ended = False
        self._running: list[_WorkerProcess] = []
        self._idle = queue.SimpleQueue[_WorkerProcess | None]()
        for _ in range(count):
            self._idle.put(None)  # a place; its process is started when there is work for it
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="worker")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ended = True
            running = list(self._running)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in running:
            worker.close()
        self._threads.shutdown()

    def run(self, shards: Sequence[Shard]) -> Iterator[Outcomes]:
        """Yields the outcomes of each shard, in order; few are worked on ahead of the one whose turn it is.

        Raises:
            JobError: A shard ended two processes.
        """
        waiting = iter(shards)
        tasks: deque[Future[Outcomes]] = deque()
        try:
            for _ in shards:
                ahead = islice(waiting, 2 * self._count - len(tasks))
                tasks.extend(self._threads.submit(self._do, shard) for shard in ahead)
                yield tasks.popleft().result()
        finally:
            for task in tasks:
                task.cancel()

    def _do(self, shard: Shard) -> Outcomes:
        worker = self._idle.get()
        try:
            for _ in range(_TRIES):
                worker = worker or self._start()
                answer = worker.ask(shard)
                if answer is not None:
                    return answer
                worker.close()
                worker = None
        finally:
            self._idle.put(worker)
        raise JobError(
            "unknown",
            f"Two processes that looked at the same {len(shard.pictures)} pictures, from {shown(shard.pictures[0][0])} "
            f"to {shown(shard.pictures[-1][0])}, ended without an answer. Give the engine more memory, or leave them "
            "out, and train again.",
        )

    def _start(self) -> "_WorkerProcess":
        with self._lock:
            if self._ended:
                raise JobError("unknown", "The job has ended.")  # nobody is there to hear it
            worker = _WorkerProcess(self._setup)
            self._running.append(worker)
            return worker


class _WorkerProcess:
    """One `python -m engine.worker`, in the job's process group; its standard input stays open as long as we live."""

    def __init__(self, setup: Setup) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "engine.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            env=dict(os.environ) | ONE_THREAD,
        )
        self._say(setup)

    def ask(self, shard: Shard) -> Outcomes | None:
        """Lets it work on a shard; None when it ended before it answered."""
        self._say(shard)
        line = self._process.stdout.readline() if self._process.stdout else b""
        return msgspec.json.decode(line, type=Outcomes) if line.endswith(b"\n") else None

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _say(self, line: Setup | Shard) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it has ended: the answer will not come either
                self._process.stdin.write(msgspec.json.encode(line) + b"\n")
                self._process.stdin.flush()


class Spread:
    """An executor that leaves many pictures to worker processes, and does few in this one.

    Args:
        crew: Does the many; ends when they are done, so that it takes no memory from what comes next.
        few: Does the few.
        extractor: What is made.
        pictures: How they are read.
    """

    def __init__(self, crew: Crew, few: Executor, extractor: Extractor, pictures: PictureReader) -> None:
        self._crew = crew
        self._few = few
        self._extractor = extractor
        self._pictures = pictures

    def run(self, addresses: Sequence[Address]) -> Generator[str | Refused]:
        """Yields the sha256 of each picture, or why it cannot be used; see `Executor`."""
        if self._crew.count == 1 or len(addresses) < self._crew.worth_it:
            return self._few.run(addresses)
        return self._spread(addresses)

    def _spread(self, addresses: Sequence[Address]) -> Generator[str | Refused]:
        access, sides = self._pictures.access, self._pictures.sides
        size = min(LARGEST_SHARD, -(-len(addresses) // (self._crew.count * _SHARDS_EACH)))
        shards = [
            Shard(
                backbone=self._extractor.digest,
                extractor=self._extractor.name,
                annotation_file_uris=tuple(str(uri) for uri in access.files),
                sas=access.sas,
                sides=(sides.least, sides.most),
                pictures=tuple((address.url, address.sha256, address.etag) for address in some),
            )
            for some in batched(addresses, size, strict=False)
        ]
        with Workers(self._crew.setup, self._crew.count) as workers:
            for answer in workers.run(shards):
                for outcome in answer.outcomes:
                    yield outcome if isinstance(outcome, str) else Refused(*outcome)

"""How much faster many changes come into the file by group commit than one by one.

The peer is the same code with one message a commit, called by eight writers at once, in two variants; the figure is
against the faster. With the lease that all share, they take turns: one writer drains the queue, a message a commit, and
the others find the lease taken, as functions would. With a lease for each, they really race, and If-Match decides; a
change that loses all its tries comes back half a minute later, so the peer's rate is the best it had from the middle
of its sample on.
"""

import json
import random
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from bench.cocofile.bounds import figure
from bench.cocofile.home import Home, Metered, say
from bench.cocofile.pictures import draw, path_of
from bench.report import Figure
from shared import look
from shared.changes import ChangeRecord, encode_change
from shared.cocofile import CocoFile
from shared.dataset import Datasets
from shared.errors import BlobChangedError
from shared.storage import BlobContainer, Queue, QueueMessage
from shared.storage.azure import AzureQueue

CHANGES = 2000
SAMPLE = 200  # of the peer, which is scaled per change
WRITERS = 8
PAUSE = 0.5  # seconds, after a writer found the lease taken; it hardly disturbs who has it
LABELS = 20


def measure(home: Home, rng: random.Random) -> tuple[list[Figure], dict[str, Any]]:  # noqa: ARG001 - as every case
    """Measure each variant on storage of its own."""
    grouped = _drain(home, CHANGES, writers=1, batch=None, own_locks=False)
    turns = _drain(home, SAMPLE, writers=WRITERS, batch=1, own_locks=False)
    races = _drain(home, SAMPLE, writers=WRITERS, batch=1, own_locks=True)
    per_change = {"group": grouped, "turns": turns, "races": races}
    say(f"intake, seconds a change: {json.dumps({name: round(of, 5) for name, of in per_change.items()})}")
    faster = min(("turns", "races"), key=per_change.__getitem__)
    unit = f"times the peer's rate ({WRITERS} writers, {faster}); {1 / per_change['group']:.0f} changes/s"
    slower = max(per_change["turns"], per_change["races"]) / per_change["group"]
    return [
        figure("intake_speedup", per_change[faster] / per_change["group"], unit),
        figure("intake_speedup_over_slower_peer", slower, "times the peer's rate"),
    ], {"seconds_per_change": per_change, "changes": CHANGES, "sample": SAMPLE, "writers": WRITERS}


def _drain(home: Home, changes: int, *, writers: int, batch: int | None, own_locks: bool) -> float:
    """Queue changes of real pictures and let the writers fold until none is left; return the seconds a change took."""
    training, queue = home.container(), _Watched(home.queue())
    shared = home.container()
    locks = [home.container() if own_locks else shared for _ in range(writers)]
    paths = [path_of(number % LABELS, number) for number in range(changes)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: _upload(training, queue, path), paths))
    callers = [_datasets(training, lock, queue, batch) for lock in locks]
    started = time.perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(lambda caller: _fold_until(caller, queue, changes), callers))
    _check(training, paths)
    ends = sorted(queue.ended.values())
    if batch is None:
        return (ends[-1] - started) / changes
    return min((end - started) / count for count, end in enumerate(ends, 1) if count >= changes // 2)


def _upload(training: BlobContainer, queue: Queue, path: str) -> None:
    """Do what a trigger does, but for the fold."""
    training.write(path, draw(path))
    seen = look.look(training, path)
    queue.send(encode_change(ChangeRecord(path=path, facts=seen.facts if seen else None)))


def _datasets(training: BlobContainer, locks: BlobContainer, queue: Queue, batch: int | None) -> Datasets:
    if batch is None:
        return Datasets(training=training, registry=locks, changes=queue)
    return Datasets(training=training, registry=locks, changes=queue, batch=batch)


class _Watched:
    """A queue that remembers when each message was done with.

    Attributes:
        ended: Id of a message → when it was first deleted.
    """

    def __init__(self, queue: AzureQueue) -> None:
        self.ended: dict[str, float] = {}
        self.send = queue.send
        self.receive = queue.receive
        self.is_empty = queue.is_empty
        self._queue = queue

    def delete(self, message: QueueMessage) -> None:
        """Delete a message."""
        self._queue.delete(message)
        self.ended.setdefault(message.id, time.perf_counter())


def _fold_until(caller: Datasets, queue: _Watched, changes: int) -> None:
    while len(queue.ended) < changes:
        with suppress(BlobChangedError):  # lost too many races: the message comes back
            if not caller.fold():
                time.sleep(PAUSE)


def _check(training: Metered, paths: Iterable[str]) -> None:
    live = CocoFile(training, "parts").read()
    found = [image.file_name for run in live.records() for image in run.images] if live else []
    if found != sorted(paths):
        raise SystemExit(f"the file has {len(found)} pictures, not those that were uploaded")

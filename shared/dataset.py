"""Keeps each dataset's COCO file equal to what lies in storage: notices changes, folds them (design §3 hops 2, 3)."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import batched
from typing import Final

from shared import layout, look, telemetry
from shared.blocks import LeafSizes
from shared.changes import ChangeBatch, ChangeRecord, encode_change
from shared.coco import Seen
from shared.cocofile import SIZES, CocoFile
from shared.errors import BlobChangedError, BlobRefusedError, DarkroomError
from shared.layout import MisplacedPath, PicturePath
from shared.misplaced import MisplacedBlobs
from shared.pictures import Facts
from shared.registry import Registry
from shared.storage import BlobContainer, Lease, Queue, QueueMessage

LOCK: Final = "fold.lock"
LEASE: Final = timedelta(seconds=30)
HIDDEN: Final = timedelta(seconds=30)  # how soon a killed fold's messages come back
BATCH: Final = 256
LONGEST: Final = timedelta(minutes=2)  # then the next timer goes on, so that no invocation runs into its time-out
LONGEST_BESIDE: Final = timedelta(seconds=10)  # beside paths that were given: whoever gave them has more to do
RENEW_AFTER: Final = 32  # look-ups
CALLS_AT_ONCE: Final = 8
TURN: Final = 0.2  # seconds between two tries to get the lease

_log = logging.getLogger("darkroom.dataset")


class Datasets:
    """Pictures and labels in, COCO files out; for all datasets of one training container."""

    def __init__(
        self,
        *,
        training: BlobContainer,
        registry: BlobContainer,
        changes: Queue,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        batch: int = BATCH,
        sizes: LeafSizes = SIZES,
    ) -> None:
        self._sizes = sizes
        self._clock = clock
        self._wait = wait
        self._batch = batch
        self._training = training
        self._locks = registry
        self._registry = Registry(registry)
        self._misplaced = MisplacedBlobs(registry)
        self._changes = changes

    def notice(self, path: str) -> None:
        """Look at a blob that was written, put what it is into the queue, and fold (hops 2 and 3)."""
        facts = None
        if isinstance(layout.parse_picture_path(path), PicturePath) and not look.is_label_file(path):
            seen = look.look(self._training, path)
            facts = seen.facts if seen else None
        self._enqueue(path, facts)
        self._drain()

    def forget(self, path: str) -> None:
        """Note that a blob may be gone, and fold."""
        self._enqueue(path, None)
        self._drain()

    def fold(self) -> int:
        """Drain the queue into the COCO files, if nobody else is at it; return how many messages were folded.

        Raises:
            DarkroomError: A dataset could not be folded; its changes stay in the queue, others were folded.
        """
        folded, failures = self._drain()
        if failures:
            raise failures[0]
        return folded

    def fold_paths(self, paths: Sequence[str]) -> Mapping[str, DarkroomError]:
        """Look at some paths and fold them, taking turns with whoever folds the queue.

        Returns:
            Path → error of those that storage refuses; the others were folded.

        Raises:
            DarkroomError: A dataset could not be folded.
        """
        give_up_at = self._clock() + 2 * LEASE.total_seconds()
        while (lease := self._locks.lease(LOCK, LEASE)) is None:
            if self._clock() >= give_up_at:  # somebody folds without a pause: let them take these too
                self._hint(paths)
                return {}
            self._wait(TURN)
        refused: dict[str, DarkroomError] = {}
        try:
            groups: dict[str | None, list[ChangeRecord]] = defaultdict(list)
            for path in paths:
                where = layout.parse_picture_path(path)
                groups[where.dataset if isinstance(where, PicturePath) else None].append(ChangeRecord(path=path))
            for dataset, records in groups.items():
                refused |= self._commit(dataset, records, lease)
            if not lease.renew():
                self._hint(paths)
        finally:
            lease.release()
        self._drain(LONGEST_BESIDE)
        return refused

    def _drain(self, longest: timedelta = LONGEST) -> tuple[int, list[DarkroomError]]:
        """Fold what is in the queue; return how many messages were, and what failed.

        Group commit: whoever has the lease commits for all. Files are committed before messages are deleted, so a crash
        repeats work and loses none. What fails is not the business of whoever uploaded to another dataset: `fold`,
        which the timer calls, raises it.
        """
        folded, failures = 0, list[DarkroomError]()
        give_up_at = self._clock() + longest.total_seconds()
        while self._clock() < give_up_at and (lease := self._locks.lease(LOCK, LEASE)) is not None:
            try:
                while self._clock() < give_up_at:
                    messages = self._changes.receive(self._batch, hidden_for=HIDDEN)
                    if not messages:
                        break
                    batch = ChangeBatch(messages)
                    failures += self._commit_batch(batch, lease)
                    if not lease.renew():
                        # Somebody else may have folded the same paths meanwhile from a newer look, found nothing to
                        # write and deleted their messages; what we committed then is old. Have it all looked up again.
                        self._hint({record.path for records in batch.groups.values() for record in records})
                        return folded, failures
                    self._delete(batch.finished)
                    folded += len(batch.finished)
            finally:
                lease.release()
            # A change that came between our last look and the release has no other folder: look once more.
            if self._changes.is_empty():
                break
        return folded, failures

    def _commit_batch(self, batch: ChangeBatch, lease: Lease) -> list[DarkroomError]:
        failures: list[DarkroomError] = []
        for dataset, records in batch.groups.items():
            try:
                refused = self._commit(dataset, records, lease)
            except DarkroomError as error:
                _log.exception("changes of dataset '%s' stay in the queue", dataset)
                failures.append(error)
                batch.keep(dataset)
            else:
                failures += refused.values()
                batch.keep(dataset, refused.keys())
        return failures

    def _hint(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._enqueue(path, None)

    def _enqueue(self, path: str, facts: Facts | None) -> None:
        record = ChangeRecord(path=path, facts=facts, traceparent=telemetry.current_traceparent())
        self._changes.send(encode_change(record))

    def _delete(self, messages: Sequence[QueueMessage]) -> None:
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            list(pool.map(self._changes.delete, messages))

    def _commit(
        self, dataset: str | None, records: Sequence[ChangeRecord], lease: Lease
    ) -> Mapping[str, DarkroomError]:
        """Fold some paths of a dataset; return those that storage refuses, each with its error."""
        if dataset is None:
            misplaced, refused = self._look_up(records, lease, lambda path, _: self._misplaced_now(path))
            self._misplaced.update(misplaced)
            return refused
        traces = tuple(dict.fromkeys(record.traceparent for record in records if record.traceparent))
        attributes: dict[str, telemetry.Attribute] = {telemetry.DATASET: dataset, telemetry.CHANGES: len(records)}
        with telemetry.span("fold", parent=traces[0] if traces else None, links=traces[1:], attributes=attributes):
            seen, refused = self._look_up(records, lease, self._current)
            if any(found is not None for found in seen.values()):
                self._registry.ensure(dataset)
            file = CocoFile(self._training, dataset, sizes=self._sizes)
            file.fold(seen, traceparent=telemetry.current_traceparent())
        return refused

    def _look_up[T](
        self, records: Iterable[ChangeRecord], lease: Lease, look_at: Callable[[str, Sequence[Facts]], T]
    ) -> tuple[dict[str, T], dict[str, DarkroomError]]:
        """Find out what lies at each path now, and which of them storage refuses: that is no other path's fault."""
        hints: dict[str, list[Facts]] = defaultdict(list)
        for record in records:
            hints[record.path].extend([record.facts] if record.facts else [])

        def tried(path: str) -> T | BlobRefusedError | BlobChangedError:
            try:
                return look_at(path, hints[path])
            except (BlobRefusedError, BlobChangedError) as error:
                _log.error("'%s' is left as it was: %s", path, error)
                return error

        seen: dict[str, T] = {}
        refused: dict[str, DarkroomError] = {}
        with ThreadPoolExecutor(CALLS_AT_ONCE) as readers:
            for some in batched(hints, RENEW_AFTER, strict=False):
                for path, found in zip(some, readers.map(tried, some), strict=True):
                    if isinstance(found, BlobRefusedError | BlobChangedError):
                        refused[path] = found
                    else:
                        seen[path] = found
                lease.renew()
        return seen, refused

    def _current(self, path: str, hints: Sequence[Facts]) -> Seen | None:
        """Return what lies at a path now; a record's facts are used only while the ETag is theirs."""
        if not hints:
            return look.look(self._training, path)
        now = self._training.properties(path)
        if now is None:
            return None
        known = next((facts for facts in hints if facts.etag == now.etag), None)
        return look.picture(path, known) if known else look.look(self._training, path)

    def _misplaced_now(self, path: str) -> tuple[str, str] | None:
        now = self._training.properties(path)
        where = layout.parse_picture_path(path)
        if now is None or layout.is_no_upload(path) or not isinstance(where, MisplacedPath):
            return None
        return now.etag, where.reason

"""Keeps each dataset's COCO file equal to what lies in storage: notices changes, folds them, reconciles (design §3)."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import batched
from typing import Final

from shared import layout, limits, telemetry
from shared.changes import ChangeBatch, ChangeRecord, encode_change
from shared.coco import Entry
from shared.cocofile import CocoFile
from shared.errors import BlobNotFoundError, BlobTooLargeError, BrokenFileError
from shared.layout import MisplacedPath, PicturePath
from shared.misplaced import MisplacedBlobs
from shared.pictures import Facts, inspect
from shared.registry import Registry
from shared.rounds import for_each
from shared.storage import BlobContainer, Lease, Queue, QueueMessage

LOCK: Final = "fold.lock"
LEASE: Final = timedelta(seconds=30)
HIDDEN: Final = timedelta(seconds=30)  # how soon a killed fold's messages come back
BATCH: Final = 256
LONGEST: Final = timedelta(minutes=2)  # then the next timer goes on, so that no invocation runs into its time-out
RENEW_AFTER: Final = 32  # look-ups
CALLS_AT_ONCE: Final = 8

_log = logging.getLogger("darkroom.dataset")


@dataclass(frozen=True, slots=True)
class Drift:
    """What `reconcile` found that no event had told.

    Attributes:
        missing: In the container, not in the file.
        changed: In both, but replaced since.
        vanished: In the file, not in the container.
    """

    missing: int = 0
    changed: int = 0
    vanished: int = 0


class Datasets:
    """Pictures in, COCO files out; for all datasets of one training container."""

    def __init__(
        self,
        *,
        training: BlobContainer,
        registry: BlobContainer,
        changes: Queue,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._training = training
        self._locks = registry
        self._registry = Registry(registry)
        self._misplaced = MisplacedBlobs(registry)
        self._changes = changes

    def notice(self, path: str) -> None:
        """Look at a blob that was written, put what it is into the queue, and fold (hops 2 and 3)."""
        facts = self._look(path) if isinstance(layout.parse_picture_path(path), PicturePath) else None
        self._enqueue(path, facts)
        self._drain()

    def forget(self, path: str) -> None:
        """Note that a blob may be gone, and fold."""
        self._enqueue(path, None)
        self._drain()

    def forget_subject(self, subject: str) -> None:
        """Note that the blob an Event Grid subject names may be gone; other containers' blobs are none of ours."""
        path = layout.path_of_subject(subject, self._training.name)
        if path is not None:
            self.forget(path)

    def fold(self) -> int:
        """Drain the queue into the COCO files, if nobody else is at it; return how many messages were folded.

        Raises:
            BrokenFileError: A dataset's file cannot be read; its changes stay in the queue, others were folded.
        """
        folded, broken = self._drain()
        if broken:
            raise broken[0]
        return folded

    def reconcile(self) -> dict[str, Drift]:
        """Compare the container's listing with the files and fold what no event told.

        Returns:
            What was found, per dataset. When all agree, nothing is written.

        Raises:
            BrokenFileError: A dataset's file cannot be read; the others were reconciled.
        """
        folders = sorted({*self._training.folders(), *self._registry.datasets()})
        try:
            return for_each(folders, self._compare)
        finally:
            self._drain()

    def _drain(self) -> tuple[int, list[BrokenFileError]]:
        """Fold what is in the queue; return how many messages were, and which files were broken.

        Group commit: whoever has the lease commits for all. Files are committed before messages are deleted, so a crash
        repeats work and loses none. A broken file is not the business of whoever uploaded to another dataset: `fold`,
        which the timer calls, raises it.
        """
        folded, broken = 0, list[BrokenFileError]()
        give_up_at = self._clock() + LONGEST.total_seconds()
        while self._clock() < give_up_at and (lease := self._locks.lease(LOCK, LEASE)) is not None:
            try:
                while self._clock() < give_up_at and (messages := self._changes.receive(BATCH, hidden_for=HIDDEN)):
                    batch = ChangeBatch(messages)
                    broken += self._commit_batch(batch, lease)
                    if not lease.renew():
                        self._look_again(batch)
                        return folded, broken
                    self._delete(batch.finished)
                    folded += len(batch.finished)
            finally:
                lease.release()
            # A change that came between our last look and the release has no other folder: look once more.
            if self._changes.is_empty():
                break
        return folded, broken

    def _commit_batch(self, batch: ChangeBatch, lease: Lease) -> list[BrokenFileError]:
        broken: list[BrokenFileError] = []
        for dataset, records in batch.groups.items():
            try:
                self._commit(dataset, records, lease)
            except BrokenFileError as error:
                _log.exception("changes of dataset '%s' stay in the queue", dataset)
                broken.append(error)
                batch.keep(dataset)
        return broken

    def _look_again(self, batch: ChangeBatch) -> None:
        """Leave fresh hints after the lease was lost.

        Somebody else may have folded the same paths meanwhile from a newer look, found nothing to write and deleted
        their messages; what we committed then is old. The next fold looks all of it up again.
        """
        for path in {record.path for records in batch.groups.values() for record in records}:
            self._enqueue(path, None)

    def _compare(self, folder: str) -> Drift:
        """Enqueue every path of a folder on which the listing and the files disagree."""
        misplaced = {p: etag for p, (etag, _) in self._misplaced.all().items() if p.startswith(f"{folder}/")}
        known = misplaced
        if layout.is_dataset_name(folder):
            known = {**CocoFile(self._training, folder).etags(), **misplaced}
        listing = self._training.list(f"{folder}/")
        found = {entry.path: entry.etag for entry in listing if not layout.is_no_upload(entry.path)}
        missing, vanished = found.keys() - known.keys(), known.keys() - found.keys()
        changed = {path for path in found.keys() & known.keys() if found[path] != known[path]}
        for path in sorted(missing | changed | vanished):
            self._enqueue(path, None)
        return Drift(len(missing), len(changed), len(vanished))

    def _enqueue(self, path: str, facts: Facts | None) -> None:
        record = ChangeRecord(path=path, facts=facts, traceparent=telemetry.current_traceparent())
        self._changes.send(encode_change(record))

    def _delete(self, messages: Sequence[QueueMessage]) -> None:
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            list(pool.map(self._changes.delete, messages))

    def _commit(self, dataset: str | None, records: Sequence[ChangeRecord], lease: Lease) -> None:
        if dataset is None:
            self._misplaced.update({record.path: self._misplaced_now(record.path) for record in records})
            return
        traces = tuple(dict.fromkeys(record.traceparent for record in records if record.traceparent))
        attributes: dict[str, telemetry.Attribute] = {telemetry.DATASET: dataset, telemetry.CHANGES: len(records)}
        with telemetry.span("fold", parent=traces[0] if traces else None, links=traces[1:], attributes=attributes):
            seen = self._look_up(records, lease)
            if any(entry is not None for entry in seen.values()):
                self._registry.ensure(dataset)
            file = CocoFile(self._training, dataset)
            file.fold(seen, traceparent=telemetry.current_traceparent())

    def _look_up(self, records: Iterable[ChangeRecord], lease: Lease) -> Mapping[str, Entry | None]:
        """Find out what lies at each path now; a record's facts are used only while the ETag is theirs."""
        hints: dict[str, list[Facts]] = defaultdict(list)
        for record in records:
            hints[record.path].extend([record.facts] if record.facts else [])
        seen: dict[str, Entry | None] = {}
        with ThreadPoolExecutor(CALLS_AT_ONCE) as readers:
            for some in batched(hints, RENEW_AFTER, strict=False):
                found = readers.map(self._current, some, [hints[path] for path in some])
                seen.update({path: _entry(path, facts) for path, facts in zip(some, found, strict=True)})
                lease.renew()
        return seen

    def _current(self, path: str, hints: Sequence[Facts]) -> Facts | None:
        now = self._training.properties(path)
        if now is None:
            return None
        return next((facts for facts in hints if facts.etag == now.etag), None) or self._look(path)

    def _look(self, path: str) -> Facts | None:
        """Read a blob once, whole, and say what it is; None when it is gone."""
        try:
            blob = self._training.read(path, max_bytes=limits.TRAINING_BYTES)
        except BlobNotFoundError:
            return None
        except BlobTooLargeError as error:
            megabytes = limits.TRAINING_BYTES // 2**20
            return Facts(etag=error.etag, problem=f"{error.size:,} bytes; training takes at most {megabytes} MB")
        if path.lower().endswith(layout.SIDE_CAR_SUFFIXES):
            problem = "annotation side-cars are not read by this version; the folder gives the label"
            return Facts(etag=blob.properties.etag, problem=problem)
        return inspect(blob.data, etag=blob.properties.etag)

    def _misplaced_now(self, path: str) -> tuple[str, str] | None:
        now = self._training.properties(path)
        where = layout.parse_picture_path(path)
        return (now.etag, where.reason) if now is not None and isinstance(where, MisplacedPath) else None


def _entry(path: str, facts: Facts | None) -> Entry | None:
    """Join what the bytes are with the label that the path gives."""
    where = layout.parse_picture_path(path)
    if facts is None or isinstance(where, MisplacedPath):
        return None
    label = where.label
    if label is None or facts.problem is not None:
        return Entry(facts, ())
    if not label or len(label) > limits.LABEL_CHARACTERS or not label.isprintable():
        problem = f"the folder {label!r} cannot be a label: 1 to {limits.LABEL_CHARACTERS} printable characters, please"
        return Entry(Facts(etag=facts.etag, sha256=facts.sha256, problem=problem), ())
    return Entry(facts, (label,))

"""Applies the files in ``{dataset}/annotations/``: COCO files of any dialect, and class lists (design §2).

A file may name a million pictures, so it is applied in batches, and what was applied is noted: an invocation that runs
out of time, or is killed, is gone on with by the next. Applying a batch twice changes nothing.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import batched, islice
from typing import Final, Literal

import msgspec

from shared import layout, limits, telemetry
from shared.blocks import LeafSizes
from shared.coco import Seen
from shared.cocofile import SIZES, CocoFile
from shared.errors import BlobArchivedError, BlobNotFoundError, BlobTooLargeError
from shared.formats import Labelling, Parsed
from shared.formats.classlist import parse_class_list
from shared.formats.coco import parse_coco
from shared.layout import is_class_list
from shared.look import claim_of
from shared.matching import match_pictures
from shared.registry import Registry
from shared.rounds import for_each
from shared.storage import BlobContainer, Lease
from shared.storage.documents import change_document, read_document

LOCK: Final = "imports.lock"
LEASE: Final = timedelta(seconds=60)
LONGEST: Final = timedelta(minutes=1)  # then `run` goes on at the next timer, so that no invocation times out
APPLIED_AT_ONCE: Final = 2000
MOST_FINDINGS: Final = 20  # of a file, that are kept one by one

type State = Literal["pending", "applied", "removed"]


class ImportedFile(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file.

    Attributes:
        etag: The version that is or will be applied.
        state: Where it is.
        position: How many of its pictures were applied, in the order of their paths.
        pictures: How many pictures it speaks of.
        missing: How many of them are not there yet.
        loose: How many were found by a part of their path, or may be one of several.
        changes: The dataset's count of changes when its pictures were looked for.
        findings: The first things in it that cannot be used.
        finding_count: How many there are.
    """

    etag: str
    state: State = "pending"
    position: int = 0
    pictures: int = 0
    missing: int = 0
    loose: int = 0
    changes: int = 0
    findings: tuple[str, ...] = ()
    finding_count: int = 0


class ImportedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Path → what became of the file."""

    files: dict[str, ImportedFile] = {}
    schema: int = 1


class Imports:
    """The imported files of all datasets."""

    def __init__(
        self,
        *,
        training: BlobContainer,
        registry: BlobContainer,
        clock: Callable[[], float] = time.monotonic,
        batch: int = APPLIED_AT_ONCE,
        sizes: LeafSizes = SIZES,
    ) -> None:
        self._sizes = sizes
        self._training = training
        self._blobs = registry
        self._registry = Registry(registry)
        self._clock = clock
        self._batch = batch

    def notice(self, path: str) -> None:
        """Note that a file in ``annotations/`` was written or deleted, and apply it."""
        if not layout.is_import(path):
            return
        dataset = path.partition("/")[0]
        now = self._training.properties(path)
        self._mark(dataset, {path: now.etag if now else None})
        self.run()

    def compare(self, folder: str, listed: Mapping[str, str], *, after: str, end: str) -> None:
        """Note what a listing of the paths in (after, end] says of imported files; `run` applies it."""
        if not layout.is_dataset_name(folder):
            return
        now: dict[str, str | None] = {path: etag for path, etag in listed.items() if layout.is_import(path)}
        for path in self.of(folder):
            if after < path <= end:
                now.setdefault(path, None)
        if now:
            self._mark(folder, now)

    def of(self, dataset: str) -> dict[str, ImportedFile]:
        """Return path → what became of the file."""
        found = read_document(self._blobs, _path(dataset), ImportedFiles)
        return _files_in(found[0] if found else None)

    def run(self) -> None:
        """Apply what is pending, for every dataset, unless somebody else is at it.

        Raises:
            DarkroomError: The first failure, after all datasets had their turn.
        """
        lease = self._blobs.lease(LOCK, LEASE)
        if lease is None:
            return
        give_up_at = self._clock() + LONGEST.total_seconds()
        try:
            for_each(self._registry.datasets(), lambda dataset: self._apply_all(dataset, lease, give_up_at))
        finally:
            lease.release()

    def retry_missing(self, *, quiet_since: datetime) -> None:
        """Apply again what named pictures that were not there, or not by their path, where pictures have come or gone.

        Args:
            quiet_since: Datasets that changed after this are left alone: more may be coming.

        Raises:
            DarkroomError: The first failure, after all datasets had their turn.
        """
        for_each(self._registry.datasets(), lambda dataset: self._retry(dataset, quiet_since))

    def _retry(self, dataset: str, quiet_since: datetime) -> None:
        files = self.of(dataset).items()
        applied = {path: file for path, file in files if file.state == "applied" and not is_class_list(path)}
        live = CocoFile(self._training, dataset).read() if applied else None
        if live is None or live.last_modified > quiet_since:
            return
        old = {path: file for path, file in applied.items() if file.changes != live.head.info.changes}
        again = {path for path, file in old.items() if file.missing or file.loose}
        if old.keys() - again and live.head.info.totals.orphans:  # pictures that were found may have gone
            again |= old.keys() & {claim.source for claim in live.claims() if claim.note}
        if again:
            self._update(dataset, {path: ImportedFile(etag=old[path].etag) for path in sorted(again)})

    def _apply_all(self, dataset: str, lease: Lease, give_up_at: float) -> None:
        for path, file in self.of(dataset).items():
            if file.state != "applied" and self._clock() < give_up_at and lease.renew():
                with telemetry.span("import", attributes={telemetry.DATASET: dataset}):
                    self._apply(dataset, path, file, lease, give_up_at)
                if not lease.renew():
                    # Somebody else may have applied a newer version meanwhile; what we committed then is old.
                    self._begin_anew(dataset, path)
                    return

    def _begin_anew(self, dataset: str, path: str) -> None:
        now = self._training.properties(path)
        self._update(dataset, {path: ImportedFile(etag=now.etag if now else "")})

    def _apply(self, dataset: str, path: str, file: ImportedFile, lease: Lease, give_up_at: float) -> None:
        live = CocoFile(self._training, dataset, sizes=self._sizes)
        try:
            blob = self._training.read(path, max_bytes=limits.IMPORT_BYTES)
        except BlobNotFoundError:
            live.fold({path: None})
            live.drop_imports(path)
            self._update(dataset, {path: None}, over=file)
            return
        except (BlobTooLargeError, BlobArchivedError) as error:
            reason = "it is in the archive tier, where nothing can read it. Delete it, and upload it again."
            if isinstance(error, BlobTooLargeError):
                reason = f"{error.size:,} bytes; a file may have {limits.IMPORT_BYTES // 2**20} MB. Split it."
            refused = ImportedFile(etag=error.etag, state="applied", findings=(reason,), finding_count=1)
            self._update(dataset, {path: refused}, over=file)
            return
        etag = blob.properties.etag
        begun = file if file.etag == etag else ImportedFile(etag=etag)
        parsed = _parse(path, blob.data)
        if is_class_list(path):
            live.fold({path: Seen(etag=etag, names=parsed.labels or None)})
            self._update(dataset, {path: _told(begun, parsed, [])}, over=file)
            return
        if begun.position == 0:
            begun = msgspec.structs.replace(begun, changes=self._changes(dataset))
        said, unsaid = _said_in(parsed)
        matches = match_pictures(said, self._pictures(dataset), dataset)
        claims = (
            claim_of(matches.found[picture], path=picture, etag=etag, source=path) for picture in sorted(matches.found)
        )
        position = begun.position
        for batch in batched(islice(claims, position, None), self._batch, strict=False):
            started = position > begun.position  # one batch at least: reading the file may have taken all the time
            if (started and self._clock() >= give_up_at) or not lease.renew():
                pending = msgspec.structs.replace(begun, position=position, pictures=len(matches.found))
                self._update(dataset, {path: pending}, over=file)
                return
            live.put_imports(batch, traceparent=telemetry.current_traceparent())
            position += len(batch)
        live.drop_imports(path, but=etag, kept=matches.found)
        done = msgspec.structs.replace(
            _told(begun, parsed, [*unsaid, *(str(finding) for finding in matches.findings)]),
            position=position,
            pictures=len(matches.found),
            missing=matches.missing,
            loose=matches.loose,
        )
        self._update(dataset, {path: done}, over=file)

    def _changes(self, dataset: str) -> int:
        live = CocoFile(self._training, dataset).read()
        return live.head.info.changes if live else 0

    def _pictures(self, dataset: str) -> Iterator[str]:
        """Give the paths of all pictures of the dataset.

        Raises:
            BlobChangedError: The COCO file was changed meanwhile; the next timer tries again.
        """
        live = CocoFile(self._training, dataset).read()
        for records in live.records() if live else ():
            yield from (image.file_name for image in records.images)

    def _mark(self, dataset: str, now: Mapping[str, str | None]) -> None:
        """Note versions (None: deleted) that are to be applied; what was applied in that version stays."""
        before = self.of(dataset)
        wanted: dict[str, ImportedFile | None] = {}
        for path, etag in now.items():
            known = before.get(path)
            if etag is None and known is not None and known.state != "removed":
                wanted[path] = msgspec.structs.replace(known, state="removed")
            elif etag is not None and (known is None or known.etag != etag or known.state == "removed"):
                wanted[path] = ImportedFile(etag=etag)
        if wanted:
            self._registry.ensure(dataset)
            self._update(dataset, wanted)

    def _update(
        self, dataset: str, wanted: Mapping[str, ImportedFile | None], *, over: ImportedFile | None = None
    ) -> None:
        """Write down what became of files (None: forget it), unless a file is no longer what it was (`over`)."""

        def put(found: ImportedFiles | None) -> ImportedFiles:
            files = _files_in(found)
            for path, file in wanted.items():
                if over is not None and files.get(path) != over:
                    continue  # it was replaced or deleted meanwhile, and is pending again
                if file is None:
                    files.pop(path, None)
                else:
                    files[path] = file
            return ImportedFiles(files=files)

        change_document(self._blobs, _path(dataset), ImportedFiles, put)


def _files_in(found: ImportedFiles | None) -> dict[str, ImportedFile]:
    """Return path → what became of the file; once, each file of the folder was noted, be it an import or not."""
    return {path: file for path, file in found.files.items() if layout.is_import(path)} if found else {}


def _parse(path: str, data: bytes) -> Parsed:
    if is_class_list(path):
        return parse_class_list(data, path.rpartition("/")[2])
    return parse_coco(data)


def _said_in(parsed: Parsed) -> tuple[list[Labelling], list[str]]:
    """Return what a file says of pictures, and what to tell of those of which it says nothing.

    In a file of boxes a picture without any shows nothing, which is worth knowing. In one of plain labels it was not
    labelled yet (Custom Vision exports such, contract §7), and keeps the labels that it has from elsewhere.
    """
    if any(region.box for labelling in parsed.labellings for region in labelling.regions):
        return list(parsed.labellings), []
    said = [labelling for labelling in parsed.labellings if labelling.regions]
    count = len(parsed.labellings) - len(said)
    return said, [f"{count} of its pictures have no label; nothing is said of them. Label them."] if count else []


def _told(file: ImportedFile, parsed: Parsed, more: list[str]) -> ImportedFile:
    findings = [str(finding) for finding in parsed.findings] + more
    return msgspec.structs.replace(
        file, state="applied", findings=tuple(findings[:MOST_FINDINGS]), finding_count=len(findings)
    )


def _path(dataset: str) -> str:
    return f"{dataset}/imports.json"

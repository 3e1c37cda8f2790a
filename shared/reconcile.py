"""Compares what lies in storage with the COCO files, and folds what no event told (design §3).

A dataset's listing and its file are both in the order of paths, so they are merged page by page in bounded memory. It
is also how a container that was there before Darkroom is taken in: a pass that does not end in time leaves a note of
how far it came, and `resume` goes on there. On datasets that agree nothing is written.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched, count, islice
from typing import Final, Literal

import msgspec

from shared import layout
from shared.coco import Records
from shared.cocofile import CocoFile
from shared.dataset import Datasets
from shared.errors import BlobChangedError, DarkroomError
from shared.imports import Imports
from shared.misplaced import MOST, MisplacedBlobs
from shared.registry import Registry
from shared.rounds import for_each
from shared.storage import BlobContainer, Lease, Page
from shared.storage.documents import MOST_TRIES, read_document, try_write_document

LOCK: Final = "reconcile.lock"
LEASE: Final = timedelta(seconds=60)
LONGEST: Final = timedelta(minutes=3)  # then `resume` goes on at the next timer, so that no invocation times out
LONGEST_RESUMED: Final = timedelta(minutes=1)  # beside what else that timer does
FOLDED_AT_ONCE: Final = 256
PAGE: Final = 5000
END: Final = "\U0010ffff"

type Drift = Literal["missing", "changed", "vanished"]

_log = logging.getLogger("darkroom.reconcile")


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison of a dataset, done or under way.

    Attributes:
        started_at: When it began.
        compared: Blobs that were looked at in the listing.
        missing: In the container, not in the file.
        changed: In both, but replaced since, or with other metadata.
        vanished: In the file, not in the container.
        token: Where the listing goes on; None at its beginning.
        after: The last path that was compared.
        folded: Of the page that follows, the last path that was folded; empty when none was.
        done: Whether it came to the end.
        schema: Version of this record.
    """

    started_at: datetime
    compared: int = 0
    missing: int = 0
    changed: int = 0
    vanished: int = 0
    token: str | None = None
    after: str = ""
    folded: str = ""
    done: bool = False
    schema: int = 1

    @property
    def drift(self) -> int:
        """How much it found."""
        return self.missing + self.changed + self.vanished


class Reconciliation:
    """Compares all datasets of one training container."""

    def __init__(
        self,
        *,
        training: BlobContainer,
        registry: BlobContainer,
        datasets: Datasets,
        imports: Imports,
        clock: Callable[[], float] = time.monotonic,
        page: int = PAGE,
    ) -> None:
        self._training = training
        self._blobs = registry
        self._registry = Registry(registry)
        self._misplaced = MisplacedBlobs(registry)
        self._datasets = datasets
        self._imports = imports
        self._clock = clock
        self._page = page

    def run(self, *, now: datetime) -> dict[str, Pass]:
        """Compare every dataset, from where an unfinished pass stands, or from the beginning.

        Returns:
            What was found, per top-level folder; empty when somebody else compares.

        Raises:
            DarkroomError: The first failure, after all datasets had their turn.
        """
        folders = sorted({*self._training.folders(), *self._registry.datasets()})
        try:
            return self._each(folders, now, LONGEST)
        finally:
            self._compare_loose()

    def resume(self, *, now: datetime) -> dict[str, Pass]:
        """Go on with passes that did not come to their end; see `run`."""
        folders = [name for name in self._registry.datasets() if (kept := self.last(name)) and not kept.done]
        return self._each(folders, now, LONGEST_RESUMED) if folders else {}

    def last(self, dataset: str) -> Pass | None:
        """Return the pass under way, or the last that found something."""
        found = read_document(self._blobs, _path(dataset), Pass)
        return found[0] if found else None

    def _each(self, folders: list[str], now: datetime, longest: timedelta) -> dict[str, Pass]:
        lease = self._blobs.lease(LOCK, LEASE)
        if lease is None:
            return {}
        give_up_at = self._clock() + longest.total_seconds()
        try:
            return for_each(folders, lambda folder: self._compare(folder, lease, give_up_at, now))
        finally:
            lease.release()

    def _compare_loose(self) -> None:
        """Record what lies in no folder, which no event tells of; as much of it as is remembered."""
        told = {path: etag for path, (etag, _) in self._misplaced.all().items() if "/" not in path}
        listed = {blob.path: blob.etag for blob in islice(self._training.loose(), MOST)}
        differing = {path for path, _ in told.items() ^ listed.items()}
        if differing:
            self._datasets.fold_paths(sorted(differing))

    def _compare(self, folder: str, lease: Lease, give_up_at: float, now: datetime) -> Pass:
        """Merge a folder's listing with its file, page by page."""
        found = read_document(self._blobs, _path(folder), Pass)
        kept, etag = found or (None, None)
        state = kept if kept and not kept.done else Pass(started_at=now)
        known = _Known(self._training, folder, self._misplaced)
        failures: list[DarkroomError] = []  # of blobs that storage refuses; the pass goes by them
        for page in self._training.pages(f"{folder}/", token=state.token, size=self._page):
            last = page.blobs[-1].path if page.blobs else state.after  # a page may hold nothing, and have a next
            end = last if page.token else END
            drift = self._drift(folder, page, state.after, end, known)
            to_fold = sorted(path for path in drift if path > state.folded)
            left = len(to_fold)
            for paths in batched(to_fold, FOLDED_AT_ONCE, strict=False):
                refused = self._datasets.fold_paths(paths)
                failures += refused.values()
                known.forget()
                state = _counted(state, [drift[path] for path in paths if path not in refused], paths[-1])
                left -= len(paths)
                if left and (not lease.renew() or self._clock() >= give_up_at):
                    break
            if left:
                break
            compared = state.compared + len(page.blobs)
            state = msgspec.structs.replace(
                state, compared=compared, token=page.token, after=end, folded="", done=page.token is None
            )
            if not lease.renew() or self._clock() >= give_up_at:
                break
        if state.drift or not state.done:
            _log.info(
                "'%s': %d blobs compared, %d missing, %d changed, %d vanished%s",
                *(folder, state.compared, state.missing, state.changed, state.vanished),
                "" if state.done else f"; goes on after '{state.after}'",
            )
        worth_telling = state.drift or not state.done or (kept is not None and not kept.done)
        if worth_telling and layout.is_dataset_name(folder):
            try_write_document(self._blobs, _path(folder), state, over=etag)
        if failures:
            raise failures[0]
        return state

    def _drift(self, folder: str, page: Page, after: str, end: str, known: "_Known") -> dict[str, Drift]:
        """Return what differs between a page of the listing and what is known of the paths in (after, end]."""
        listed = {blob.path: blob.etag for blob in page.blobs}
        self._imports.compare(folder, listed, after=after, end=end)
        listed = {path: etag for path, etag in listed.items() if not layout.is_no_upload(path)}
        before = known.between(after, end)
        drift: dict[str, Drift] = {path: "vanished" for path in before if path not in listed}
        for path, etag in listed.items():
            if path in before and before[path] != etag:
                drift[path] = "changed"
            elif path not in before and not known.is_beyond(path):
                drift[path] = "missing"
        return drift


def _counted(state: Pass, drift: Sequence[Drift], folded: str) -> Pass:
    return msgspec.structs.replace(
        state,
        missing=state.missing + drift.count("missing"),
        changed=state.changed + drift.count("changed"),
        vanished=state.vanished + drift.count("vanished"),
        folded=folded,
    )


@dataclass
class _Known:
    """What the COCO file and the list of misplaced blobs say of paths, read forward."""

    training: BlobContainer
    folder: str
    misplaced: MisplacedBlobs
    _runs: Iterator[Records] | None = None
    _entries: dict[str, str] = field(default_factory=dict)
    _reach: str = ""  # the last path that was read
    _last_misplaced: str = END  # beyond it misplaced blobs are not remembered, because the list is full

    def between(self, after: str, end: str) -> dict[str, str]:
        """Return path → ETag of all known paths in (after, end].

        Raises:
            BlobChangedError: The file changed each time it was read; the next timer tries again.
        """
        told = self.misplaced.all()
        self._last_misplaced = max(told) if len(told) >= MOST else END
        misplaced = {path: etag for path, (etag, _) in told.items() if path.startswith(f"{self.folder}/")}
        for tries in count(1):
            try:
                known = self._in_file(after, end)
                break
            except BlobChangedError:  # folded by somebody: read it as it is now
                self.forget()
                if tries == MOST_TRIES:
                    raise
        return known | {path: etag for path, etag in misplaced.items() if after < path <= end}

    def is_beyond(self, path: str) -> bool:
        """Tell whether a path is a misplaced blob's that is not remembered, to judge by the last call of `between`."""
        return path > self._last_misplaced and isinstance(layout.parse_picture_path(path), layout.MisplacedPath)

    def forget(self) -> None:
        """Read the file anew at the next call: it was changed."""
        self._runs, self._entries, self._reach = None, {}, ""

    def _in_file(self, after: str, end: str) -> dict[str, str]:
        if not layout.is_dataset_name(self.folder):
            return {}
        if self._runs is None:
            live = CocoFile(self.training, self.folder).read()
            self._runs = live.records(after=after) if live else iter(())
            lists = live.head.info.class_lists if live else ()
            self._entries = {entry.path: entry.etag for entry in lists if not layout.is_no_upload(entry.path)}
        while self._reach <= end and (run := next(self._runs, None)) is not None:
            self._entries.update((image.file_name, image.etag) for image in run.images)
            self._entries.update((problem.path, problem.etag) for problem in run.problems)
            self._entries.update((claim.path, claim.etag) for claim in run.claims if not claim.source)
            last = [image.file_name for image in run.images[-1:]]
            last += [problem.path for problem in run.problems[-1:]]
            self._reach = max([self._reach, *last, *(claim.path for claim in run.claims[-1:])])
        known = {path: etag for path, etag in self._entries.items() if after < path <= end}
        self._entries = {path: etag for path, etag in self._entries.items() if path > end}
        return known


def _path(dataset: str) -> str:
    return f"{dataset}/reconcile.json"

"""The live COCO file in storage: read whole, folded, written whole with If-Match.

Callers see changes going in and pictures coming out, never how the file lies in its blob.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from shared import coco, layout
from shared.errors import BlobChangedError, BlobNotFoundError
from shared.storage import BlobContainer

MOST_TRIES: Final = 20  # lost races before giving up; each loss means that somebody else's commit stands


class LiveDataset(msgspec.Struct, frozen=True, kw_only=True):
    """One state of a dataset.

    Attributes:
        pictures: All usable pictures, in the order of their paths.
        problems: Blobs that cannot be used.
        changes: How often pictures were added, replaced, relabelled or removed, ever.
        pinned_test: sha256 of pictures that are on the test side for good.
        traceparent: Trace context of the newest change.
        last_modified: When the file was last written.
    """

    pictures: tuple[coco.Picture, ...]
    problems: tuple[coco.Problem, ...]
    changes: int
    pinned_test: frozenset[str]
    traceparent: str
    last_modified: datetime


class CocoFile:
    """The live COCO file of one dataset."""

    def __init__(self, training: BlobContainer, dataset: str) -> None:
        self._training = training
        self._path = layout.live_file(dataset)

    def read(self) -> LiveDataset | None:
        """Read the dataset, or None when it has no file yet.

        Raises:
            BrokenFileError: The file is not what this class wrote.
        """
        try:
            blob = self._training.read(self._path)
        except BlobNotFoundError:
            return None
        document = coco.decode(blob.data)
        return LiveDataset(
            pictures=tuple(coco.pictures_of(document)),
            problems=document.problems,
            changes=document.info.changes,
            pinned_test=frozenset(document.info.pinned_test),
            traceparent=document.info.traceparent,
            last_modified=blob.properties.last_modified,
        )

    def etags(self) -> dict[str, str]:
        """Return path → ETag of all that the file knows, pictures and problems."""
        return coco.etags_of(self._load()[0])

    def fold(self, seen: Mapping[str, coco.Entry | None], *, traceparent: str = "") -> bool:
        """Fold what was seen at some paths into the file, in one commit; return whether it changed.

        Raises:
            BlobChangedError: Others were faster `MOST_TRIES` times in a row.
        """
        return self._commit(lambda d: coco.fold(d, seen, url_of=self._training.url, traceparent=traceparent))

    def pin_to_test(self, digests: Iterable[str]) -> None:
        """Move pictures, by sha256, to the test side for good."""
        self._commit(lambda document: coco.pin_to_test(document, digests))

    def _load(self) -> tuple[coco.Document, str | None]:
        try:
            blob = self._training.read(self._path)
        except BlobNotFoundError:
            return coco.Document(), None
        return coco.decode(blob.data), blob.properties.etag

    def _commit(self, change: Callable[[coco.Document], coco.Document]) -> bool:
        tries = 0
        while True:
            before, etag = self._load()
            after = change(before)
            if after == before:
                return False
            try:
                self._training.write(self._path, coco.encode(after), if_match=etag, create_only=etag is None)
            except BlobChangedError:
                tries += 1
                if tries == MOST_TRIES:
                    raise
            else:
                return True

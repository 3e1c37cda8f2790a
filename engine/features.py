"""Embeds pictures once: features are kept by backbone digest and picture sha256."""

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.access import Access, shown
from engine.coco import CORRUPT, Example
from engine.errors import (
    ChangedError,
    FetchError,
    ForbiddenError,
    JobError,
    MissingError,
    PictureError,
    UnreachableError,
)
from engine.fetch import Fetcher
from engine.images import MAX_BYTES, TRAINING, decode_picture
from engine.learn.backbone import Backbone
from engine.learn.looks import WORDS, look_of

FETCH_THREADS = 8


@dataclass(frozen=True, slots=True)
class Embedding:
    """What is kept of a picture.

    Attributes:
        features: (D,) float32, as the backbone made them.
        look: (4,) uint64, as `look_of` made it.
    """

    features: NDArray[np.float32]
    look: NDArray[np.uint64]


class FeatureCache:
    """Embeddings under `{folder}/{backbone digest}/{sha256[:2]}/{sha256}.npy`; safe to lose, safe to share.

    A file is one record of an array: features and look.
    """

    def __init__(self, folder: Path, backbone: Backbone) -> None:
        self._folder = folder / backbone.digest
        self._record = np.dtype([("features", "<f4", (backbone.width,)), ("look", "<u8", (WORDS,))])

    def find(self, sha256: str) -> Embedding | None:
        """Returns what is kept of a picture, or None when that is nothing, damaged, or of another version."""
        try:
            stored = np.load(self._path(sha256), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if stored.shape != () or stored.dtype != self._record:
            return None
        return Embedding(stored["features"].astype(np.float32), stored["look"].astype(np.uint64))

    def keep(self, sha256: str, embedding: Embedding) -> None:
        """Stores an embedding; a reader sees all of it or nothing."""
        path = self._path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        with os.fdopen(handle, "wb") as file:
            np.save(file, np.array((embedding.features, embedding.look), dtype=self._record))
        Path(partial).replace(path)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256}.npy"


@dataclass(frozen=True, slots=True)
class EmbeddedSet:
    """A data set's n pictures, in an order that depends on content alone: by sha256, labels, URL.

    Attributes:
        features: (n, D) float32.
        labels: Of each picture; exactly one for classification, any number, sorted and distinct, for multi-label.
        names: The pictures' file_name, else their URL; never with a query.
        urls: Where they lie, without query.
        sha256: Of their bytes, lower-case hex.
        looks: (n, 4) uint64, see `engine.learn.looks`.
    """

    features: NDArray[np.float32]
    labels: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    urls: tuple[str, ...]
    sha256: tuple[str, ...]
    looks: NDArray[np.uint64]


class Embedder:
    """Fetches, verifies, decodes and embeds what the cache lacks."""

    def __init__(self, backbone: Backbone, cache: FeatureCache, fetcher: Fetcher) -> None:
        self._backbone = backbone
        self._cache = cache
        self._fetcher = fetcher
        self._decoding = threading.BoundedSemaphore(os.cpu_count() or 1)  # bounds memory, not only work

    def embed(
        self, examples: Sequence[Example], access: Access, on_progress: Callable[[int, int], None]
    ) -> EmbeddedSet:
        """Embeds a data set.

        Args:
            examples: At least one.
            access: How their URLs are read.
            on_progress: Called with how many are done, of how many.

        Raises:
            JobError: datasetCorrupt or unknown, naming the picture that failed; the first one in the list's order.
        """
        rows: list[tuple[str, Example, Embedding]] = []
        with ThreadPoolExecutor(FETCH_THREADS, thread_name_prefix="fetch") as pool:
            tasks = [pool.submit(self._embed_one, example, access) for example in examples]
            try:
                for example, task in zip(examples, tasks, strict=True):
                    sha256, embedding = task.result()
                    rows.append((sha256, example, embedding))
                    on_progress(len(rows), len(examples))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        rows.sort(key=lambda row: (row[0], row[1].label, row[1].url))
        return EmbeddedSet(
            features=np.stack([embedding.features for _, _, embedding in rows]),
            labels=tuple((example.label,) for _, example, _ in rows),
            names=tuple(example.name for _, example, _ in rows),
            urls=tuple(shown(example.url) for _, example, _ in rows),
            sha256=tuple(sha256 for sha256, _, _ in rows),
            looks=np.stack([embedding.look for _, _, embedding in rows]),
        )

    def _embed_one(self, example: Example, access: Access) -> tuple[str, Embedding]:
        if example.sha256 is not None:
            known = self._cache.find(example.sha256)
            if known is not None:
                return example.sha256, known
        content = self._read(example, access)
        sha256 = hashlib.sha256(content).hexdigest()
        if example.sha256 not in (None, sha256):
            raise JobError(
                CORRUPT,
                f"The bytes of {example.title} changed: sha256 is {sha256}, recorded is {example.sha256}. "
                "Take a new snapshot and train again.",
            )
        known = self._cache.find(sha256)
        if known is None:
            known = self._embed_bytes(example, content)
            self._cache.keep(sha256, known)
        return sha256, known

    def _read(self, example: Example, access: Access) -> bytes:
        # A recorded digest settles what the bytes must be; their ETag changes when the same bytes are uploaded again.
        etag = None if example.sha256 is not None else example.etag
        try:
            return self._fetcher.read(example.url, limit=MAX_BYTES, access=access, etag=etag)
        except (MissingError, ChangedError) as exc:
            raise JobError(CORRUPT, f"{example.title}: {exc} Take a new snapshot and train again.") from exc
        except (UnreachableError, ForbiddenError) as exc:
            raise JobError("unknown", f"{example.title}: {exc}") from exc
        except FetchError as exc:
            raise JobError(CORRUPT, f"{example.title}: {exc}") from exc

    def _embed_bytes(self, example: Example, content: bytes) -> Embedding:
        try:
            with self._decoding:
                pixels = decode_picture(content, TRAINING).pixels
                return Embedding(self._backbone.embed(pixels), look_of(pixels))
        except PictureError as exc:
            raise JobError(CORRUPT, f"{example.title}: {exc} Replace or remove it and train again.") from exc

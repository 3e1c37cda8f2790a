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

from engine.access import Access
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

FETCH_THREADS = 8


class FeatureCache:
    """Feature vectors under `{folder}/{backbone digest}/{sha256[:2]}/{sha256}.npy`; safe to lose, safe to share."""

    def __init__(self, folder: Path, backbone: Backbone) -> None:
        self._folder = folder / backbone.digest
        self._width = backbone.width

    def find(self, sha256: str) -> NDArray[np.float32] | None:
        """Returns the features (D,), or None when there are none or the file is damaged."""
        try:
            features = np.load(self._path(sha256), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if features.shape != (self._width,) or features.dtype != np.float32:
            return None
        return np.asarray(features, dtype=np.float32)

    def keep(self, sha256: str, features: NDArray[np.float32]) -> None:
        """Stores features (D,); a reader sees all of them or none."""
        path = self._path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        with os.fdopen(handle, "wb") as file:
            np.save(file, features)
        Path(partial).replace(path)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256}.npy"


@dataclass(frozen=True, slots=True)
class EmbeddedSet:
    """Examples with their features, in an order that depends on content alone.

    Attributes:
        features: (n, D) float32.
        labels: n names.
    """

    features: NDArray[np.float32]
    labels: tuple[str, ...]


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
        rows: list[tuple[str, str, str, NDArray[np.float32]]] = []
        with ThreadPoolExecutor(FETCH_THREADS, thread_name_prefix="fetch") as pool:
            tasks = [pool.submit(self._embed_one, example, access) for example in examples]
            try:
                for example, task in zip(examples, tasks, strict=True):
                    sha256, features = task.result()
                    rows.append((sha256, example.label, example.url, features))
                    on_progress(len(rows), len(examples))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        rows.sort(key=lambda row: row[:3])
        return EmbeddedSet(np.stack([row[3] for row in rows]), tuple(row[1] for row in rows))

    def _embed_one(self, example: Example, access: Access) -> tuple[str, NDArray[np.float32]]:
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

    def _embed_bytes(self, example: Example, content: bytes) -> NDArray[np.float32]:
        try:
            with self._decoding:
                return self._backbone.embed(decode_picture(content, TRAINING).pixels)
        except PictureError as exc:
            raise JobError(CORRUPT, f"{example.title}: {exc} Replace or remove it and train again.") from exc

"""Embeds pictures once: features are kept by backbone digest and picture sha256."""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.access import shown
from engine.coco import Example
from engine.findings import Findings
from engine.images import Picture, SideLimits, check_sides
from engine.learn.backbone import Backbone
from engine.learn.looks import WORDS, look_of
from engine.walk import PictureReader, walk

_COLUMNS = 64  # reordered at once


@dataclass(frozen=True, slots=True)
class Embedding:
    """What is kept of a picture.

    Attributes:
        features: (D,) float32, as the backbone made them.
        look: (4,) uint64, as `look_of` made it.
        width: Of the picture, in pixels, upright.
        height: Likewise.
    """

    features: NDArray[np.float32]
    look: NDArray[np.uint64]
    width: int
    height: int

    def within(self, sides: SideLimits) -> Self:
        """Returns itself when the picture keeps to the limits, which differ between training and evaluation.

        Raises:
            PictureSizeError: It does not.
        """
        check_sides(self.width, self.height, sides)
        return self


class FeatureCache:
    """Embeddings under `{folder}/{backbone digest}/{sha256[:2]}/{sha256}.npy`; safe to lose, safe to share.

    A file is one record of an array: features, look and size.

    Args:
        folder: Of all caches.
        backbone: Whose embeddings these are.
        scratch: Folder on the same disk for files that are not whole yet; whoever kills the process removes it.
    """

    def __init__(self, folder: Path, backbone: Backbone, scratch: Path) -> None:
        self._folder = folder / backbone.digest
        self._scratch = scratch
        fields = [("features", "<f4", (backbone.width,)), ("look", "<u8", (WORDS,)), ("size", "<u4", (2,))]
        self._record = np.dtype(fields)

    def find(self, sha256: str) -> Embedding | None:
        """Returns what is kept of a picture, or None when that is nothing, damaged, or of another version."""
        try:
            stored = np.load(self._path(sha256), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if stored.shape != () or stored.dtype != self._record:
            return None
        features, look = stored["features"].astype(np.float32), stored["look"].astype(np.uint64)
        return Embedding(features, look, *(int(side) for side in stored["size"]))

    def has(self, sha256: str) -> bool:
        """Whether something is kept of a picture; `find` says whether it can be used."""
        return self._path(sha256).exists()

    def keep(self, sha256: str, embedding: Embedding) -> None:
        """Stores an embedding; a reader sees all of it or nothing."""
        path = self._path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=self._scratch)
        with os.fdopen(handle, "wb") as file:
            size = (embedding.width, embedding.height)
            np.save(file, np.array((embedding.features, embedding.look, size), dtype=self._record))
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
    """Embeds what the cache lacks."""

    def __init__(self, backbone: Backbone, cache: FeatureCache) -> None:
        self._backbone = backbone
        self._cache = cache

    def lacking(self, examples: Sequence[Example]) -> NDArray[np.int64]:
        """Returns how many of the pictures up to each one (n,) are not kept and have to be embedded."""
        kept = (example.sha256 is not None and self._cache.has(example.sha256) for example in examples)
        return np.cumsum(~np.fromiter(kept, dtype=bool, count=len(examples)), dtype=np.int64)

    def embed(
        self,
        examples: Sequence[Example],
        pictures: PictureReader,
        findings: Findings,
        on_progress: Callable[[int, int], None],
    ) -> EmbeddedSet:
        """Embeds a data set's pictures, but for those that cannot be used. Holds their features once.

        Args:
            examples: At least one.
            pictures: Reads them.
            findings: Takes those that cannot be used.
            on_progress: Called with how many are done, of how many.
        """
        features = np.empty((len(examples), self._backbone.width), dtype=np.float32)
        looks = np.empty((len(examples), WORDS), dtype=np.uint64)
        rows: list[tuple[str, Example]] = []
        work = partial(self._embed_one, pictures)
        for example, (sha256, embedding) in walk(examples, work, findings, on_progress):
            features[len(rows)], looks[len(rows)] = embedding.features, embedding.look
            rows.append((sha256, example))
        order = sorted(range(len(rows)), key=lambda row: (rows[row][0], rows[row][1].labels, rows[row][1].url))
        _reorder(features, order)
        return EmbeddedSet(
            features=features[: len(rows)],
            labels=tuple(rows[row][1].labels for row in order),
            names=tuple(rows[row][1].name for row in order),
            urls=tuple(shown(rows[row][1].url) for row in order),
            sha256=tuple(rows[row][0] for row in order),
            looks=looks[order],
        )

    def _embed_one(self, pictures: PictureReader, example: Example) -> tuple[str, Embedding]:
        if example.sha256 is not None:
            known = self._cache.find(example.sha256)
            if known is not None:
                return example.sha256, known.within(pictures.sides)
        sha256, content = pictures.fetch(example)
        known = self._cache.find(sha256)
        if known is None:
            known = pictures.decode(content, self._embed_picture)
            self._cache.keep(sha256, known)
        return sha256, known.within(pictures.sides)

    def _embed_picture(self, picture: Picture) -> Embedding:
        features, look = self._backbone.embed(picture.pixels), look_of(picture.pixels)
        return Embedding(features, look, picture.width, picture.height)


def _reorder(features: NDArray[np.float32], order: Sequence[int]) -> None:
    """Puts row `order[i]` in place i, a few columns at a time so that there is no second copy."""
    for first in range(0, features.shape[1], _COLUMNS):
        block = slice(first, first + _COLUMNS)
        features[: len(order), block] = features[order, block]

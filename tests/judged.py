"""Embedded pictures, made up, for the tests of what is said of predictions."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.boxedset import BoxedSet
from engine.features import EmbeddedSet
from engine.learn.detection_metrics import TrueBoxes
from engine.learn.detector import PictureMaps


def embedded(
    labels: Sequence[tuple[str, ...]], features: NDArray[np.float32] | None = None, *, prefix: str = "p", seed: int = 0
) -> EmbeddedSet:
    """Pictures p0, p1, … with these labels, each of its own bytes and look."""
    count = len(labels)
    names = tuple(f"{prefix}{number}.jpg" for number in range(count))
    return EmbeddedSet(
        features=np.zeros((count, 1), np.float32) if features is None else features,
        labels=tuple(labels),
        names=names,
        urls=tuple(f"http://store.local/{name}" for name in names),
        sha256=tuple(hashlib.sha256(f"{name} {seed}".encode()).hexdigest() for name in names),
        looks=np.random.default_rng((seed, len(prefix))).integers(1, 2**64, (count, 4), dtype=np.uint64),
    )


class NoMaps:
    """Stands for the maps of pictures, where nobody looks at them."""

    def __len__(self) -> int:
        raise NotImplementedError

    def maps(self, number: int, *, mirrored: bool) -> PictureMaps:
        raise NotImplementedError


def boxed(truth: Sequence[TrueBoxes], *, sha256: Sequence[str] | None = None) -> BoxedSet:
    """Pictures p0, p1, … of 200 x 100 pixels with these boxes, and without maps."""
    labels = [tuple(sorted(set(one.labels))) for one in truth]
    like = embedded(labels)
    return BoxedSet(
        maps=NoMaps(),
        truth=tuple(truth),
        sizes=np.tile(np.array([200, 100], dtype=np.uint32), (len(truth), 1)),
        labels=like.labels,
        names=like.names,
        urls=like.urls,
        sha256=like.sha256 if sha256 is None else tuple(sha256),
        looks=like.looks,
    )

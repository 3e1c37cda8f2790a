"""Embedded pictures, made up, for the tests of what is said of predictions."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.features import EmbeddedSet


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

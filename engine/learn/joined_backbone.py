"""Several backbones as one: what one of them does not see, another may."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.learn.errors import BackboneError
from engine.learn.groups import joined

if TYPE_CHECKING:
    from engine.learn.backbone import Backbone  # which opens us

VERSION = 1  # of the code below; part of the digest

Array = NDArray[np.float32]


class JoinedBackbone:
    """Two backbones or more, none drowning another; see `engine.learn.backbone.Backbone`.

    Attributes:
        parts: The backbones, in order.
        weights: Length of each one's block of the embedding, after the head's signed square root.
        name: Their names, joined with "+".
        digest: Of their digests and weights.
        width: The sum of theirs.
    """

    default_head = "lda"

    def __init__(self, parts: "Sequence[Backbone]", weights: Sequence[float] | None = None) -> None:
        """Joins backbones.

        Args:
            parts: At least two, no two the same.
            weights: One of each, above 0; all 1 when absent.

        Raises:
            BackboneError: One is there twice.
        """
        self.parts = tuple(parts)
        self.weights = (1.0,) * len(self.parts) if weights is None else tuple(float(weight) for weight in weights)
        if len(self.weights) != len(self.parts) or min(self.weights) <= 0:
            raise ValueError(f"{len(self.parts)} backbones need as many weights above 0, not {self.weights}")
        self.name = "+".join(part.name for part in self.parts)
        self.digest = joined_digest([part.digest for part in self.parts], self.weights)
        self.width = sum(part.width for part in self.parts)

    def embed(self, picture: NDArray[np.uint8]) -> Array:
        """Maps a picture (H, W, 3) in RGB to the embeddings of the parts, balanced, one after another: (D,)."""
        return joined([part.embed(picture) for part in self.parts], self.weights)

    def feature_maps(self, picture: NDArray[np.uint8]) -> dict[int, Array]:
        """Maps a picture (H, W, 3) in RGB to stride -> (C, h, w): the channels of all parts that have the stride.

        Strides that only some parts have are left out. The channels of each part are scaled, for each picture, so that
        the squares of its vectors (one a cell) have the same mean as those of the other parts, and those of all
        channels together the mean 1.
        """
        of_each = [part.feature_maps(picture) for part in self.parts]
        common = set.intersection(*(set(maps) for maps in of_each))
        return {stride: self._stacked([maps[stride] for maps in of_each]) for stride in sorted(common)}

    def _stacked(self, maps: Sequence[Array]) -> Array:
        channels = sum(len(one) for one in maps)
        total = sum(weight**2 for weight in self.weights)
        scaled = []
        for one, weight in zip(maps, self.weights, strict=True):
            energy = float(np.mean(np.sum(np.square(one, dtype=np.float64), axis=0)))
            wanted = channels * weight**2 / total
            scaled.append(one * np.float32(np.sqrt(wanted / max(energy, 1e-12))))
        return np.concatenate(scaled)


def joined_digest(digests: Sequence[str], weights: Sequence[float] | None = None) -> str:
    """Returns the digest of a joined backbone, of those of its parts and their weights (all 1 when absent).

    Raises:
        BackboneError: One is there twice.
    """
    if len(set(digests)) != len(digests):
        raise BackboneError("a backbone joined with itself is no better; name each only once")
    weights = (1.0,) * len(digests) if weights is None else weights
    parts = zip(digests, weights, strict=True)
    words = " ".join(f"{digest} {float(weight)!r}" for digest, weight in parts)
    return hashlib.sha256(f"joined {VERSION} {words}".encode()).hexdigest()

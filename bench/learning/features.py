"""Features of pictures, kept on disk so that no run embeds a picture twice."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.learning.datasets import SMALLEST_SIDE, DataSet, Photo, cut_out
from engine.learn.backbone import Backbone
from engine.learn.views import mirrored as mirror_image


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled picture, or one box as a picture.

    Attributes:
        photo: The file it is of.
        corners: (4,) what is cut out, each end 0…1; None is the whole.
        target: Number of its label.
    """

    photo: Photo
    corners: NDArray[np.float64] | None
    target: int

    @property
    def key(self) -> str:
        """Names its pixels."""
        if self.corners is None:
            return self.photo.digest
        return hashlib.sha256(self.photo.digest.encode() + self.corners.tobytes()).hexdigest()

    def pixels(self) -> NDArray[np.uint8]:
        """Returns the picture (H, W, 3) RGB."""
        pixels = self.photo.pixels()
        return pixels if self.corners is None else cut_out(pixels, self.corners)


def examples_of(data: DataSet) -> list[Example]:
    """Lists what can be labelled in a data set: its pictures, or the boxes on them that are not crowds nor tiny."""
    found = []
    for photo in data.photos:
        if not data.boxed:
            found.append(Example(photo, None, int(photo.targets[0])))
            continue
        height, width = photo.pixels().shape[:2]
        sides = (photo.corners[:, 2:] - photo.corners[:, :2]) * (width, height)
        for corners, target, crowd, side in zip(photo.corners, photo.targets, photo.crowds, sides, strict=True):
            if not crowd and side.min() >= SMALLEST_SIDE:
                found.append(Example(photo, corners, int(target)))
    return found


@dataclass(frozen=True, slots=True)
class Features:
    """Features of one backbone.

    Attributes:
        folder: Where features of all backbones are kept.
        backbone: Makes those that are not there yet.
    """

    folder: Path
    backbone: Backbone

    def of(self, examples: Sequence[Example], *, mirrored: bool = False) -> NDArray[np.float32]:
        """Returns the features (n, D) of examples, or of their mirror images."""
        return np.stack([self._row(example, mirrored) for example in examples])

    def _row(self, example: Example, mirrored: bool) -> NDArray[np.float32]:
        path = self.folder / self.backbone.digest[:16] / f"{example.key}{'.mirrored' if mirrored else ''}.npy"
        if path.exists():
            return np.asarray(np.load(path, allow_pickle=False), dtype=np.float32)
        pixels = example.pixels()
        row = self.backbone.embed(mirror_image(pixels) if mirrored else pixels)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, row, allow_pickle=False)
        part.replace(path)
        return row

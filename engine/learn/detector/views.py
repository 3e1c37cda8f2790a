"""The pictures that a detector learns from, and their mirror images."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.learn.detector.boxes import Boxes
from engine.learn.detector.descriptors import Ground, ground_of
from engine.learn.detector.maps import MapSource, PictureMaps
from engine.learn.detector.reduction import Reduction


@dataclass(frozen=True, slots=True)
class View:
    """A picture, or its mirror image."""

    number: int
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures with their boxes; reads one at a time.

    Attributes:
        source: Their maps.
        truth: Their boxes.
        seed: From which all chance is drawn; of the boxes' content.
    """

    source: MapSource
    truth: Sequence[Boxes]
    seed: int

    def __len__(self) -> int:
        """How many there are, mirror images not counted."""
        return len(self.truth)

    def maps(self, view: View) -> PictureMaps:
        """Reads the maps of a view."""
        return self.source.maps(view.number, mirrored=view.mirrored)

    def ground(self, view: View, reduction: Reduction) -> Ground:
        """Reads a view, ready to be described."""
        return ground_of(self.maps(view), reduction)

    def boxes(self, view: View) -> Boxes:
        """Returns the boxes of a view."""
        boxes = self.truth[view.number]
        return mirrored(boxes) if view.mirrored else boxes

    def chance(self, purpose: int, view: View | None = None) -> np.random.Generator:
        """Returns the generator of a purpose and a view, whatever was drawn before."""
        place = [] if view is None else [view.number, int(view.mirrored)]
        return np.random.default_rng([self.seed, purpose, *place])


def mirrored(boxes: Boxes) -> Boxes:
    """Exchanges left and right."""
    left, top, right, bottom = boxes.corners.reshape(-1, 4).T
    return Boxes(np.stack([1.0 - right, top, 1.0 - left, bottom], axis=1), boxes.targets)


def spread(count: int, most: int) -> list[int]:
    """Returns at most `most` of the numbers 0…count-1, evenly far apart."""
    if count <= most:
        return list(range(count))
    return [position * count // most for position in range(most)]


def dealt(truth: Sequence[Boxes], folds: int) -> list[int]:
    """Deals pictures to folds by their rarest label, so that a label's pictures are spread; returns each one's fold."""
    targets = [np.unique(boxes.targets) for boxes in truth]
    counts = np.bincount(np.concatenate([np.empty(0, dtype=np.intp), *targets]), minlength=1)
    rarest = [min(found.tolist(), key=lambda label: (counts[label], label), default=-1) for found in targets]
    order = sorted(range(len(truth)), key=lambda number: (rarest[number], number))
    result = [0] * len(truth)
    for position, number in enumerate(order):
        result[number] = position % folds
    return result


def seed_of(truth: Sequence[Boxes], labels: Sequence[str]) -> int:
    """Makes a seed of labels and boxes."""
    digest = hashlib.sha256(json.dumps(list(labels)).encode())
    for boxes in truth:
        digest.update(len(boxes.targets).to_bytes(8))
        digest.update(boxes.corners.astype("<f8").tobytes())
        digest.update(boxes.targets.astype("<i8").tobytes())
    return int.from_bytes(digest.digest()[:8])

"""Chooses the boxes of a picture that a detector learns from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.detector.boxes import Boxes, Corners, inside, overlaps
from engine.learn.detector.descriptors import LEAST, Array, Ground, described
from engine.learn.detector.offsets import offsets_between
from engine.learn.detector.rule import boxes_at, places

JITTERS = 16  # copies of a true box, moved and stretched a little
SHIFT, STRETCH = 0.25, 0.35  # largest, in sides of the box and as logarithms
LOW, HIGH = 0.3, 0.7  # overlap at which a box is all background, and at which it is all object
MOVABLE = 0.4  # overlap from which a box teaches how to move
TOUCHING = 0.1  # overlap from which a place touches an object; at most half of the chosen ones do
POOL = 8  # times as many places are drawn as are kept


@dataclass(frozen=True, slots=True)
class Sample:
    """Boxes of one picture, described, and what is wanted of them.

    Attributes:
        rows: (n, D) descriptors.
        labels: (n,) number of the label of the true box that a box overlaps most; 0 where there is none.
        shares: (n,) how much of an object the box is, 0…1; the rest is background.
        moves: (n, 4) how the box must move to fit.
        movable: (n,) whether that is worth learning.
    """

    rows: Array
    labels: NDArray[np.intp]
    shares: NDArray[np.float64]
    moves: Corners
    movable: NDArray[np.bool_]


def sampled(ground: Ground, truth: Boxes, shapes: NDArray[np.float64], most: int, rng: np.random.Generator) -> Sample:
    """Describes jittered true boxes and places where the shapes are tried.

    Args:
        ground: Of the picture.
        truth: Its boxes.
        shapes: (s, 2) in cells.
        most: Boxes of each of the two kinds.
        rng: Chooses.
    """
    boxes = truth.corners * ground.unit
    everywhere = np.concatenate([boxes_at(*place) for place in places(shapes, ground.width, ground.height)])
    drawn = everywhere[_some(np.arange(len(everywhere)), POOL * most, rng)]
    touching = overlaps(drawn, boxes).max(axis=1, initial=0.0) > TOUCHING
    near = _some(np.flatnonzero(touching), most // 2, rng)
    far = _some(np.flatnonzero(~touching), most - len(near), rng)
    return sample_of(ground, np.concatenate([_jittered(boxes, most, rng), drawn[near], drawn[far]]), truth)


def sample_of(ground: Ground, corners: Corners, truth: Boxes) -> Sample:
    """Describes boxes (n, 4), in cells, and says what is wanted of them."""
    corners = inside(corners, ground.width, ground.height, least=LEAST)
    boxes = truth.corners * ground.unit
    rows = described(ground, corners)
    if len(boxes) == 0:
        none = len(corners)
        return Sample(
            rows, np.zeros(none, dtype=np.intp), np.zeros(none), np.zeros((none, 4)), np.zeros(none, dtype=np.bool_)
        )
    shares = overlaps(corners, inside(boxes, ground.width, ground.height, least=LEAST))
    best = shares.argmax(axis=1)
    overlap = shares[np.arange(len(corners)), best]
    fits = inside(boxes, ground.width, ground.height, least=LEAST)[best]
    return Sample(
        rows,
        truth.targets[best],
        np.clip((overlap - LOW) / (HIGH - LOW), 0.0, 1.0),
        offsets_between(corners, fits),
        overlap >= MOVABLE,
    )


def _jittered(boxes: Corners, most: int, rng: np.random.Generator) -> Corners:
    """Moves and stretches copies of boxes (m, 4): at most `most`; the first copy of each is exact."""
    if len(boxes) > most:
        boxes = boxes[rng.choice(len(boxes), most, replace=False)]
    copies = min(JITTERS, most // max(len(boxes), 1)) if len(boxes) else 0
    corners = np.tile(boxes, (max(copies, 0), 1))
    if not len(corners):
        return np.empty((0, 4))
    sides = corners[:, 2:] - corners[:, :2]
    middle = (corners[:, :2] + corners[:, 2:]) / 2 + rng.uniform(-SHIFT, SHIFT, sides.shape) * sides
    half = sides * np.exp(rng.uniform(-STRETCH, STRETCH, sides.shape)) / 2
    result = np.concatenate([middle - half, middle + half], axis=1)
    result[: len(boxes)] = boxes
    return result


def _some(numbers: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return numbers if len(numbers) <= most else np.sort(rng.choice(numbers, most, replace=False))

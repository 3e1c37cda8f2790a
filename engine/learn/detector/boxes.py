"""Boxes of pictures: what people drew, what a detector found, and how much two boxes share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Corners = NDArray[np.float64]
Ends = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Boxes:
    """The true boxes of one picture.

    Attributes:
        corners: (m, 4) left, top, right, bottom, each 0…1 of the picture's side.
        targets: (m,) numbers of labels.
    """

    corners: Corners
    targets: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Detections:
    """What a detector found in one picture, the most confident first.

    Attributes:
        corners: (m, 4) left, top, right, bottom, each 0…1 of the picture's side.
        targets: (m,) numbers of labels.
        confidences: (m,) in 0…1: about what share of such boxes is right.
    """

    corners: Corners
    targets: NDArray[np.intp]
    confidences: NDArray[np.float64]


def overlaps(one: Corners, other: Corners) -> Corners:
    """Returns intersection over union (n, m) of boxes (n, 4) and (m, 4), given as corners."""
    shared = _shared(one, other, 0)
    shared *= _shared(one, other, 1)
    whole = areas(one)[:, None] + areas(other) - shared
    shares: Corners = shared / np.maximum(whole, 1e-300)
    return shares


def _shared(one: Corners, other: Corners, axis: int) -> Corners:
    """Returns the length (n, m) that boxes share along an axis."""
    far = np.minimum(one[:, None, axis + 2], other[:, axis + 2])
    far -= np.maximum(one[:, None, axis], other[:, axis])
    return np.maximum(far, 0.0, out=far)


def areas(corners: Corners) -> Corners:
    """Returns the areas (n,) of boxes (n, 4)."""
    result: Corners = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    return result


def inside(corners: Corners, width: float, height: float, *, least: float) -> Corners:
    """Cuts boxes (n, 4) to 0…width, 0…height, and widens those whose side is below least."""
    left, right = cut(corners[:, 0], corners[:, 2], width, least)
    top, bottom = cut(corners[:, 1], corners[:, 3], height, least)
    return np.stack([left, top, right, bottom], axis=1)


def cut(near: Ends, far: Ends, side: float, least: float) -> tuple[Ends, Ends]:
    """Cuts stretches near…far (n,) to 0…side, and widens those shorter than least, as far as there is room."""
    least = min(least, side)
    near, far = np.clip(near, 0.0, side), np.clip(far, 0.0, side)
    short = np.maximum(least - (far - near), 0.0)
    near = np.clip(near - short / 2, 0.0, side - least)
    return near, np.clip(np.maximum(far + short / 2, near + least), 0.0, side)

"""What becomes of a detector's findings before anybody sees them; figures, predictions and answers use the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.learn.detection_metrics import FoundBoxes
from engine.learn.detector import Detections

LEAST_CONFIDENCE: Final = 0.01  # low, because average precision counts what is unsure too; callers choose their own
MOST_OBJECTS: Final = 1_000  # of a picture; as many as a training picture may have

type PixelBox = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object in a picture.

    Attributes:
        label: What it is.
        confidence: How sure that is, 0…1.
        box: Where; inside the picture, and at least a pixel wide and high.
    """

    label: str
    confidence: float
    box: PixelBox


def told(found: Detections, labels: Sequence[str]) -> FoundBoxes:
    """Returns what is said of a picture: what is not too unsure, the most confident MOST_OBJECTS of it.

    Args:
        found: The most confident first.
        labels: The detector's.
    """
    count = min(int(np.sum(found.confidences >= LEAST_CONFIDENCE)), MOST_OBJECTS)
    corners = found.corners[:count].reshape(-1, 4)
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    names = tuple(labels[target] for target in found.targets[:count].tolist())
    return FoundBoxes(boxes, names, found.confidences[:count])


def objects_of(said: FoundBoxes, width: int, height: int) -> tuple[FoundObject, ...]:
    """Returns what is said of a picture of so many pixels, in pixels."""
    boxes = pixel_boxes(said.boxes, width, height)
    rows = zip(said.labels, said.confidences.tolist(), boxes, strict=True)
    return tuple(FoundObject(label, confidence, box) for label, confidence, box in rows)


def pixel_boxes(boxes: NDArray[np.float64], width: int, height: int) -> list[PixelBox]:
    """Rounds the edges of boxes (m, 4), left, top, width, height in 0…1, to a picture's pixels (contract §4)."""
    size = np.array([width, height])
    near = np.rint(boxes[:, :2] * size).clip(0, size - 1).astype(np.int64)
    far = np.rint((boxes[:, :2] + boxes[:, 2:]) * size).clip(near + 1, size).astype(np.int64)
    return [(x, y, w, h) for x, y, w, h in np.concatenate([near, far - near], axis=1).tolist()]


def box_json(box: PixelBox) -> dict[str, int]:
    """The contract's boundingBox."""
    return dict(zip("xywh", box, strict=True))

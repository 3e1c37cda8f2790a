"""How a box must move to fit its object, in units of its own sides."""

import numpy as np
from numpy.typing import NDArray

from engine.learn.detector.boxes import Corners
from engine.learn.detector.softmax import Layer, Rows

LARGEST = 0.7  # of a change, in sides of the box or in logarithms of them


def offsets_between(boxes: Corners, wanted: Corners) -> Corners:
    """Returns what `moved` needs to make wanted (n, 4) of boxes (n, 4): (n, 4)."""
    sides, aims = boxes[:, 2:] - boxes[:, :2], wanted[:, 2:] - wanted[:, :2]
    shift = ((wanted[:, :2] + wanted[:, 2:]) - (boxes[:, :2] + boxes[:, 2:])) / 2 / sides
    return np.concatenate([shift, np.log(aims / sides)], axis=1)


def moved(boxes: Corners, offsets: NDArray[np.float32]) -> Corners:
    """Moves and stretches boxes (n, 4) by offsets (n, 4): share of the sides, logarithm of the stretch."""
    limited = np.clip(offsets.astype(np.float64), -LARGEST, LARGEST)
    sides = boxes[:, 2:] - boxes[:, :2]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 + limited[:, :2] * sides
    half = sides * np.exp(limited[:, 2:]) / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def fit_offsets(rows: Rows, offsets: Corners, penalty: float) -> Layer:
    """Fits offsets (n, 4) to descriptors (n, D) by least squares plus penalty · n · |weights|²."""
    if len(rows) == 0:
        return Layer(np.zeros((rows.shape[1], 4)), np.zeros(4))
    wide = rows.astype(np.float64)
    middle, mean = wide.mean(axis=0), offsets.mean(axis=0)
    around = wide - middle
    system = around.T @ around + penalty * len(rows) * np.eye(rows.shape[1])
    weights = np.linalg.solve(system, around.T @ (offsets - mean))
    return Layer(weights, mean - middle @ weights)

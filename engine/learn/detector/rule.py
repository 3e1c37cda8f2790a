"""What is learnt of a data set's boxes, and how it scores every place of a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.detector.boxes import Corners, cut
from engine.learn.detector.descriptors import AROUND, BINS, LEAST, PARTS, Array, Ground, form
from engine.learn.detector.maps import GRID
from engine.learn.detector.softmax import probabilities

MOVES = 4
SMALL = 3.0  # cells; shapes that are narrower than this are tried at every half cell


@dataclass(frozen=True, slots=True)
class Rule:
    """An affine map of descriptors (D = PARTS · F + FORM numbers).

    Attributes:
        weights: (D, k + 5): scores of the labels, of the background, and how the box must move
            (`engine.learn.detector.offsets`).
        bias: (k + 5,).
    """

    weights: Array
    bias: Array

    def __call__(self, rows: Array) -> Array:
        """Maps descriptors (n, D) to answers (n, k + 5)."""
        result: Array = rows @ self.weights + self.bias
        return result


def shares_of(answers: Array) -> Array:
    """Returns the shares (n, k + 1) of labels and background in answers (n, k + 5) of a rule."""
    return probabilities(answers[:, :-MOVES])


def moves_of(answers: Array) -> Array:
    """Returns how boxes must move (n, 4) by answers (n, k + 5) of a rule."""
    return answers[:, -MOVES:]


def places(shapes: NDArray[np.float64], width: float, height: float) -> list[tuple[Corners, Corners]]:
    """Lists where each shape is tried in a picture.

    Args:
        shapes: (s, 2) width and height in cells.
        width: That the picture covers, cells.
        height: Likewise.

    Returns:
        Of each shape the stretches (2, n) from left to right and (2, m) from top to bottom, in cells.
    """
    return [(_stretches(across, width), _stretches(down, height)) for across, down in shapes.tolist()]


def boxes_at(columns: Corners, rows: Corners) -> Corners:
    """Makes boxes (m · n, 4) of stretches (2, n) and (2, m), a row after the other."""
    across, down = columns.shape[1], rows.shape[1]
    left, right = np.tile(columns, (1, down))
    top, bottom = np.repeat(rows, across, axis=1)
    return np.stack([left, top, right, bottom], axis=1)


def scan(ground: Ground, shapes: NDArray[np.float64], rule: Rule) -> tuple[Corners, Array]:
    """Scores all shapes at all places of a picture; equals `rule(described(…))` of each box.

    The averages of parts of a box are products of averages along both sides. The grid is therefore scored first, a part
    at a time, and then averaged along its rows and columns: k + 5 numbers a cell are moved about instead of F.

    Returns:
        (n, 4) boxes in cells, cut to the picture, and (n, k + 5) answers.
    """
    classes, cells = rule.weights.shape[1], ground.grid.shape[2]
    parts = rule.weights[: PARTS * cells].reshape(PARTS, cells, classes)
    of_bins = parts[:-2] + (parts[-2] - parts[-1]) / BINS**2
    maps = ground.grid.reshape(GRID * GRID, cells) @ np.concatenate([*of_bins, parts[-1]], axis=1)
    maps = maps.reshape(GRID, GRID, BINS**2 + 1, classes)
    binned = maps[:, :, :-1].reshape(GRID, GRID, BINS, BINS, classes).transpose(2, 0, 4, 3, 1)
    binned = np.ascontiguousarray(binned).reshape(BINS * GRID * classes, BINS * GRID)
    around = np.ascontiguousarray(maps[:, :, -1].transpose(0, 2, 1))
    corners, scores = [], []
    for columns, rows in places(shapes, ground.width, ground.height):
        boxes = boxes_at(columns, rows)
        total = _bins(binned, columns, rows, classes) + _around(around, columns, rows, ground)
        sized = form(boxes) @ rule.weights[PARTS * cells :] + rule.bias
        corners.append(boxes)
        scores.append(total.reshape(len(boxes), classes) + sized)
    return np.concatenate(corners), np.concatenate(scores)


def _stretches(length: float, side: float) -> Corners:
    step = 0.5 if length < SMALL else 1.0
    middles = np.arange(step / 2, side, step)
    return np.stack(cut(middles - length / 2, middles + length / 2, side, LEAST))


def _bins(binned: Array, columns: Corners, rows: Corners, classes: int) -> Array:
    """Adds up the scores of a box's bins: (m, n, classes)."""
    across = _means(columns, BINS).reshape(-1, BINS * GRID)
    down = _means(rows, BINS).reshape(-1, BINS * GRID)
    lines = (binned @ across.T).reshape(BINS * GRID, classes * len(across))
    result: Array = (down @ lines).reshape(len(down), classes, len(across)).transpose(0, 2, 1)
    return result


def _around(around: Array, columns: Corners, rows: Corners, ground: Ground) -> Array:
    """Scores the surround of boxes: (m, n, classes)."""
    across, down = (
        _means(_widened(ends, side), 1)[:, 0] for ends, side in ((columns, ground.width), (rows, ground.height))
    )
    classes = around.shape[1]
    lines = (around.reshape(GRID * classes, GRID) @ across.T).reshape(GRID, classes * len(across))
    result: Array = (down @ lines).reshape(len(down), classes, len(across)).transpose(0, 2, 1)
    return result


def _widened(ends: Corners, side: float) -> Corners:
    middle, half = ends.mean(axis=0), (ends[1] - ends[0]) * (AROUND / 2)
    return np.stack(cut(middle - half, middle + half, side, LEAST))


def _means(ends: Corners, bins: int) -> Array:
    """Returns the shares (n, bins, GRID) that cells have in equal parts of stretches (2, n)."""
    borders = ends[0][:, None] + (ends[1] - ends[0])[:, None] * np.linspace(0.0, 1.0, bins + 1)
    near, far = borders[:, :-1, None], borders[:, 1:, None]
    cells = np.arange(GRID)
    covered = np.clip(np.minimum(far, cells + 1) - np.maximum(near, cells), 0.0, None)
    result: Array = (covered / (far - near)).astype(np.float32)
    return result

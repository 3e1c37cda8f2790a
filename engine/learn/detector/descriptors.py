"""Describes boxes of a picture by averages of its grid: what is in the box's nine parts, and around it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.detector.boxes import Corners, inside
from engine.learn.detector.maps import GRID, PictureMaps
from engine.learn.detector.reduction import Reduction

BINS = 3  # of each side
PARTS = BINS**2 + 2  # the bins, all of the box, and its surround less all of the box
AROUND = 1.8  # sides of the surround, in those of the box
LEAST = 0.75  # cells; a thinner box is widened
TOGETHER = 32  # boxes, so that their sums stay in the processor's cache
FORM = 5  # numbers that describe a box's own size: log width, log height, their squares and product

Array = NDArray[np.float32]
Rectangles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ground:
    """A picture, ready to be described.

    Attributes:
        grid: (GRID, GRID, F).
        totals: (GRID + 1, GRID + 1, F) sums of the grid above and left of each corner of cells.
        width: That the picture covers of the grid, cells.
        height: Likewise.
    """

    grid: Array
    totals: Array
    width: float
    height: float

    @property
    def unit(self) -> NDArray[np.float64]:
        """What corners in 0…1 of the picture are multiplied by to be in cells: (4,)."""
        return np.array([self.width, self.height, self.width, self.height])


def ground_of(picture: PictureMaps, reduction: Reduction) -> Ground:
    """Reduces a picture's maps and adds them up."""
    grid = reduction(picture)
    totals = np.zeros((GRID + 1, GRID + 1, grid.shape[2]), dtype=np.float32)
    np.cumsum(np.cumsum(grid, axis=0, dtype=np.float32), axis=1, out=totals[1:, 1:])
    return Ground(grid, totals, *picture.extent())


def described(ground: Ground, corners: Corners) -> Array:
    """Describes boxes.

    Args:
        ground: Of the picture.
        corners: (n, 4) in cells; they are cut to the picture.

    Returns:
        (n, PARTS · F + FORM).
    """
    boxes = inside(corners, ground.width, ground.height, least=LEAST)
    bins = _averages(ground.totals, boxes, BINS)
    whole = bins.mean(axis=1, keepdims=True)
    around = _averages(ground.totals, surround(boxes, ground.width, ground.height), 1) - whole
    parts = np.concatenate([bins, whole, around], axis=1).reshape(len(boxes), -1)
    return np.concatenate([parts, form(boxes)], axis=1)


def surround(boxes: Corners, width: float, height: float) -> Corners:
    """Widens boxes (n, 4) by AROUND about their middles, and cuts them to the picture."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) * (AROUND / 2)
    return inside(np.concatenate([middle - half, middle + half], axis=1), width, height, least=LEAST)


def form(boxes: Corners) -> Array:
    """Describes the sizes of boxes (n, 4): (n, FORM)."""
    sides = np.log(np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3) / 8.0)
    return np.stack([*sides.T, *(sides.T**2), sides[:, 0] * sides[:, 1]], axis=1).astype(np.float32)


def _averages(totals: Array, boxes: Corners, bins: int) -> Array:
    """Averages the grid in bins x bins equal parts of boxes (n, 4): (n, bins², F)."""
    shares = np.linspace(0.0, 1.0, bins + 1)
    columns = boxes[:, :1] + (boxes[:, 2:3] - boxes[:, :1]) * shares
    rows = boxes[:, 1:2] + (boxes[:, 3:4] - boxes[:, 1:2]) * shares
    sums = _summed(totals, rows, columns)
    parts = np.diff(np.diff(sums, axis=1), axis=2).reshape(len(boxes), bins * bins, -1)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / bins**2
    result: Array = parts / area.astype(np.float32)[:, None, None]
    return result


def _summed(totals: Array, rows: Rectangles, columns: Rectangles) -> Array:
    """Sums the grid above rows (n, r) and left of columns (n, c), between corners of cells linearly: (n, r, c, F)."""
    result = np.empty((*rows.shape, columns.shape[1], totals.shape[2]), dtype=np.float32)
    for start in range(0, len(rows), TOGETHER):
        part = slice(start, start + TOGETHER)
        _sum_some(totals, rows[part], columns[part], result[part])
    return result


def _sum_some(totals: Array, rows: Rectangles, columns: Rectangles, result: Array) -> None:
    top, left = (np.minimum(places.astype(np.intp), GRID - 1) for places in (rows, columns))
    down = (rows - top).astype(np.float32)[:, :, None, None]
    right = (columns - left).astype(np.float32)[:, None, :, None]
    flat, line = totals.reshape(-1, totals.shape[2]), totals.shape[1]
    place = top[:, :, None] * line + left[:, None, :]
    np.multiply(flat[place], (1 - down) * (1 - right), out=result)
    for step, share in ((1, (1 - down) * right), (line, down * (1 - right)), (line + 1, down * right)):
        corner = flat[place + step]
        corner *= share
        result += corner

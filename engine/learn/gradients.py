"""Shapes as histograms of the direction of edges.

Source: Dalal and Triggs, Histograms of oriented gradients for human detection, 2005; here a cell is normalised once, by
its neighbourhood, which keeps the features four times fewer.
"""

import numpy as np
from numpy.typing import NDArray

DIRECTIONS = 16  # light to dark and dark to light differ
STRENGTH_FLOOR = 4.0  # squared grey levels; keeps flat cells from becoming noise


def oriented_gradients(picture: NDArray[np.uint8], cell: int) -> NDArray[np.float32]:
    """Describes the edges of a picture (H, W, 3), H and W multiples of cell: (H/cell · W/cell · 16,)."""
    right, down = _strongest_gradient(picture.astype(np.float32))
    strength = np.hypot(right, down)
    turn = (np.arctan2(down, right) / (2 * np.pi) * DIRECTIONS) % DIRECTIONS
    lower = np.floor(turn)
    share = turn - lower
    below = lower.astype(np.intp) % DIRECTIONS  # rounding can give 16
    height, width = strength.shape
    planes = np.zeros((height, width, DIRECTIONS), np.float32)
    rows, columns = np.indices((height, width), sparse=True)
    planes[rows, columns, below] = strength * (1 - share)
    planes[rows, columns, (below + 1) % DIRECTIONS] = strength * share
    cells = planes.reshape(height // cell, cell, width // cell, cell, DIRECTIONS).mean(axis=(1, 3))
    scale = np.sqrt(_neighbourhood(np.sum(cells**2, axis=-1)) + STRENGTH_FLOOR)
    return (cells / scale[..., None]).astype(np.float32).ravel()


def _strongest_gradient(picture: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the slopes to the right and down (H, W) of the colour channel that is steepest at each pixel."""
    right, down = np.zeros_like(picture), np.zeros_like(picture)
    right[:, 1:-1] = picture[:, 2:] - picture[:, :-2]
    down[1:-1] = picture[2:] - picture[:-2]
    steepest = np.argmax(np.hypot(right, down), axis=-1)[..., None]
    return (
        np.take_along_axis(right, steepest, axis=-1)[..., 0],
        np.take_along_axis(down, steepest, axis=-1)[..., 0],
    )


def _neighbourhood(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Averages each cell (h, w) with its eight neighbours."""
    height, width = cells.shape
    padded = np.pad(cells, 1, mode="edge")
    total = sum(padded[row : row + height, column : column + width] for row in range(3) for column in range(3))
    return np.asarray(total, np.float32) / np.float32(9)

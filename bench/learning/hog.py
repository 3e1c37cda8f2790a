"""Histograms of oriented gradients; small and plain, for the reference row of `detect`.

Source: Dalal and Triggs, Histograms of oriented gradients for human detection, 2005; the four normalisations of a cell
side by side as Felzenszwalb et al., Object detection with discriminatively trained part-based models, 2010.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

CELL: Final = 8  # px
BINS: Final = 9  # of unsigned orientation
CHANNELS: Final = 4 * BINS
_CLIPPED: Final = 0.2

Array = NDArray[np.float32]


def hog(pixels: NDArray[np.uint8]) -> Array:
    """Maps a picture (H, W, 3), of at least a cell, to (H // CELL, W // CELL, CHANNELS)."""
    magnitude, orientation = _gradients(pixels.astype(np.float32))
    rows, columns = magnitude.shape[0] // CELL, magnitude.shape[1] // CELL
    votes = np.empty((rows, columns, BINS), dtype=np.float32)
    for number in range(BINS):
        away = np.abs(orientation - number)
        share = np.maximum(1.0 - np.minimum(away, BINS - away), 0.0) * magnitude
        cells = share[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)
        votes[..., number] = cells.sum(axis=(1, 3))
    return _normalised(votes)


def _gradients(pixels: Array) -> tuple[Array, Array]:
    """Returns magnitude and orientation (H, W), 0…BINS, of the channel that changes most."""
    down, across = np.zeros_like(pixels), np.zeros_like(pixels)
    down[1:-1] = pixels[2:] - pixels[:-2]
    across[:, 1:-1] = pixels[:, 2:] - pixels[:, :-2]
    squared = down**2 + across**2
    most = np.argmax(squared, axis=2)[..., None]
    down, across, squared = (np.take_along_axis(each, most, axis=2)[..., 0] for each in (down, across, squared))
    return np.sqrt(squared), np.asarray(np.arctan2(down, across) % np.pi * (BINS / np.pi), dtype=np.float32)


def _normalised(votes: Array) -> Array:
    """Divides the votes (h, w, BINS) of each cell by the lengths of the four blocks of 2 by 2 cells around it."""
    energy = np.pad((votes**2).sum(axis=2), 1, mode="edge")
    blocks = energy[:-1, :-1] + energy[1:, :-1] + energy[:-1, 1:] + energy[1:, 1:]
    lengths = np.sqrt(blocks) + 1.0
    corners = (lengths[:-1, :-1], lengths[:-1, 1:], lengths[1:, :-1], lengths[1:, 1:])
    return np.concatenate([np.minimum(votes / length[..., None], _CLIPPED) for length in corners], axis=2)

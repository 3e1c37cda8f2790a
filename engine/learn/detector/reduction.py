"""Makes the maps of a backbone small and comparable: a few numbers at every cell of one grid."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.detector.maps import GRID, PictureMaps

COMPONENTS = 48  # of each map, at most
WHITENING = 0.25  # a component of variance v is divided by v to this power: 0.5 would make all equally strong
LOCATIONS = 128  # of a map that are looked at
SAMPLED = 16_384  # locations of all pictures together

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Projection:
    """What becomes of the channels of one map.

    Attributes:
        mean: (C,) of the locations.
        axes: (C, d) directions of most variance, scaled.
    """

    mean: Array
    axes: Array

    def __call__(self, rows: Array) -> Array:
        """Maps rows (n, C) to directions (n, d) of length 1."""
        small: Array = np.asarray(rows - self.mean) @ self.axes
        small /= np.maximum(np.linalg.norm(small, axis=1, keepdims=True), np.float32(1e-6))
        return small


@dataclass(frozen=True, slots=True)
class Reduction:
    """Turns maps into one grid.

    Attributes:
        projections: Stride -> what becomes of its map.
    """

    projections: dict[int, Projection]

    @property
    def width(self) -> int:
        """F, how many numbers a cell of the grid has."""
        return sum(projection.axes.shape[1] for projection in self.projections.values())

    def __call__(self, picture: PictureMaps) -> Array:
        """Returns the grid (GRID, GRID, F) of a picture's maps.

        Raises:
            ValueError: The maps are not of the backbone that the reduction was made for.
        """
        layers = []
        for stride, projection in self.projections.items():
            stored = picture.maps.get(stride)
            if stored is None or len(stored) != len(projection.mean):
                raise ValueError(f"there is no map of {len(projection.mean)} channels at stride {stride}")
            channels, rows, columns = stored.shape
            small = projection(stored.reshape(channels, -1).T.astype(np.float32)).reshape(rows, columns, -1)
            layers.append(_stretched(_stretched(small, GRID).transpose(1, 0, 2), GRID).transpose(1, 0, 2))
        return np.concatenate(layers, axis=2)


def fit_reduction(pictures: Iterable[PictureMaps], rng: np.random.Generator) -> Reduction:
    """Finds the directions in which the maps of some pictures vary most.

    Memory: SAMPLED locations of each map.

    Args:
        pictures: Some pictures, at least one; those after the first SAMPLED / LOCATIONS are left alone.
        rng: Chooses the locations.
    """
    taken: dict[int, list[Array]] = {}
    for number, picture in enumerate(pictures):
        if number == SAMPLED // LOCATIONS:
            break
        for stride, stored in sorted(picture.maps.items()):
            taken.setdefault(stride, []).append(_some(stored, picture, rng))
    return Reduction({stride: _principal(np.concatenate(rows)) for stride, rows in taken.items()})


def _some(stored: NDArray[np.float16], picture: PictureMaps, rng: np.random.Generator) -> Array:
    """Draws locations (n, C) that the picture covers."""
    channels, rows, columns = stored.shape
    width, height = picture.extent()
    covered = stored[:, : max(1, int(height * rows / GRID)), : max(1, int(width * columns / GRID))].reshape(
        channels, -1
    )
    chosen = rng.choice(covered.shape[1], min(LOCATIONS, covered.shape[1]), replace=False)
    return covered[:, np.sort(chosen)].T.astype(np.float32)


def _principal(rows: Array) -> Projection:
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    around = rows - mean
    values, vectors = np.linalg.eigh(around.T @ around / np.float32(len(rows)))
    values, vectors = values[::-1][:COMPONENTS], vectors[:, ::-1][:, :COMPONENTS]
    used = values > 1e-6 * max(float(values[0]), 1e-12)
    axes = vectors[:, used] / values[used] ** WHITENING if np.any(used) else vectors[:, :1]
    return Projection(mean, np.ascontiguousarray(axes, dtype=np.float32))


def _stretched(layer: Array, length: int) -> Array:
    """Resamples the first axis of (n, …) to a length, linearly between the middles of cells."""
    count = len(layer)
    if count == length:
        return layer
    place = np.clip((np.arange(length) + 0.5) * count / length - 0.5, 0, count - 1)
    before = np.minimum(place.astype(np.intp), max(count - 2, 0))
    share = (place - before).astype(np.float32).reshape(-1, *[1] * (layer.ndim - 1))
    result: Array = layer[before] * (1 - share) + layer[np.minimum(before + 1, count - 1)] * share
    return result

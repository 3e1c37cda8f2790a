"""Makes descriptors shorter for fitting; what is fitted is then written in terms of the whole descriptors."""

from dataclasses import dataclass

import numpy as np

from engine.learn.detector.descriptors import PARTS, Array
from engine.learn.detector.softmax import Layer

COMPONENTS = 400
WHITENING = 0.25  # as in `engine.learn.detector.reduction`


@dataclass(frozen=True, slots=True)
class Compression:
    """An affine map of descriptors, whose rows have a mean square length of 1 afterwards.

    Attributes:
        mean: (D,).
        axes: (D, d).
    """

    mean: Array
    axes: Array

    def __call__(self, rows: Array) -> Array:
        """Maps descriptors (n, D) to (n, d)."""
        result: Array = np.asarray(rows - self.mean) @ self.axes
        return result

    def unfolded(self, layer: Layer) -> tuple[Array, Array]:
        """Makes of a layer over short rows the weights (D, k) and the bias (k,) of one over descriptors."""
        weights = self.axes.astype(np.float64) @ layer.weights
        return weights.astype(np.float32), (layer.bias - self.mean.astype(np.float64) @ weights).astype(np.float32)


def fit_compression(rows: Array, form: int) -> Compression:
    """Finds the directions in which descriptors (n, D) vary most.

    The last `form` numbers, a box's own size, are in another unit: each is given as much variance as a part of the box.

    Args:
        rows: (n, D).
        form: How many of D are a box's own size.
    """
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    around = rows - mean
    spread = around.std(axis=0, dtype=np.float64)
    scale = np.ones(rows.shape[1], dtype=np.float32)
    usual = float(np.sqrt(np.sum(spread[:-form] ** 2) / PARTS))
    scale[-form:] = usual / np.maximum(spread[-form:], 1e-6)
    around *= scale
    values, vectors = _principal(around)
    axes = vectors / values**WHITENING
    length = float(np.sum(values ** (1 - 2 * WHITENING)))
    return Compression(mean, (scale[:, None] * axes / np.sqrt(length)).astype(np.float32))


def _principal(around: Array) -> tuple[Array, Array]:
    """Returns the largest variances (d,) and their directions (D, d)."""
    count, width = around.shape
    if count < width:
        values, left = np.linalg.eigh(around @ around.T / np.float32(count))
        values, left = values[::-1][:COMPONENTS], left[:, ::-1][:, :COMPONENTS]
        used = values > 1e-5 * float(values[0])
        values, left = values[used], left[:, used]
        return values, around.T.astype(np.float64) @ left / np.sqrt(values * count)
    values, vectors = np.linalg.eigh(around.T @ around / np.float32(count))
    values, vectors = values[::-1][:COMPONENTS], vectors[:, ::-1][:, :COMPONENTS]
    used = values > 1e-5 * float(values[0])
    return values[used], vectors[:, used]

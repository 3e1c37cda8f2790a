"""One layer that tells labels and background from descriptors of boxes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.detector.lbfgs import Vector, minimum

Rows = NDArray[np.float32]

STEPS = 50


@dataclass(frozen=True, slots=True)
class Layer:
    """An affine map.

    Attributes:
        weights: (D, k).
        bias: (k,).
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Examples:
    """Descriptors of boxes and what they show.

    Attributes:
        rows: (n, D).
        wanted: (n, k) shares of the labels, background last; each row sums to 1.
        weights: (n,) how much each counts; they sum to 1.
    """

    rows: Rows
    wanted: Rows
    weights: Rows


def fit_softmax(examples: Examples, penalty: float) -> Layer:
    """Fits a softmax layer by weighted cross-entropy plus penalty / 2 · |weights|².

    Args:
        examples: n rows of D numbers, k classes.
        penalty: Above 0.
    """
    width, classes = examples.rows.shape[1], examples.wanted.shape[1]

    def loss(point: Vector) -> tuple[float, Vector]:
        return softmax_loss(point, examples, penalty)

    start = np.zeros((width + 1) * classes)
    start[width * classes :] = np.log(examples.weights @ examples.wanted + 1e-6)
    point = minimum(loss, start, steps=STEPS, tolerance=1e-5)
    return Layer(point[: width * classes].reshape(width, classes), point[width * classes :])


def softmax_loss(point: Vector, examples: Examples, penalty: float) -> tuple[float, Vector]:
    """Returns the loss of `fit_softmax` and its gradient at a point ((D + 1) · k,): weights, then bias."""
    rows, wanted = examples.rows, examples.wanted
    width, classes = rows.shape[1], wanted.shape[1]
    weights, bias = point[: width * classes].reshape(width, classes), point[width * classes :]
    scores = rows @ weights.astype(np.float32) + bias.astype(np.float32)
    scores -= scores.max(axis=1, keepdims=True)
    likely = np.exp(scores)
    sums = likely.sum(axis=1, keepdims=True)
    likely /= sums
    each = np.log(sums[:, 0]) - np.sum(wanted * scores, axis=1)
    value = float(np.dot(examples.weights.astype(np.float64), each)) + penalty / 2 * float(np.sum(weights**2))
    off = (likely - wanted) * examples.weights[:, None]
    slope = (rows.T @ off).astype(np.float64) + penalty * weights
    return value, np.concatenate([slope.ravel(), off.sum(axis=0, dtype=np.float64)])


def probabilities(scores: Rows) -> Rows:
    """Maps scores (n, k) to shares (n, k) whose rows sum to 1."""
    raised: Rows = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Rows = raised / raised.sum(axis=1, keepdims=True)
    return result

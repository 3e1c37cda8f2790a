"""Heads: linear classifiers over a backbone's features, fitted in closed form.

Features stay in float32 and sums over them are in float64, a piece at a time, so that 20,000 pictures fit in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

TINY = 1e-12
PIECE = 2048  # pictures that are widened to float64 at a time

Features = NDArray[np.float32]
Wide = NDArray[np.float64]
Targets = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class LinearRule:
    """Scores pictures by one linear function a label, over normalised features.

    Attributes:
        centre: (D,) mean of the support's features after root and length were taken.
        weights: (D, k).
        bias: (k,).
    """

    centre: Wide
    weights: Wide
    bias: Wide

    def scores(self, features: Features) -> Wide:
        """Maps features (n, D) to scores (n, k)."""
        rows = centred(rooted(features), self.centre)
        return np.concatenate([piece @ self.weights for piece in pieces(rows)]) + self.bias


class Head(Protocol):
    """Fits a linear rule to labelled features."""

    @property
    def name(self) -> str: ...

    def fit(self, features: Features, targets: Targets, classes: int) -> LinearRule:
        """Fits features (n, D) to targets (n,) in 0…classes-1; each class has at least one picture."""
        ...


@dataclass(frozen=True, slots=True)
class LdaHead:
    """Linear discriminant analysis whose pooled covariance is shrunk towards a sphere.

    Labels are taken to be equally frequent. Source: Friedman, Regularized Discriminant Analysis, 1989.

    Attributes:
        shrinkage: Above 0, which trusts the covariance, to 1, which is nearest mean.
    """

    shrinkage: float = 0.2

    @property
    def name(self) -> str:
        """The name in `HEADS`."""
        return "lda"

    def fit(self, features: Features, targets: Targets, classes: int) -> LinearRule:
        """Fits features (n, D) to targets (n,) in 0…classes-1."""
        rows, centre = normalised(features)
        means = class_means(rows, targets, classes)
        weights = solve_shrunk(rows, targets, means, means.T, self.shrinkage)
        return LinearRule(centre, weights, -0.5 * np.sum(means.T * weights, axis=0))


@dataclass(frozen=True, slots=True)
class RidgeHead:
    """Least squares to ±1 targets; the penalty is the one with the least leave-one-out error.

    Source: Rifkin and Lippert, Notes on Regularized Least Squares, 2007 (leave-one-out in closed form).
    """

    @property
    def name(self) -> str:
        """The name in `HEADS`."""
        return "ridge"

    def fit(self, features: Features, targets: Targets, classes: int) -> LinearRule:
        """Fits features (n, D) to targets (n,) in 0…classes-1."""
        unit, centre = normalised(features)
        offset = unit.mean(axis=0, dtype=np.float64)
        rows = unit - offset
        wanted = np.where(targets[:, None] == np.arange(classes), 1.0, -1.0)
        middle = wanted.mean(axis=0)
        weights = _ridge(rows, wanted - middle)
        return LinearRule(centre, weights, middle - offset @ weights)


HEADS: dict[str, Head] = {"lda": LdaHead(), "ridge": RidgeHead()}
PENALTIES = np.logspace(-4, 2, 13)


def rooted(features: Features) -> Features:
    """Takes the signed square root of each feature and scales rows (n, D) to length 1."""
    rows = np.abs(features)
    np.sqrt(rows, out=rows)
    np.copysign(rows, features, out=rows)
    return _to_unit_length(rows)


def centred(rows: Features, centre: Wide) -> Features:
    """Moves rows (n, D) so that centre becomes the origin, and scales them to length 1."""
    return _to_unit_length(rows - centre.astype(np.float32))


def class_means(rows: Features, targets: Targets, classes: int) -> Wide:
    """Averages rows (n, D) by class to (classes, D)."""
    return np.stack([rows[targets == number].mean(axis=0, dtype=np.float64) for number in range(classes)])


def gram(rows: Features) -> Wide:
    """Returns rowsᵀ rows (D, D) of rows (n, D), summed in float64."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for piece in pieces(rows):
        total += piece.T @ piece
    return total


def normalised(features: Features) -> tuple[Features, Wide]:
    """Returns rows (n, D) as `LinearRule` takes them, rooted and around their centre (D,), and the centre."""
    rows = rooted(features)
    centre = rows.mean(axis=0, dtype=np.float64)
    return centred(rows, centre), centre


def solve_shrunk(rows: Features, targets: Targets, means: Wide, right: Wide, shrinkage: float) -> Wide:
    """Solves C x = right (D, k), where C is the covariance of rows within their classes, shrunk towards a sphere.

    Args:
        rows: (n, D).
        targets: (n,) numbers of classes.
        means: (classes, D) of the rows of each class.
        right: (D, k).
        shrinkage: Above 0, which trusts the covariance, to 1, which is a sphere.
    """
    count, width = rows.shape
    freedom = max(count - len(means), 1)
    if width <= count:
        sizes = np.bincount(targets, minlength=len(means))
        scatter = gram(rows) - (means.T * sizes) @ means
        scale, sphere = _shares(shrinkage, float(np.trace(scatter)), freedom, width)
        solution: Wide = np.linalg.solve(scale * scatter + sphere * np.eye(width), right)
        return solution
    within = rows - means[targets]
    scale, sphere = _shares(shrinkage, float(np.sum(within**2)), freedom, width)
    return _solve_through_pictures(within, scale, sphere, right)


def _shares(shrinkage: float, scatter: float, freedom: int, width: int) -> tuple[float, float]:
    """Returns the factors of the scatter matrix and of the identity in the shrunk covariance."""
    variance = scatter / (freedom * width)
    if variance < TINY:  # equal pictures within each label tell nothing about spread: nearest mean
        return 0.0, 1.0
    return (1 - shrinkage) / freedom, shrinkage * variance


def _to_unit_length(rows: Features) -> Features:
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(TINY))
    return rows


def pieces(rows: Features) -> Iterator[Wide]:
    """Widens rows (n, D) to float64, some at a time."""
    for start in range(0, len(rows), PIECE):
        yield rows[start : start + PIECE].astype(np.float64)


def _solve_through_pictures(rows: Wide, scale: float, ridge: float, right: Wide) -> Wide:
    """Solves (scale · rowsᵀ rows + ridge · I) x = right (D, k) for fewer rows than D, by Woodbury's identity."""
    small = scale * (rows @ rows.T) + ridge * np.eye(len(rows))
    weights: Wide = (right - scale * (rows.T @ np.linalg.solve(small, rows @ right))) / ridge
    return weights


def _ridge(rows: Wide, wanted: Wide) -> Wide:
    """Fits centred rows (n, D) to centred targets (n, k); returns weights (D, k)."""
    count, width = rows.shape
    dual = width > count
    values, vectors = np.linalg.eigh(rows @ rows.T if dual else rows.T @ rows)
    keep = values > 1e-10 * max(float(values[-1]), TINY)
    values, vectors = values[keep], vectors[:, keep]
    # left: (n, r) singular vectors; what is fitted is left · diag(values / (values + penalty)) · leftᵀ · wanted
    left = vectors if dual else (rows @ vectors) / np.sqrt(values)
    projected = left.T @ wanted
    penalties = PENALTIES * float(np.mean(np.sum(rows**2, axis=1)))
    errors = [_leave_one_out_error(left, values, projected, wanted, penalty) for penalty in penalties]
    penalty = penalties[int(np.argmin(errors))]
    right = (rows.T @ left) / np.sqrt(values) if dual else vectors
    weights: Wide = right @ (projected * (np.sqrt(values) / (values + penalty))[:, None])
    return weights


def _leave_one_out_error(left: Wide, values: Wide, projected: Wide, wanted: Wide, penalty: float) -> float:
    kept = values / (values + penalty)
    residual = wanted - left @ (kept[:, None] * projected)
    leverage = left**2 @ kept + 1.0 / len(wanted)  # 1/n is the part of the mean
    return float(np.mean((residual / np.maximum(1.0 - leverage, 1e-6)[:, None]) ** 2))

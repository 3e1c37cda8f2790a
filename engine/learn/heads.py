"""Heads: linear classifiers over a backbone's features, fitted in closed form."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

TINY = 1e-12


@dataclass(frozen=True, slots=True)
class LinearRule:
    """Scores pictures by one linear function a label, over normalised features.

    Attributes:
        centre: (D,) mean of the support's features after root and length were taken.
        weights: (D, k).
        bias: (k,).
    """

    centre: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Maps features (n, D) to scores (n, k)."""
        return centred(rooted(features), self.centre) @ self.weights + self.bias


class Head(Protocol):
    """Fits a linear rule to labelled features."""

    @property
    def name(self) -> str: ...

    def fit(self, features: NDArray[np.float32], targets: NDArray[np.intp], classes: int) -> LinearRule:
        """Fits features (n, D) to targets (n,) in 0…classes-1; each class has at least one picture."""
        ...


def rooted(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Takes the signed square root of each feature and scales rows (n, D) to length 1."""
    wide = np.asarray(features, dtype=np.float64)
    return _unit(np.sign(wide) * np.sqrt(np.abs(wide)))


def centred(rows: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moves rows (n, D) so that centre becomes the origin, and scales them to length 1."""
    return _unit(rows - centre)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    length: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(length, TINY)


def class_means(rows: NDArray[np.float64], targets: NDArray[np.intp], classes: int) -> NDArray[np.float64]:
    """Averages rows (n, D) by class to (classes, D)."""
    member = targets[None, :] == np.arange(classes)[:, None]
    means: NDArray[np.float64] = (member @ rows) / np.maximum(member.sum(axis=1, keepdims=True), 1)
    return means


@dataclass(frozen=True, slots=True)
class LdaHead:
    """Linear discriminant analysis whose pooled covariance is shrunk towards a sphere.

    Labels are taken to be equally frequent. Source: Friedman, Regularized Discriminant Analysis, 1989.

    Attributes:
        shrinkage: 0 trusts the covariance, 1 is nearest mean.
    """

    shrinkage: float = 0.2
    name: str = "lda"

    def fit(self, features: NDArray[np.float32], targets: NDArray[np.intp], classes: int) -> LinearRule:
        """Fits features (n, D) to targets (n,) in 0…classes-1."""
        rows = rooted(features)
        centre = rows.mean(axis=0)
        rows = centred(rows, centre)
        means = class_means(rows, targets, classes)
        within = rows - means[targets]
        count, width = within.shape
        variance = float(np.sum(within**2)) / (count * width)
        if variance < TINY:  # one picture a label: no spread to learn from, so nearest mean
            weights = means.T
        else:
            weights = solve_shrunk(within, (1 - self.shrinkage) / count, self.shrinkage * variance, means.T)
        return LinearRule(centre, weights, -0.5 * np.sum(means.T * weights, axis=0))


def solve_shrunk(
    rows: NDArray[np.float64], scale: float, ridge: float, right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Solves (scale · rowsᵀ rows + ridge · I) x = right, through the smaller of (D, D) and (n, n).

    Args:
        rows: (n, D).
        scale: Factor of the Gram matrix.
        ridge: Added to the diagonal; above 0.
        right: (D, k).
    """
    count, width = rows.shape
    if width <= count:
        return np.linalg.solve(scale * (rows.T @ rows) + ridge * np.eye(width), right)
    # Woodbury: the (D, D) inverse through an (n, n) one.
    small = scale * (rows @ rows.T) + ridge * np.eye(count)
    return (right - scale * (rows.T @ np.linalg.solve(small, rows @ right))) / ridge


@dataclass(frozen=True, slots=True)
class RidgeHead:
    """Least squares to ±1 targets; the penalty is the one with the least leave-one-out error.

    Source: Rifkin and Lippert, Notes on Regularized Least Squares, 2007 (leave-one-out in closed form).
    """

    name: str = "ridge"

    def fit(self, features: NDArray[np.float32], targets: NDArray[np.intp], classes: int) -> LinearRule:
        """Fits features (n, D) to targets (n,) in 0…classes-1."""
        rows = rooted(features)
        centre = rows.mean(axis=0)
        rows = centred(rows, centre)
        offset = rows.mean(axis=0)
        rows -= offset
        wanted = np.where(targets[:, None] == np.arange(classes), 1.0, -1.0)
        middle = wanted.mean(axis=0)
        weights = _ridge(rows, wanted - middle)
        return LinearRule(centre, weights, middle - offset @ weights)


PENALTIES = np.logspace(-4, 2, 13)


def _ridge(rows: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fits centred rows (n, D) to centred targets (n, k); returns weights (D, k)."""
    count, width = rows.shape
    dual = width > count
    values, vectors = np.linalg.eigh(rows @ rows.T if dual else rows.T @ rows)
    values = np.maximum(values, 0.0)
    # basis: (n, r), such that the fitted values are basis · diag(v / (v + λ)) · basisᵀ · wanted
    keep = values > TINY * max(float(values[-1]), TINY)
    values, vectors = values[keep], vectors[:, keep]
    basis = vectors if dual else (rows @ vectors) / np.sqrt(values)
    projected = basis.T @ wanted
    penalties = PENALTIES * float(np.mean(np.sum(rows**2, axis=1)))
    errors = [_leave_one_out_error(basis, values, projected, wanted, penalty) for penalty in penalties]
    penalty = penalties[int(np.argmin(errors))]
    weights: NDArray[np.float64]
    if dual:
        weights = rows.T @ (basis @ (projected / (values + penalty)[:, None]))
    else:
        weights = vectors @ (projected * (np.sqrt(values) / (values + penalty))[:, None])
    return weights


def _leave_one_out_error(
    basis: NDArray[np.float64],
    values: NDArray[np.float64],
    projected: NDArray[np.float64],
    wanted: NDArray[np.float64],
    penalty: float,
) -> float:
    kept = values / (values + penalty)
    residual = wanted - basis @ (kept[:, None] * projected)
    leverage = basis**2 @ kept + 1.0 / len(wanted)  # 1/n is the mean's part
    return float(np.mean((residual / np.maximum(1.0 - leverage, 1e-6)[:, None]) ** 2))


HEADS: dict[str, Head] = {"lda": LdaHead(), "ridge": RidgeHead()}

"""Heads: linear classifiers over a backbone's features, fitted in closed form."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.learn.ahead import worked_ahead
from engine.learn.cholesky import Cholesky
from engine.learn.folds import stratified_folds
from engine.learn.rows import Rows, as_rows
from engine.learn.support import TINY, Moments, Piece, Support, Targets, Wide, distinct, rooted, to_unit_length

Features = NDArray[np.float32]
Kind = type[np.float32] | type[np.float64]


@dataclass(frozen=True, slots=True)
class LinearRule:
    """Scores pictures by one linear function a label, over the signed roots of their features at length 1.

    Attributes:
        weights: (D, k).
        bias: (k,).
        centre: (D,) what was taken off before length 1 was made again, by rules of schema 2 and older; now None.
    """

    weights: Wide
    bias: Wide
    centre: Wide | None = None

    def scores(self, features: Features | Rows) -> Wide:
        """Maps features (n, D) to scores (n, k)."""
        return np.concatenate([self._scores(piece) for piece in as_rows(features).pieces()])

    def _scores(self, features: Features) -> Wide:
        rows = rooted(features)
        if self.centre is not None:
            rows = to_unit_length(rows - self.centre.astype(np.float32))
        return rows.astype(np.float64) @ self.weights + self.bias


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A rule over a support's coordinates, and what it makes of some pictures.

    Attributes:
        weights: (r, k).
        bias: (k,), of means that are taken to be exact.
        want: (k,) by how much a label's bias is too low, in units of the squared distance of a picture from its label.
        lengths: (m,) squared lengths of the pictures asked for, where the covariance is a sphere of radius 1.
    """

    weights: Wide
    bias: Wide
    want: Wide
    lengths: Wide

    def scores(self, rows: NDArray[np.floating], distance: float) -> Wide:
        """Maps coordinates (m, r) to scores (m, k).

        The mean of n pictures lies off the true one by 1/n of a picture's squared distance from it, and looks longer
        than it is, so that a label with few pictures would be chosen too seldom. Source: Moran and Murphy, A Closer
        Look at Two Alternative Methods of Statistical Discrimination, 1979.

        Args:
            rows: Of the support.
            distance: Mean squared distance of a picture from its label's true mean.
        """
        return rows @ self.weights.astype(rows.dtype) + self.settled(distance)

    def settled(self, distance: float) -> Wide:
        """Returns the bias (k,) of means that are not exact."""
        return self.bias + 0.5 * distance * self.want


class Head(Protocol):
    """Fits a linear rule to labelled pictures.

    Attributes:
        name: The name that a stored classifier has of it.
    """

    @property
    def name(self) -> str: ...

    def solve(self, moments: Moments, width: int, rows: NDArray[np.floating], kind: Kind = np.float64) -> Solution:
        """Fits a rule to sums over pictures in r of D = width coordinates; measures pictures (m, r) on the way.

        Its system is solved in numbers of a kind.
        """
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

    def solve(self, moments: Moments, width: int, rows: NDArray[np.floating], kind: Kind = np.float64) -> Solution:
        """Fits a rule to sums over pictures; see `Head`."""
        means = moments.sums / np.maximum(moments.members, 1)[:, None]
        between = (means.T * moments.members) @ means
        scatter = np.subtract(moments.scatter, between, out=between)
        freedom = max(moments.rows - len(means), 1)
        covariance = shrunk(scatter, freedom, width, self.shrinkage, kind)
        halves = covariance.half_solved(np.hstack([means.T, rows.T]))
        weights = covariance.solved(halves[:, : len(means)]).astype(np.float64)
        lengths = np.sum(halves[:, len(means) :] ** 2, axis=0, dtype=np.float64)
        want = (moments.pictures > 0) / np.maximum(moments.pictures, 1)
        return Solution(weights, -0.5 * np.sum(means.T * weights, axis=0), want, lengths)

    def fit(self, features: Features | Rows, targets: Targets, classes: int) -> LinearRule:
        """Fits features (n, D) to targets (n,) in 0…classes-1, each of at least one picture."""
        return cross_fit(self, Support(features, targets, classes), stratified_folds(targets)).rule


HEADS: dict[str, LdaHead] = {"lda": LdaHead()}


@dataclass(frozen=True, slots=True, eq=False)
class CrossFit:
    """A rule of all pictures, and what rules that have not seen a picture say of it.

    Attributes:
        rule: Fitted to all.
        scores: (n, k) of each picture.
        moments: Of all pictures.
        support: The pictures.
    """

    rule: LinearRule
    scores: Wide
    moments: Moments
    support: Support


def cross_fit(
    head: Head, support: Support, folds: NDArray[np.intp], on_fold: Callable[[float], None] = lambda _: None
) -> CrossFit:
    """Fits a rule to all pictures, and one to all but each fold's, for the price of one reading of the features.

    With more pictures than features the systems of the folds are solved in float32: their rules only judge pictures.

    Args:
        head: What is fitted.
        support: The pictures.
        folds: (n,) number of the fold of each picture, 0…f-1; its views go with it.
        on_fold: Told the share of rules that are done.
    """
    parts, probes = support.moments(folds)
    whole = sum(parts[1:], parts[0])
    nothing = probes[0].rows[:0]
    kind: Kind = np.float64 if support.exact else np.float32

    def solved(fold: int | None) -> Solution:
        if fold is None:
            return head.solve(whole, support.width, nothing)
        return head.solve(whole - parts[fold], support.width, probes[fold].rows, kind)

    solutions = []
    for solution in worked_ahead(solved, [None, *range(len(parts))]):
        solutions.append(solution)
        on_fold(len(solutions) / (len(parts) + 1))
    final, *solutions = solutions
    distance = _distance(solutions, probes, support)
    scores = np.empty((support.count, support.labels))

    def score(piece: Piece) -> None:
        of = folds[piece.pictures]
        for fold in distinct(of):
            scores[piece.pictures[of == fold]] = solutions[fold].scores(piece.rows[of == fold], distance)

    for _ in worked_ahead(score, support.pieces()):
        pass
    rule = LinearRule(*support.unfolded(final.weights, final.settled(distance)))
    return CrossFit(rule, scores, whole, support)


def _distance(solutions: list[Solution], probes: list[Piece], support: Support) -> float:
    """Returns the mean squared distance of pictures from their labels' true means, measured on unseen ones."""
    found, expected = 0.0, 0.0
    for solution, probe in zip(solutions, probes, strict=True):
        own = support.members(probe.pictures) & (solution.want > 0)
        scores = probe.rows @ solution.weights + solution.bias
        found += float(np.sum((solution.lengths[:, None] - 2.0 * scores) * own))
        expected += float(np.sum((1.0 + solution.want) * own))
    return max(found / expected, 0.0) if expected else 0.0


def shrunk(scatter: Wide, freedom: int, width: int, shrinkage: float, kind: Kind) -> Cholesky:
    """Takes apart the covariance of a scatter matrix (r, r) in r of width coordinates, shrunk towards a sphere.

    Pictures that are all but equal within each label tell nothing about spread: theirs is the sphere of radius 1, which
    makes nearest mean of the rule.

    Args:
        scatter: Sum of squares around the means; overwritten, because it is large.
        freedom: Rows less means.
        width: Coordinates, of which those that scatter lacks are 0.
        shrinkage: Above 0, which trusts the covariance, to 1, which is a sphere.
        kind: Of the numbers of the result.
    """
    variance = float(np.trace(scatter)) / (freedom * width)
    if variance >= TINY:
        scatter *= (1 - shrinkage) / freedom
        scatter[np.diag_indices_from(scatter)] += shrinkage * variance
        with suppress(np.linalg.LinAlgError):  # rounding outweighs what pictures differ by
            return Cholesky.of(scatter.astype(kind, copy=False))
    return Cholesky(np.eye(len(scatter), dtype=kind))

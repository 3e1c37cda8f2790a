"""A linear classifier a label over a backbone's features, for pictures that have any number of labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.heads import Kind, Solution, shrunk
from engine.learn.support import TINY, Moments

ONE_VS_REST = "lda-one-vs-rest"


@dataclass(frozen=True, slots=True)
class OneVsRestHead:
    """Discriminant analysis of each label's pictures against all others, all labels at the cost of one.

    A label's covariance within its two classes is that of all pictures less what the distance between the two means
    adds. It can therefore be left out of the system of equations, which is one for all labels, and be put into the
    length of each solution (Sherman and Morrison, 1950). Both classes of a label are taken to be equally frequent.

    Attributes:
        shrinkage: Above 0, which trusts the covariance, to 1, which is nearest mean.
    """

    shrinkage: float = 0.4

    @property
    def name(self) -> str:
        """The name that a stored classifier has of it."""
        return ONE_VS_REST

    def solve(self, moments: Moments, width: int, rows: NDArray[np.floating], kind: Kind = np.float64) -> Solution:
        """Fits a rule to sums over pictures; see `engine.learn.heads.Head`.

        A label that all pictures have, or none, gets the score 0.
        """
        count, have = moments.rows, moments.members
        with_label = moments.sums / np.maximum(have, 1)[:, None]
        without = (moments.total - moments.sums) / np.maximum(count - have, 1)[:, None]
        apart = np.where(((have > 0) & (have < count))[:, None], with_label - without, 0.0)
        outer = np.outer(moments.total, moments.total / count)
        scatter = np.subtract(moments.scatter, outer, out=outer)
        covariance = shrunk(scatter, max(count - 1, 1), width, self.shrinkage, kind)
        weights = covariance.solved(covariance.half_solved(apart.T)).astype(np.float64)
        between = have * (count - have) / (count * max(count - 1, 1))
        inside = 1.0 - (1.0 - self.shrinkage) * between * np.sum(apart.T * weights, axis=0)
        weights /= np.maximum(inside, TINY)
        bias = -0.5 * np.sum((with_label + without).T * weights, axis=0)
        return Solution(weights, bias, np.zeros(len(bias)), np.zeros(len(rows)))

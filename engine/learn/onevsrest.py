"""A linear classifier a label over a backbone's features, for pictures that have any number of labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.heads import TINY, Features, LinearRule, Wide, normalised, pieces, solve_shrunk

ONE_VS_REST = "lda-one-vs-rest"

Members = NDArray[np.bool_]


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

    def fit(self, features: Features, members: Members) -> LinearRule:
        """Fits features (n, D) to members (n, k), which say whether a picture has a label.

        A label that all pictures have, or none, gets the score 0.
        """
        rows, centre = normalised(features)
        count, have = len(rows), members.sum(axis=0)
        middle = rows.mean(axis=0, dtype=np.float64)
        sums = _sums(rows, members)
        with_label = sums / np.maximum(have, 1)[:, None]
        without = (count * middle - sums) / np.maximum(count - have, 1)[:, None]
        apart = np.where(((have > 0) & (have < count))[:, None], with_label - without, 0.0)
        weights = solve_shrunk(rows, np.zeros(count, dtype=np.intp), middle[None], apart.T, self.shrinkage)
        between = have * (count - have) / (count * max(count - 1, 1))
        inside = 1.0 - (1.0 - self.shrinkage) * between * np.sum(apart.T * weights, axis=0)
        weights /= np.maximum(inside, TINY)
        return LinearRule(centre, weights, -0.5 * np.sum((with_label + without).T * weights, axis=0))


def _sums(rows: Features, members: Members) -> Wide:
    """Adds up the rows (n, D) of each label: (k, D)."""
    total, start = np.zeros((members.shape[1], rows.shape[1])), 0
    for piece in pieces(rows):
        total += members[start : start + len(piece)].T.astype(np.float64) @ piece
        start += len(piece)
    return total

"""Tells how unlike all labels a picture is: by its distance from the nearest label's mean picture."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.ahead import worked_ahead
from engine.learn.support import TINY, Moments, Piece, Support, rooted

LEAST_SPREAD = 0.05  # of the logarithm of squared distances; training pictures that are all equal tell nothing of it


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """Compares a picture's distance with those that pictures of the labels usually have.

    The distance is the plain one between the signed roots of features: measured on eight data sets, it finds pictures
    of other things as well as one that knows the covariance, which is not kept in a model.

    Attributes:
        means: (k, D) float32, the mean picture of each label.
        usual: Mean of the logarithm of a picture's squared distance from its label's mean.
        spread: Its standard deviation, above 0.
    """

    means: NDArray[np.float32]
    usual: float
    spread: float

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Maps features (n, D) to the share (n,) of pictures of the labels that are nearer to their label's mean.

        Below 0.95 a picture is like those that 19 in 20 training pictures are; near 1 it is like none of the labels.
        """
        rows = rooted(features)
        squares = np.sum(rows**2, axis=1)[:, None] - 2.0 * rows @ self.means.T + np.sum(self.means**2, axis=1)
        steps = (np.log(np.maximum(squares.min(axis=1), TINY)) - self.usual) / self.spread
        return np.array([0.5 * math.erfc(-step / math.sqrt(2.0)) for step in steps.tolist()])


def fit_novelty(support: Support, moments: Moments) -> Novelty:
    """Measures how far pictures lie from their labels' means.

    The logarithm of squared distances is taken to be normal. A picture has pulled its label's mean, of n pictures,
    towards itself: its squared distance is (n - 1) / n of that from the true mean, a fresh picture's (n + 1) / n.

    Args:
        support: Pictures of which each has one label, each label at least two.
        moments: Of all of them.
    """
    means = moments.sums / np.maximum(moments.members, 1)[:, None]
    fresh = (moments.pictures + 1.0) / np.maximum(moments.pictures - 1.0, 1.0)

    def logarithms(piece: Piece) -> NDArray[np.float64]:
        own = np.argmax(support.members(piece.pictures), axis=1)
        apart = piece.rows - means.astype(piece.rows.dtype)[own]
        squares = np.sum(np.square(apart, out=apart), axis=1, dtype=np.float64) * fresh[own]
        found: NDArray[np.float64] = np.log(np.maximum(squares, TINY))
        return found

    all_found = np.concatenate(list(worked_ahead(logarithms, support.pieces())))
    spread = float(np.std(all_found, ddof=1)) * math.sqrt(1.0 + 1.0 / len(all_found))
    return Novelty(support.means(moments), float(all_found.mean()), max(spread, LEAST_SPREAD))

"""Learns with views of the pictures and without, and keeps what answers pictures better that were left out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.calibrate import Softmax
from engine.learn.heads import CrossFit
from engine.learn.platt import Platt
from engine.learn.support import TINY
from engine.learn.views import Views


@dataclass(frozen=True, slots=True, eq=False)
class Trial[Calibration: (Softmax, Platt)]:
    """A fit and what it says of pictures that were left out.

    Attributes:
        fit: The fit.
        calibration: Of its scores.
    """

    fit: CrossFit
    calibration: Calibration

    @property
    def held_out(self) -> NDArray[np.float64]:
        """Confidences (n, k) in each picture, given by a rule that has not seen it."""
        return self.calibration.probabilities(self.fit.scores)

    def surprise(self) -> float:
        """How little was expected of what is true of left-out pictures: the mean of -log of its confidence."""
        truth = self.fit.support.members(np.arange(self.fit.support.count))
        said = np.where(truth, self.held_out, 1.0 - self.held_out)
        return float(-np.mean(np.log(np.maximum(said, TINY))))


def best_trial[Calibration: (Softmax, Platt)](
    attempt: Callable[[Views | None, Callable[[float], None]], Trial[Calibration]],
    views: Views | None,
    on_share: Callable[[float], None],
) -> Trial[Calibration]:
    """Returns the attempt that is surprised least; of equal ones, that with views.

    Args:
        attempt: Fits with views, or without; tells the share that is done, 0…1.
        views: None when there are none; there is then one attempt.
        on_share: Told the share of all that is done.
    """
    if views is None:
        return attempt(None, on_share)
    with_views = attempt(views, lambda share: on_share(share / 2))
    without = attempt(None, lambda share: on_share((1 + share) / 2))
    return min(with_views, without, key=Trial.surprise)

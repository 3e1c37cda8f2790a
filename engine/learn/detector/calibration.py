"""Confidences that mean precision: of boxes that are said with 0.8, four of five are right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.detector.boxes import Boxes, Detections, overlaps
from engine.learn.platt import logistic

RIGHT = 0.5  # overlap from which a found box is right
SHIFT_SPREAD = 0.7  # how far a label's log-odds are expected to lie from what all labels have in common
SLOPE, SLOPE_SPREAD, OFFSET_SPREAD = 1.0, 0.5, 3.0  # what is expected of the common curve
STEPS = 50

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curves:
    """A logistic curve a label over the log-odds of its share; all have one slope.

    Attributes:
        slope: Above 0.
        offsets: (k,).
    """

    slope: float
    offsets: Numbers

    def applied(self, found: Detections) -> Detections:
        """Replaces shares by confidences, and sorts anew."""
        confidences = logistic(self.slope * log_odds(found.confidences) + self.offsets[found.targets])
        order = np.argsort(-confidences, kind="stable")
        return Detections(found.corners[order], found.targets[order], confidences[order])


def log_odds(shares: Numbers) -> Numbers:
    """Returns log(p / (1 - p)), within ±12."""
    safe = np.clip(shares, 1e-6, 1 - 1e-6)
    result: Numbers = np.log(safe / (1 - safe)).clip(-12.0, 12.0)
    return result


def fit_curves(found: Sequence[Detections], truth: Sequence[Boxes], labels: int) -> Curves:
    """Fits curves to boxes that were found in pictures which the finder has not seen.

    All labels share a slope, and each has an offset near the common one: a normal prior of SHIFT_SPREAD, so that a
    label with few boxes keeps to what was learnt from all.

    Args:
        found: In each picture, with shares as confidences.
        truth: Of each picture.
        labels: How many there are.
    """
    right = np.concatenate([hits(one, other) for one, other in zip(found, truth, strict=True)])
    scores = log_odds(np.concatenate([one.confidences for one in found]))
    targets = np.concatenate([one.targets for one in found])
    slope, common, shifts = SLOPE, 0.0, np.zeros(labels)
    for _ in range(STEPS):  # Newton in slope and common offset, then in each label's shift
        likely = logistic(slope * scores + common + shifts[targets])
        off, curve = likely - right, likely * (1 - likely)
        pull = float(off @ scores) + (slope - SLOPE) / SLOPE_SPREAD**2
        push = float(off.sum()) + common / OFFSET_SPREAD**2
        first = float(curve @ scores**2) + SLOPE_SPREAD**-2
        second, mixed = float(curve.sum()) + OFFSET_SPREAD**-2, float(curve @ scores)
        area = first * second - mixed**2
        slope = max(slope - float(np.clip((second * pull - mixed * push) / area, -0.5, 0.5)), 0.1)
        common -= float(np.clip((first * push - mixed * pull) / area, -1.0, 1.0))
        likely = logistic(slope * scores + common + shifts[targets])
        pushes = np.bincount(targets, likely - right, minlength=labels) + shifts / SHIFT_SPREAD**2
        curves = np.bincount(targets, likely * (1 - likely), minlength=labels) + SHIFT_SPREAD**-2
        shifts -= np.clip(pushes / curves, -1.0, 1.0)
    return Curves(slope, common + shifts)


def hits(found: Detections, truth: Boxes) -> NDArray[np.bool_]:
    """Says which found boxes (m,) are right: of the label and place of a true box that no better one has taken."""
    shares = overlaps(found.corners, truth.corners)
    shares[found.targets[:, None] != truth.targets[None]] = 0.0
    right = np.zeros(len(found.targets), dtype=np.bool_)
    for number in np.flatnonzero(shares.max(axis=1, initial=0.0) >= RIGHT):
        best = int(np.argmax(shares[number]))
        if shares[number, best] >= RIGHT:
            right[number] = True
            shares[:, best] = 0.0
    return right

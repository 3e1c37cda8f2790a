"""Confidences of labels that are true or false each by itself: a logistic curve a label over out-of-fold scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SLOPE_SPREAD = 0.5  # how far a label's slope is expected to lie from the common one, as a share of it
OFFSET_SPREAD = 1.0  # how far a label's log-odds are expected to lie from those of its frequency
WIDE = 10.0  # the same for what all labels have in common, of which little is expected
FLATTEST = 0.05  # least slope of a label, as a share of the common one: a higher score is never less likely
STEPS = 60
LABELS_AT_ONCE = 64

Wide = NDArray[np.float64]
Members = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Platt:
    """Turns scores into independent confidences.

    Attributes:
        slopes: (k,) above 0.
        offsets: (k,).
    """

    slopes: Wide
    offsets: Wide

    def probabilities(self, scores: Wide) -> Wide:
        """Maps scores (n, k) to confidences (n, k), each in 0…1 by itself."""
        return logistic(scores * self.slopes + self.offsets)


def logistic(values: Wide) -> Wide:
    """Returns 1 / (1 + exp(-values)), without overflow."""
    raised = np.exp(-np.abs(values))
    result: Wide = np.where(values >= 0, 1.0, raised) / (1.0 + raised)
    return result


def fit_platt(scores: Wide, members: Members) -> Platt:
    """Fits a logistic curve a label to scores of pictures that were not trained on.

    With few pictures a label's curve stays near the one that all labels have in common (its slope) and near how
    frequent the label is (its offset): a normal prior around both. The targets are smoothed, so that a few pictures,
    all answered rightly, do not make the model certain. Source: Platt, Probabilistic Outputs for Support Vector
    Machines, 1999, for curve and smoothing.

    Args:
        scores: (n, k), higher for a truer label.
        members: (n, k) whether the picture has the label.
    """
    spread = float(np.std(scores)) or 1.0
    units, wanted, counts = scores / spread, smoothed(members), members.sum(axis=0)
    odds = np.log((counts + 1.0) / (len(members) - counts + 1.0))
    common, shift = _fit_curves(
        units.reshape(-1, 1), wanted.reshape(-1, 1), np.tile(odds, len(units))[:, None], Prior(1.0, WIDE, WIDE)
    )
    prior = Prior(float(common[0]), SLOPE_SPREAD * float(common[0]), OFFSET_SPREAD)
    offsets = odds + shift
    slopes = np.empty_like(offsets)
    for start in range(0, len(slopes), LABELS_AT_ONCE):
        part = slice(start, start + LABELS_AT_ONCE)
        slopes[part], moved = _fit_curves(units[:, part], wanted[:, part], offsets[part], prior)
        offsets[part] += moved
    return Platt(slopes / spread, offsets)


@dataclass(frozen=True, slots=True)
class Prior:
    """What is expected of curves before their pictures are seen: normal around a slope, and around no shift."""

    slope: float
    slope_spread: float
    shift_spread: float


def smoothed(members: Members) -> Wide:
    """Returns Platt's targets (n, k): (p + 1) / (p + 2) of p pictures that have the label, 1 / (q + 2) of q others."""
    have = members.sum(axis=0)
    lack = len(members) - have
    targets: Wide = np.where(members, (have + 1.0) / (have + 2.0), 1.0 / (lack + 2.0))
    return targets


def _fit_curves(scores: Wide, wanted: Wide, base: Wide, prior: Prior) -> tuple[Wide, Wide]:
    """Finds the likeliest slopes (k,) and shifts (k,) of logistic(slope · score + base + shift), by Newton's method.

    Args:
        scores: (n, k).
        wanted: (n, k) targets in 0…1.
        base: (k,) or (n, k) log-odds.
        prior: What is expected.
    """
    floor = FLATTEST * prior.slope
    slopes, shifts = np.full(scores.shape[1], prior.slope), np.zeros(scores.shape[1])
    for _ in range(STEPS):
        likely = logistic(scores * slopes + base + shifts)
        off, curve = likely - wanted, likely * (1.0 - likely)
        pull = np.sum(off * scores, axis=0) + (slopes - prior.slope) / prior.slope_spread**2
        push = np.sum(off, axis=0) + shifts / prior.shift_spread**2
        first = np.sum(curve * scores**2, axis=0) + prior.slope_spread**-2
        second = np.sum(curve, axis=0) + prior.shift_spread**-2
        held = (slopes <= floor) & (pull > 0)
        mixed = np.where(held, 0.0, np.sum(curve * scores, axis=0))
        pull = np.where(held, 0.0, pull)
        area = first * second - mixed**2
        turn, slide = (second * pull - mixed * push) / area, (first * push - mixed * pull) / area
        shorter = 1.0 / np.maximum(np.abs(turn) + np.abs(slide), 1.0)  # far from the best, a full step can overshoot
        slopes = np.maximum(slopes - shorter * turn, floor)
        shifts = shifts - shorter * slide
    return slopes, shifts

"""Confidences that mean what they say: a temperature fitted to out-of-fold scores of the training pictures."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.heads import Head

FOLDS = 10
FOLDS_OF_MANY, MANY = 5, 2000  # with many pictures fewer folds say as much in half the time
SMALLEST, LARGEST = -8.0, 8.0  # logarithms between which the temperature lies, relative to the scores' spread


@dataclass(frozen=True, slots=True)
class Softmax:
    """Turns scores into confidences of which exactly one label's is true.

    Attributes:
        temperature: Divides the scores; above 0.
    """

    temperature: float

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Maps scores (n, k) to probabilities (n, k) whose rows sum to 1."""
        return softmax(scores, self.temperature)


def softmax(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Maps scores (n, k) to probabilities (n, k) whose rows sum to 1."""
    scaled = scores / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return result


def stratified_folds(targets: NDArray[np.intp]) -> NDArray[np.intp]:
    """Deals the pictures of each label to folds in turn; returns the fold (n,) of each picture.

    A label with two or more pictures is never wholly in one fold. Each label goes on where the one before stopped, so
    that folds are equally large; up to ten pictures, each is a fold of its own.
    """
    count = FOLDS if len(targets) <= MANY else FOLDS_OF_MANY
    folds = np.empty(len(targets), dtype=np.intp)
    by_label = np.argsort(targets, kind="stable")
    folds[by_label] = np.arange(len(targets)) % count
    return folds


def out_of_fold_scores(
    head: Head,
    features: NDArray[np.float32],
    targets: NDArray[np.intp],
    classes: int,
    on_fold: Callable[[float], None],
) -> NDArray[np.float64]:
    """Scores every picture by a rule that has not seen it; returns (n, classes).

    Args:
        head: What is fitted.
        features: (n, D).
        targets: (n,) in 0…classes-1, each at least twice.
        classes: Number of labels.
        on_fold: Told the share of folds that are done.
    """
    folds = stratified_folds(targets)
    scores = np.empty((len(targets), classes))
    numbers = np.unique(folds)
    for done, number in enumerate(numbers, start=1):
        held_out = folds == number
        rule = head.fit(features[~held_out], targets[~held_out], classes)
        scores[held_out] = rule.scores(features[held_out])
        on_fold(done / len(numbers))
    return scores


def fit_temperature(scores: NDArray[np.float64], targets: NDArray[np.intp]) -> float:
    """Finds the temperature with the least cross-entropy on scores (n, k).

    The targets are smoothed as Platt (1999) does, so that a few pictures, all answered rightly, do not make the
    model certain.
    """
    count, classes = scores.shape
    spread = float(np.std(scores)) or 1.0
    wrong = 1.0 / (count + 2.0)
    smooth = np.full(scores.shape, wrong / max(classes - 1, 1))
    smooth[np.arange(count), targets] = 1.0 - wrong
    low, high = np.log(spread) + SMALLEST, np.log(spread) + LARGEST
    for _ in range(60):  # golden-section search of a function with one valley
        left, right = high - 0.618 * (high - low), low + 0.618 * (high - low)
        if _cross_entropy(scores, smooth, left) < _cross_entropy(scores, smooth, right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _cross_entropy(scores: NDArray[np.float64], wanted: NDArray[np.float64], log_temperature: float) -> float:
    scaled = scores / np.exp(log_temperature)
    scaled -= scaled.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return float(-np.mean(np.sum(wanted * (scaled - log_sum), axis=1)))

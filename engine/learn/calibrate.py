"""Confidences that mean what they say: a temperature fitted to out-of-fold scores of the training pictures."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.rows import PIECE

SMALLEST, LARGEST = -8.0, 8.0  # logarithms between which the temperature lies, relative to the scores' spread
USUAL, LOG_SPREAD = 0.2, 0.7  # temperature as a share of the scores' spread; how far its logarithm lies off, usually
GOLDEN, STEPS = (5**0.5 - 1) / 2, 30  # leaves a ten-thousandth of the temperature
MOST_ASKED = 20_000  # pictures; more say the same
WRONG = 0.5  # pictures that are taken to be answered wrongly, beside those that are there


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
    """Maps scores (n, k) to probabilities (n, k) whose rows sum to 1; takes no more memory than these."""
    result = np.empty(scores.shape)
    for start in range(0, len(scores), PIECE):
        piece = scores[start : start + PIECE] / temperature
        np.exp(piece - piece.max(axis=1, keepdims=True), out=piece)
        np.divide(piece, piece.sum(axis=1, keepdims=True), out=result[start : start + PIECE])
    return result


def fit_temperature(scores: NDArray[np.float64], targets: NDArray[np.intp]) -> float:
    """Finds the likeliest temperature, given scores (n, k) of pictures that were not trained on.

    With few pictures it stays near what is usual, USUAL times the spread of the scores: its logarithm has a normal
    prior, which pictures outweigh as they say more. Half a wrong picture is added to the others, so that a few, all
    answered rightly, do not make the model certain (Platt, 1999, adds a whole one, which is too many for labels that
    are told apart with ease). Source of prior and spread: eight data sets with two backbones, 2 to 20 pictures a label.
    """
    every = -(-len(scores) // MOST_ASKED)
    scores, targets = scores[::every], targets[::every]
    count, classes = scores.shape
    spread = float(np.std(scores - scores.mean(axis=1, keepdims=True))) or 1.0
    wrong = WRONG / (count + 2.0 * WRONG)
    wanted = np.full(scores.shape, wrong / max(classes - 1, 1))
    wanted[np.arange(count), targets] = 1.0 - wrong
    below = (scores - scores.max(axis=1, keepdims=True)) / spread
    hoped = float(np.sum(wanted * below))

    def unlikelihood(log_temperature: float) -> float:
        """Returns the cross-entropy over all pictures, and what the prior adds."""
        temperature = np.exp(log_temperature)
        prior = 0.5 * ((log_temperature - np.log(USUAL)) / LOG_SPREAD) ** 2
        return float(np.log(np.exp(below / temperature).sum(axis=1)).sum() - hoped / temperature + prior)

    return spread * float(np.exp(_lowest(unlikelihood, SMALLEST, LARGEST)))


def _lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Finds where a function with one valley is lowest, by golden-section search (Kiefer, 1953)."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    of_left, of_right = function(left), function(right)
    for _ in range(STEPS):
        if of_left < of_right:
            high, right, of_right = right, left, of_left
            left = high - GOLDEN * (high - low)
            of_left = function(left)
        else:
            low, left, of_left = left, right, of_right
            right = low + GOLDEN * (high - low)
            of_right = function(right)
    return (low + high) / 2

"""The figures of contract §2.3 for classification, as defined by microsoft/vision-evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ECE_BINS = 15
PIECE = 4096  # pictures whose scores are compared at a time

_EDGES = np.linspace(0, 1, ECE_BINS + 1)


@dataclass(frozen=True, slots=True)
class Performance:
    """How well a model did on some pictures; every figure lies in 0…1.

    Attributes:
        accuracy_top1: Share of pictures whose true label came first.
        accuracy_top5: Share of pictures whose true label was among the first five (or all, if fewer).
        average_precision: Average precision of each label that occurs in the truth, averaged.
        calibration_ece: Expected calibration error.
        per_label: Recall of each label of the model and of the truth; 0 where the truth has none.
    """

    accuracy_top1: float
    accuracy_top5: float
    average_precision: float
    calibration_ece: float
    per_label: dict[str, float]

    def as_wire(self) -> dict[str, object]:
        """Returns the contract's modelPerformance (contract §2.3)."""
        return {
            "accuracyTop1": self.accuracy_top1,
            "accuracyTop5": self.accuracy_top5,
            "averagePrecision": self.average_precision,
            "calibrationECE": self.calibration_ece,
            "tagPerformance": {label: {"accuracy": recall} for label, recall in self.per_label.items()},
        }


def measure(probabilities: NDArray[np.floating], labels: Sequence[str], truth: Sequence[str]) -> Performance:
    """Compares predicted probabilities with the true labels.

    Args:
        probabilities: (n, k), one row a picture.
        labels: The model's k labels, in the order of the columns.
        truth: The n true labels; one that the model lacks counts as wrong.

    Raises:
        ValueError: The shapes do not fit each other, a label is named twice, or there is no picture.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    if len(set(labels)) != len(labels):
        raise ValueError("a label is named twice; give each label once")
    if scores.shape != (len(truth), len(labels)):
        raise ValueError(f"probabilities have shape {scores.shape}; expected ({len(truth)}, {len(labels)})")
    if not truth:
        raise ValueError("there is no picture to measure on; give at least one")
    names, actual = _numbered(labels, truth)
    correct = np.argmax(scores, axis=1) == actual
    return Performance(
        accuracy_top1=float(np.mean(correct)),
        accuracy_top5=top_k_accuracy(scores, actual, 5),
        average_precision=_macro_average_precision(scores, actual, len(names)),
        calibration_ece=expected_calibration_error(np.max(scores, axis=1), correct),
        per_label=dict(zip(names, _recalls(correct, actual, len(names)), strict=True)),
    )


def top_k_accuracy(scores: NDArray[np.float64], targets: NDArray[np.intp], k: int) -> float:
    """Returns the share of rows of scores (n, classes) whose target is among the k highest; equals keep their order.

    A target that is no column is never among them.
    """
    classes, hits = scores.shape[1], 0
    for start in range(0, len(targets), PIECE):
        piece, wanted = scores[start : start + PIECE], targets[start : start + PIECE, None]
        own = np.take_along_axis(piece, np.minimum(wanted, classes - 1), axis=1)
        before = (piece > own) | ((piece == own) & (np.arange(classes) < wanted))
        hits += int(np.sum((np.sum(before, axis=1) < k) & (wanted[:, 0] < classes)))
    return hits / len(targets)


def average_precision(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Returns Σ (Rᵢ - Rᵢ₋₁) Pᵢ over the distinct scores, as sklearn's average_precision_score; needs one positive."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(positive[order])
    last_of_equals = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    precision = hits[last_of_equals] / (last_of_equals + 1)
    gained = np.diff(hits[last_of_equals], prepend=0)
    return float(np.sum(precision * gained) / hits[-1])


def expected_calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Returns Σ|correct - Σ confidence| / n over 15 equal, right-closed bins of the confidence in the first label."""
    bins = np.clip(np.searchsorted(_EDGES, confidence, side="left") - 1, 0, ECE_BINS - 1)
    gap = np.bincount(bins, weights=correct.astype(np.float64) - confidence, minlength=ECE_BINS)
    return float(np.sum(np.abs(gap)) / len(confidence))


def _numbered(labels: Sequence[str], truth: Sequence[str]) -> tuple[list[str], NDArray[np.intp]]:
    """Numbers the labels: the model's by their columns, then those that only the truth has; returns the truth's."""
    names = [*labels, *sorted(set(truth) - set(labels))]
    number = {name: position for position, name in enumerate(names)}
    return names, np.array([number[label] for label in truth], dtype=np.intp)


def _macro_average_precision(scores: NDArray[np.float64], actual: NDArray[np.intp], count: int) -> float:
    """Averages the average precision over the labels that occur in the truth; a label the model lacks has 0."""
    occurring = np.flatnonzero(np.bincount(actual, minlength=count))
    known = occurring[occurring < scores.shape[1]]
    return sum(average_precision(scores[:, label], actual == label) for label in known) / len(occurring)


def _recalls(correct: NDArray[np.bool_], actual: NDArray[np.intp], count: int) -> list[float]:
    right = np.bincount(actual, weights=correct, minlength=count)
    recalls: list[float] = (right / np.maximum(np.bincount(actual, minlength=count), 1)).tolist()
    return recalls

"""The figures of contract §2.3, carried over to pictures that have any number of labels: our extension."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.learn.metrics import PIECE, average_precision, expected_calibration_error

TRUE_FROM = 0.5  # a label is said to be true from this confidence on


@dataclass(frozen=True, slots=True)
class MultilabelPerformance:
    """How well a model did on some pictures; every figure lies in 0…1.

    Attributes:
        accuracy_top1: Share, of the pictures that have a label, whose most confident label is true.
        accuracy_top5: Share, of the same pictures, with a true label among the first five.
        average_precision: Average precision of each label that occurs in the truth, averaged.
        calibration_ece: Expected calibration error over the decisions on every label of every picture.
        recalls: Of each label of the model and of the truth: share of its pictures on which it was confident at least
            `TRUE_FROM`; 0 where the truth has none.
        average_precisions: Likewise, the average precision.
    """

    accuracy_top1: float
    accuracy_top5: float
    average_precision: float
    calibration_ece: float
    recalls: dict[str, float]
    average_precisions: dict[str, float]

    def as_wire(self) -> dict[str, object]:
        """Returns a modelPerformance with the contract's keys, all numbers (contract §2.3)."""
        return {
            "accuracyTop1": self.accuracy_top1,
            "accuracyTop5": self.accuracy_top5,
            "averagePrecision": self.average_precision,
            "calibrationECE": self.calibration_ece,
            "tagPerformance": {
                label: {"accuracy": recall, "averagePrecision": self.average_precisions[label]}
                for label, recall in self.recalls.items()
            },
        }


def measure_multilabel(
    confidences: NDArray[np.float64], labels: Sequence[str], truth: Sequence[Collection[str]]
) -> MultilabelPerformance:
    """Compares independent confidences with the true labels.

    Args:
        confidences: (n, k), one row a picture.
        labels: The model's k labels, in the order of the columns.
        truth: The labels of each picture, distinct; one that the model lacks is missed, and has average precision 0.

    Raises:
        ValueError: The shapes do not fit each other, a label is named twice, or there is no picture.
    """
    if len(set(labels)) != len(labels):
        raise ValueError("a label is named twice; give each label once")
    if confidences.shape != (len(truth), len(labels)):
        raise ValueError(f"confidences have shape {confidences.shape}; expected ({len(truth)}, {len(labels)})")
    if not truth:
        raise ValueError("there is no picture to measure on; give at least one")
    unknown = sorted({label for picture in truth for label in picture} - set(labels))
    members = memberships(truth, labels)
    counts = members.sum(axis=0)
    right = np.sum(members & (confidences >= TRUE_FROM), axis=0)
    precisions = {
        label: average_precision(confidences[:, column], members[:, column]) if counts[column] else 0.0
        for column, label in enumerate(labels)
    }
    occurring = [label for label, count in zip(labels, counts, strict=True) if count]
    first, among_five = _top_shares(confidences, members, truth)
    nothing = dict.fromkeys(unknown, 0.0)
    return MultilabelPerformance(
        accuracy_top1=first,
        accuracy_top5=among_five,
        average_precision=sum(precisions[label] for label in occurring) / max(len(occurring) + len(unknown), 1),
        calibration_ece=expected_calibration_error(confidences.ravel(), members.ravel()),
        recalls=dict(zip(labels, (right / np.maximum(counts, 1)).tolist(), strict=True)) | nothing,
        average_precisions=precisions | nothing,
    )


def memberships(truth: Sequence[Collection[str]], labels: Sequence[str]) -> NDArray[np.bool_]:
    """Returns (n, k) whether each of n pictures has each of k labels; labels beyond the k are left out."""
    column = {label: number for number, label in enumerate(labels)}
    members = np.zeros((len(truth), len(labels)), dtype=np.bool_)
    for row, picture in enumerate(truth):
        members[row, [column[label] for label in picture if label in column]] = True
    return members


def _top_shares(
    confidences: NDArray[np.float64], members: NDArray[np.bool_], truth: Sequence[Collection[str]]
) -> tuple[float, float]:
    """Returns the shares of labelled pictures with a true label first, and among the first five."""
    labelled = np.array([len(picture) > 0 for picture in truth])
    first, among_five = 0, 0
    for start in range(0, len(truth), PIECE):
        piece = slice(start, start + PIECE)
        order = np.argsort(-confidences[piece], axis=1, kind="stable")[:, :5]
        hits = np.take_along_axis(members[piece], order, axis=1)
        first += int(np.sum(hits[:, 0]))
        among_five += int(np.sum(hits.any(axis=1)))
    pictures = max(int(labelled.sum()), 1)
    return first / pictures, among_five / pictures

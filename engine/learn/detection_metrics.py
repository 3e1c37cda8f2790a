"""The figures of contract §2.3 for detection: what pycocotools would say, in NumPy alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = (0.3, 0.5, 0.75)
MAX_DETECTIONS = 300  # of a label in a picture; the most confident ones

_RECALLS = np.linspace(0.0, 1.0, 101)

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TrueBoxes:
    """The boxes that people drew into a picture.

    Attributes:
        boxes: (m, 4) left, top, width, height, in the unit of the found boxes.
        labels: m names.
        crowds: (m,) a box around many, which can be neither missed nor found: COCO's iscrowd.
    """

    boxes: Numbers
    labels: tuple[str, ...]
    crowds: Flags


@dataclass(frozen=True, slots=True)
class FoundBoxes:
    """The boxes that a model found in a picture.

    Attributes:
        boxes: (m, 4) left, top, width, height.
        labels: m names.
        confidences: (m,).
    """

    boxes: Numbers
    labels: tuple[str, ...]
    confidences: Numbers


@dataclass(frozen=True, slots=True)
class DetectionPerformance:
    """How well a model found boxes; every figure lies in 0…1.

    Attributes:
        mean_average_precision: By threshold of `THRESHOLDS`: average precision of the labels that have a true box,
            averaged; 0 if there is none.
        average_precision_50: Of each label that has a true box, at the threshold 0.5.
    """

    mean_average_precision: dict[float, float]
    average_precision_50: dict[str, float]

    def as_wire(self) -> dict[str, object]:
        """Returns the contract's modelPerformance (contract §2.3).

        `averagePrecision` is not defined there for detectors. It is the mean over the three thresholds, which is what
        the example of contract §2.2 shows: (0.93 + 0.88 + 0.61) / 3 = 0.81; pycocotools' mean over 0.5…0.95 is less
        than half of it at such figures.
        """
        means = self.mean_average_precision
        return {
            "averagePrecision": sum(means.values()) / len(means),
            **{f"meanAveragePrecision{round(100 * threshold)}": mean for threshold, mean in means.items()},
            "tagPerformance": {
                label: {"averagePrecision50": value} for label, value in self.average_precision_50.items()
            },
        }


def measure_detections(truth: Sequence[TrueBoxes], predictions: Sequence[FoundBoxes]) -> DetectionPerformance:
    """Compares found boxes with true ones, as pycocotools does with area "all" and maxDets 300.

    Args:
        truth: Of each picture.
        predictions: Of each picture, in the same order. A label that has no true box in any picture is left out.

    Raises:
        ValueError: There are not as many predictions as pictures, or none.
    """
    if not truth or len(truth) != len(predictions):
        raise ValueError(
            f"there are {len(truth)} pictures and {len(predictions)} predictions; give as many, at least 1"
        )
    counted, places = set[str](), dict[str, list[int]]()
    for place, (true, found) in enumerate(zip(truth, predictions, strict=True)):
        # COCO's rule: a label of which there are only crowds is not counted.
        counted |= {label for label, crowd in zip(true.labels, true.crowds.tolist(), strict=True) if not crowd}
        for label in {*true.labels, *found.labels}:
            places.setdefault(label, []).append(place)
    by_label = {
        label: _average_precisions([_only(label, truth[place], predictions[place]) for place in places[label]])
        for label in sorted(counted)
    }
    at = {threshold: position for position, threshold in enumerate(THRESHOLDS)}
    return DetectionPerformance(
        {
            threshold: sum(values[position] for values in by_label.values()) / max(len(by_label), 1)
            for threshold, position in at.items()
        },
        {label: values[at[0.5]] for label, values in by_label.items()},
    )


def overlaps(found: Numbers, true: Numbers, crowds: Flags) -> Numbers:
    """Returns intersection over union (n, m) of boxes (n, 4) and (m, 4); over a crowd, intersection over found."""
    corner = np.maximum(found[:, None, :2], true[None, :, :2])
    far = np.minimum(found[:, None, :2] + found[:, None, 2:], true[None, :, :2] + true[None, :, 2:])
    sides = np.maximum(far - corner, 0.0)
    shared = sides[..., 0] * sides[..., 1]
    area = (found[:, 2] * found[:, 3])[:, None]
    whole = np.where(crowds, area, area + true[:, 2] * true[:, 3] - shared)
    shares: Numbers = np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)
    return shares


def _average_precisions(pictures: Sequence[tuple[Numbers, Flags, Numbers, Numbers]]) -> list[float]:
    """Returns a label's average precision at each threshold from what `_only` gives of each picture."""
    confidences, hits, ignored, wanted = [], [], [], 0
    for true_boxes, crowds, found_boxes, scores in pictures:
        wanted += int(np.sum(~crowds))
        confidences.append(scores)
        shares = overlaps(found_boxes, true_boxes, crowds)
        matches = [_matched(shares, crowds, threshold) for threshold in THRESHOLDS]
        hits.append(np.stack([hit for hit, _ in matches]))
        ignored.append(np.stack([ignore for _, ignore in matches]))
    order = np.argsort(-np.concatenate(confidences), kind="stable")
    all_hits, all_ignored = np.concatenate(hits, axis=1)[:, order], np.concatenate(ignored, axis=1)[:, order]
    return [_interpolated(hit[~ignore], wanted) for hit, ignore in zip(all_hits, all_ignored, strict=True)]


def _only(label: str, true: TrueBoxes, found: FoundBoxes) -> tuple[Numbers, Flags, Numbers, Numbers]:
    """Returns true boxes, crowds, found boxes and confidences of one label, the most confident first."""
    ours = np.array([name == label for name in true.labels], dtype=np.bool_)
    theirs = np.array([name == label for name in found.labels], dtype=np.bool_)
    scores = found.confidences[theirs]
    order = np.argsort(-scores, kind="stable")[:MAX_DETECTIONS]
    boxes = found.boxes.reshape(-1, 4)[theirs][order]
    return true.boxes.reshape(-1, 4)[ours], true.crowds[ours], boxes, scores[order]


def _matched(overlap: Numbers, crowds: Flags, threshold: float) -> tuple[Flags, Flags]:
    """Gives each found box, in turn, the true box it overlaps most, if that is free and the overlap is enough.

    Args:
        overlap: (n, m), the most confident found box first.
        crowds: (m,).
        threshold: Least overlap.

    Returns:
        (n,) found a true box; (n,) found only a crowd, and counts neither as right nor as wrong.
    """
    hit, ignored = np.zeros(len(overlap), dtype=np.bool_), np.zeros(len(overlap), dtype=np.bool_)
    free = ~crowds
    for row, shares in enumerate(overlap):
        enough = shares >= threshold
        candidates = np.flatnonzero(enough & free)
        if len(candidates):
            best = candidates[len(candidates) - 1 - int(np.argmax(shares[candidates][::-1]))]  # of equals, the last
            free[best] = False
            hit[row] = True
        else:
            ignored[row] = bool(np.any(enough & crowds))
    return hit, ignored


def _interpolated(hits: Flags, wanted: int) -> float:
    """Averages over 101 recalls the best precision that is reached there or beyond.

    Args:
        hits: Whether each found box is right, the most confident first.
        wanted: How many true boxes there are, at least 1.
    """
    right = np.cumsum(hits, dtype=np.float64)
    precision = right / (np.arange(1, len(hits) + 1) + np.spacing(1.0))
    best_from_here = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    reached = np.searchsorted(right / wanted, _RECALLS, side="left")
    return float(np.mean(best_from_here[reached]))

"""Keeps one box of many that mean the same object, and lets the others vote on its place."""

import numpy as np
from numpy.typing import NDArray

from engine.learn.detector.boxes import Corners, overlaps

SAME = 0.35  # boxes of a label that overlap more mean one object
VOTING = 0.7  # boxes that overlap a kept one so much vote on its corners


def suppressed(corners: Corners, scores: NDArray[np.float64]) -> tuple[Corners, NDArray[np.intp]]:
    """Keeps the best boxes of one label.

    A kept box's corners become the average of those of all boxes that overlap it by VOTING, weighted by score.
    Source: Gidaris and Komodakis, Object detection via a multi-region and semantic segmentation-aware CNN model, 2015.

    Args:
        corners: (n, 4).
        scores: (n,) above 0.

    Returns:
        (m, 4) corners and (m,) which boxes were kept, the best first.
    """
    order = np.argsort(-scores, kind="stable")
    by_left = order[np.argsort(corners[order, 0], kind="stable")]
    boxes, weights = np.ascontiguousarray(corners[by_left]), scores[by_left]
    widest = float(np.max(boxes[:, 2] - boxes[:, 0], initial=0.0))
    starts = np.searchsorted(boxes[:, 0], boxes[:, 0] - widest)
    ends = np.searchsorted(boxes[:, 0], boxes[:, 2], side="right")
    free = np.ones(len(order), dtype=np.bool_)
    kept, which = [], []
    places = np.empty_like(order)
    places[by_left] = np.arange(len(order))
    for place in places[order].tolist():
        if free[place]:
            near = slice(starts[place], ends[place])  # those that can overlap it
            shares = overlaps(boxes[place : place + 1], boxes[near])[0]
            votes = np.where(shares >= VOTING, weights[near], 0.0)
            kept.append(votes @ boxes[near] / votes.sum())
            which.append(by_left[place])
            free[near] &= shares <= SAME
    return np.array(kept).reshape(-1, 4), np.array(which, dtype=np.intp)

"""Keeps one box of many that mean the same object, and lets the others vote on its place."""

import numpy as np
from numpy.typing import NDArray

from engine.learn.detector.boxes import Corners, overlaps

SAME = 0.35  # boxes of a label that overlap more mean one object
VOTING = 0.6  # boxes that overlap a kept one so much vote on its corners


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
    kept, places = [], []
    free = np.ones(len(order), dtype=np.bool_)
    ordered, weights = corners[order], scores[order]
    for position in range(len(order)):
        if not free[position]:
            continue
        shares = overlaps(ordered[position : position + 1], ordered)[0]
        voters = shares >= VOTING
        kept.append(np.average(ordered[voters], axis=0, weights=weights[voters]))
        places.append(order[position])
        free &= shares <= SAME
    return np.array(kept).reshape(-1, 4), np.array(places, dtype=np.intp)

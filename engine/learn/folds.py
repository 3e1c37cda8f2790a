"""Deals pictures to folds, each of which is left out once."""

import numpy as np
from numpy.typing import NDArray

FOLDS = 10
MANY, FOLDS_OF_MANY = 500, 5  # with many pictures fewer folds say as much in half the time
VERY_MANY, FOLDS_OF_VERY_MANY = 5000, 3


def fold_count(pictures: int) -> int:
    """Returns into how many folds so many pictures are dealt; up to ten, each is a fold of its own."""
    if pictures > VERY_MANY:
        return FOLDS_OF_VERY_MANY
    return FOLDS_OF_MANY if pictures > MANY else min(FOLDS, pictures)


def stratified_folds(targets: NDArray[np.intp]) -> NDArray[np.intp]:
    """Deals the pictures of each label to folds in turn; returns the fold (n,) of each picture.

    A label with two or more pictures is never wholly in one fold. Each label goes on where the one before stopped, so
    that folds are equally large.
    """
    folds = np.empty(len(targets), dtype=np.intp)
    by_label = np.argsort(targets, kind="stable")
    folds[by_label] = np.arange(len(targets)) % fold_count(len(targets))
    return folds


def multilabel_folds(members: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Deals pictures to folds so that each has its share of each label; returns the fold (n,) of each picture.

    The rarest label's pictures are dealt first, each to the fold with the least of its labels (as shares of their
    pictures), then the fewest pictures; pictures without a label come last. After Sechidis, Tsoumakas and Vlahavas, On
    the Stratification of Multi-Label Data, 2011.

    Args:
        members: (n, k) whether a picture has a label.
    """
    pictures, labels = members.shape
    count = fold_count(pictures)
    folds, sizes = np.full(pictures, -1, dtype=np.intp), np.zeros(count, dtype=np.intp)
    shares, frequency = np.zeros((count, labels)), members.sum(axis=0)
    for label in (*np.argsort(frequency, kind="stable").tolist(), None):
        waiting = folds < 0 if label is None else (folds < 0) & members[:, label]
        for picture in np.flatnonzero(waiting).tolist():
            own = np.flatnonzero(members[picture])
            fold = int(np.lexsort((sizes, shares[:, own].sum(axis=1)))[0])
            folds[picture] = fold
            sizes[fold] += 1
            shares[fold, own] += 1.0 / frequency[own]
    return folds

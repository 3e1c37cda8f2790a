"""Learns which labels a picture has when it can have any number: a calibrated linear classifier a label."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.learn.backbone import Backbone
from engine.learn.calibrate import FOLDS, FOLDS_OF_MANY, MANY
from engine.learn.classifier import Classifier, FittedClassifier, check_pictures
from engine.learn.multilabel_metrics import memberships
from engine.learn.onevsrest import OneVsRestHead
from engine.learn.platt import fit_platt


def fit_multilabel(
    features: NDArray[np.float32],
    truth: Sequence[Collection[str]],
    labels: Sequence[str],
    *,
    backbone: Backbone,
    on_progress: Callable[[str, float], None] | None = None,
) -> FittedClassifier:
    """Trains a multi-label classifier on all pictures; confidences come from cross-validation on the same pictures.

    Args:
        features: (n, D) as `backbone.embed` gives them.
        truth: The distinct labels of each picture; a picture without any is an example of none.
        labels: The k labels.
        backbone: Where the features come from.
        on_progress: Told the name of the step and its share done, 0…1.

    Raises:
        NotEnoughPicturesError: There are fewer than two labels, or a label has fewer than two pictures.
        ValueError: The features are not (n, D) finite numbers.
    """
    members = memberships(truth, labels)
    check_pictures(features, len(truth), members.sum(axis=0), labels, backbone)
    tell = on_progress or (lambda _step, _share: None)
    head, folds = OneVsRestHead(), deal_folds(members)
    scores, numbers = np.empty(members.shape), np.unique(folds)
    for done, number in enumerate(numbers, start=1):
        held_out = folds == number
        scores[held_out] = head.fit(features[~held_out], members[~held_out]).scores(features[held_out])
        tell("calibrate", done / len(numbers))
    calibration = fit_platt(scores, members)
    tell("fit", 0.0)
    rule = head.fit(features, members)
    tell("fit", 1.0)
    classifier = Classifier(tuple(labels), backbone.digest, head.name, rule, calibration)
    return FittedClassifier(classifier, calibration.probabilities(scores), truth)


def deal_folds(members: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Deals pictures to folds so that each has its share of each label; returns the fold (n,) of each picture.

    The rarest label's pictures are dealt first, each to the fold with the least of its labels (as shares of their
    pictures), then the fewest pictures; pictures without a label come last. After Sechidis, Tsoumakas and Vlahavas, On
    the Stratification of Multi-Label Data, 2011.

    Args:
        members: (n, k) whether a picture has a label.
    """
    pictures, labels = members.shape
    count = min(FOLDS if pictures <= MANY else FOLDS_OF_MANY, pictures)
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

"""Learns which labels a picture has when it can have any number: a calibrated linear classifier a label."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.learn.backbone import Backbone
from engine.learn.classifier import Classifier, FittedClassifier, check_pictures
from engine.learn.folds import multilabel_folds
from engine.learn.heads import cross_fit
from engine.learn.multilabel_metrics import memberships
from engine.learn.onevsrest import OneVsRestHead
from engine.learn.platt import Platt, fit_platt
from engine.learn.rows import Rows, as_rows
from engine.learn.support import Support
from engine.learn.trials import Trial, best_trial
from engine.learn.views import Views


def fit_multilabel(
    features: NDArray[np.float32] | Rows,
    truth: Sequence[Collection[str]],
    labels: Sequence[str],
    *,
    backbone: Backbone,
    views: Views | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> FittedClassifier:
    """Trains a multi-label classifier on all pictures; confidences come from cross-validation on the same pictures.

    Args:
        features: (n, D) as `backbone.embed` gives them.
        truth: The distinct labels of each picture; a picture without any is an example of none.
        labels: The k labels.
        backbone: Where the features come from.
        views: Further views of some pictures, learnt from if that helps; none without it.
        on_progress: Told the name of the step and its share done, 0…1.

    Raises:
        NotEnoughPicturesError: There are fewer than two labels, or a label has fewer than two pictures.
        ValueError: The features are not (n, D) finite numbers.
    """
    rows, members = as_rows(features), memberships(truth, labels)
    check_pictures(rows, len(truth), members.sum(axis=0), labels, backbone)
    tell = on_progress or (lambda _step, _share: None)
    head, folds = OneVsRestHead(), multilabel_folds(members)

    def attempt(tried: Views | None, on_share: Callable[[float], None]) -> Trial[Platt]:
        fit = cross_fit(head, Support(rows, members, len(labels), tried), folds, on_share)
        return Trial(fit, fit_platt(fit.scores, members))

    best = best_trial(attempt, views, lambda share: tell("calibrate", share))
    tell("fit", 1.0)
    classifier = Classifier(tuple(labels), backbone.digest, head.name, best.fit.rule, best.calibration)
    return FittedClassifier(classifier, best.held_out, truth)

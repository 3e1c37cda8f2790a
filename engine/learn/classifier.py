"""A fitted classifier: what it is made of, how it is trained, stored and read back."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.learn.backbone import Backbone
from engine.learn.calibrate import Softmax, fit_temperature
from engine.learn.classifierfile import MIN_LABELS, read_classifier_file, write_classifier_file
from engine.learn.errors import NotEnoughPicturesError
from engine.learn.folds import stratified_folds
from engine.learn.heads import HEADS, Head, LinearRule, cross_fit
from engine.learn.metrics import Performance, measure
from engine.learn.multilabel_metrics import MultilabelPerformance, measure_multilabel
from engine.learn.novelty import Novelty, fit_novelty
from engine.learn.platt import Platt
from engine.learn.rows import Rows, as_rows
from engine.learn.support import Support
from engine.learn.trials import Trial, best_trial
from engine.learn.views import Views

MIN_PICTURES = 2


@dataclass(frozen=True, slots=True)
class Classifier:
    """Tells labels from a backbone's features.

    Attributes:
        labels: The k labels, in the order of the columns of `predict`.
        backbone_digest: Digest of the backbone whose features it understands.
        head: Name of the head that made the rule, such as "lda".
        rule: Scores of the labels.
        calibration: Makes honest confidences of the scores; says whether one label is true or any number.
        novelty: Tells pictures that are like none of the labels; None of multi-label classifiers and older files.
    """

    labels: tuple[str, ...]
    backbone_digest: str
    head: str
    rule: LinearRule
    calibration: Softmax | Platt
    novelty: Novelty | None = None

    @property
    def multilabel(self) -> bool:
        """Whether any number of labels can be true of a picture, not exactly one."""
        return isinstance(self.calibration, Platt)

    def predict(self, features: NDArray[np.float32] | Rows) -> NDArray[np.float64]:
        """Maps features (n, D) to confidences (n, k) in 0…1; rows sum to 1 unless the classifier is multi-label.

        Raises:
            ValueError: The features are not of the width the classifier was trained on.
        """
        self._check(features.shape)
        return self.calibration.probabilities(self.rule.scores(features))

    def unknown(self, features: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """Maps features (n, D) to how sure it is (n,), 0…1, that a picture is like none of the labels; see `Novelty`.

        Returns:
            None when the classifier cannot tell.

        Raises:
            ValueError: As for `predict`.
        """
        self._check(features.shape)
        return None if self.novelty is None else self.novelty.scores(features)

    def _check(self, shape: tuple[int, ...]) -> None:
        width = len(self.rule.weights)
        if len(shape) != 2 or shape[1] != width:
            raise ValueError(
                f"features have shape {shape}, the classifier takes (n, {width}); "
                "make them with the backbone it was trained on"
            )

    def save(self, path: Path) -> None:
        """Writes the classifier as one file; equal classifiers make equal bytes."""
        facts: dict[str, object] = {
            "labels": list(self.labels),
            "backboneDigest": self.backbone_digest,
            "head": self.head,
        }
        arrays: dict[str, NDArray[np.floating]] = {"weights": self.rule.weights, "bias": self.rule.bias}
        if self.rule.centre is not None:
            arrays |= {"centre": self.rule.centre}
        match self.calibration:
            case Softmax(temperature):
                facts |= {"calibration": "softmax", "temperature": temperature}
            case Platt(slopes, offsets):
                facts |= {"calibration": "platt"}
                arrays |= {"slopes": slopes, "offsets": offsets}
        if self.novelty is not None:
            facts |= {"usualDistance": self.novelty.usual, "distanceSpread": self.novelty.spread}
            arrays |= {"means": self.novelty.means}
        write_classifier_file(path, facts, arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            ClassifierFileError: The file is missing, torn, of another schema, or inconsistent.
        """
        facts, arrays = read_classifier_file(path)
        rule = LinearRule(arrays["weights"], arrays["bias"], arrays.get("centre"))
        calibration = (
            Platt(arrays["slopes"], arrays["offsets"]) if "slopes" in arrays else Softmax(facts["temperature"])
        )
        novelty = (
            Novelty(arrays["means"], facts["usualDistance"], facts["distanceSpread"]) if "means" in arrays else None
        )
        return cls(tuple(facts["labels"]), facts["backboneDigest"], facts["head"], rule, calibration, novelty)


@dataclass(frozen=True, slots=True)
class FittedClassifier:
    """A classifier fitted on all n pictures, and what cross-validation says of it.

    Attributes:
        classifier: What predicts.
        held_out: (n, k) confidences in each picture, given by a rule that has not seen it.
        truth: The labels of each picture; exactly one unless the classifier is multi-label.
    """

    classifier: Classifier
    held_out: NDArray[np.float64]
    truth: Sequence[Collection[str]]

    def cross_validated(self) -> Performance | MultilabelPerformance:
        """Measures how well `held_out` does."""
        return measured(self.held_out, self.classifier.labels, self.truth, multilabel=self.classifier.multilabel)


def measured(
    confidences: NDArray[np.float64], labels: Sequence[str], truth: Sequence[Collection[str]], *, multilabel: bool
) -> Performance | MultilabelPerformance:
    """Compares confidences (n, k) in k labels with the labels of n pictures, as their kind asks.

    Raises:
        ValueError: As `measure` and `measure_multilabel` do.
    """
    if multilabel:
        return measure_multilabel(confidences, labels, truth)
    return measure(confidences, labels, [label for (label,) in truth])


def fit_classifier(
    features: NDArray[np.float32] | Rows,
    targets: NDArray[np.intp],
    labels: Sequence[str],
    *,
    backbone: Backbone,
    views: Views | None = None,
    head: Head | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> FittedClassifier:
    """Trains a classifier on all pictures; confidences come from cross-validation on the same pictures.

    Features are read two or three times, a piece at a time. Beside them memory takes 8 D² bytes for each of at most 5
    folds, 32 D² for each of at most 4 threads, and 16 n k for the confidences.

    Args:
        features: (n, D) as `backbone.embed` gives them.
        targets: (n,) numbers of labels, 0…k-1.
        labels: The k labels.
        backbone: Where the features come from.
        views: Further views of some pictures, learnt from if that helps; none without it.
        head: What is fitted; without it the backbone's own.
        on_progress: Told the name of the step and its share done, 0…1.

    Raises:
        NotEnoughPicturesError: There are fewer than two labels, or a label has fewer than two pictures.
        ValueError: The features are not (n, D) finite numbers.
    """
    rows = as_rows(features)
    check_pictures(rows, len(targets), np.bincount(targets, minlength=len(labels)), labels, backbone)
    tell = on_progress or (lambda _step, _share: None)
    chosen, folds = head or HEADS[backbone.default_head], stratified_folds(targets)

    def attempt(tried: Views | None, on_share: Callable[[float], None]) -> Trial[Softmax]:
        fit = cross_fit(chosen, Support(rows, targets, len(labels), tried), folds, on_share)
        return Trial(fit, Softmax(fit_temperature(fit.scores, targets)))

    best = best_trial(attempt, views, lambda share: tell("calibrate", share))
    novelty = fit_novelty(best.fit.support, best.fit.moments)
    tell("fit", 1.0)
    classifier = Classifier(tuple(labels), backbone.digest, chosen.name, best.fit.rule, best.calibration, novelty)
    return FittedClassifier(classifier, best.held_out, [(labels[target],) for target in targets])


def check_pictures(
    features: Rows, pictures: int, counts: NDArray[np.intp], labels: Sequence[str], backbone: Backbone
) -> None:
    """Refuses what cannot be learnt from.

    Args:
        features: (n, D).
        pictures: How many there should be.
        counts: (k,) pictures of each label.
        labels: The k labels.
        backbone: Where the features come from.

    Raises:
        NotEnoughPicturesError: There are fewer than two labels, or a label has fewer than two pictures.
        ValueError: The features are not (n, D).
    """
    if features.shape != (pictures, backbone.width):
        raise ValueError(f"features of shape {features.shape} are not ({pictures}, {backbone.width})")
    if len(labels) < MIN_LABELS:
        raise NotEnoughPicturesError(f"there are {len(labels)} labels; a classifier needs at least {MIN_LABELS}")
    for label, count in zip(labels, counts.tolist(), strict=True):
        if count < MIN_PICTURES:
            raise NotEnoughPicturesError(f"label {label!r} has {count} of {MIN_PICTURES} pictures; add some")

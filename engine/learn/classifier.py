"""A fitted classifier: what it is made of, how it is trained, stored and read back."""

import io
import json
import os
import zipfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.learn.backbone import Backbone
from engine.learn.calibrate import Softmax, fit_temperature, out_of_fold_scores
from engine.learn.errors import ClassifierFileError, NotEnoughPicturesError
from engine.learn.heads import HEADS, Head, LinearRule
from engine.learn.metrics import Performance, measure
from engine.learn.multilabel_metrics import MultilabelPerformance, measure_multilabel
from engine.learn.onevsrest import ONE_VS_REST
from engine.learn.platt import Platt

SCHEMA = 2
READABLE = (1, SCHEMA)  # 1: before there were labels that are true each by itself
MIN_LABELS = 2
MIN_PICTURES = 2
KNOWN_HEADS = (*HEADS, ONE_VS_REST)


@dataclass(frozen=True, slots=True)
class Classifier:
    """Tells labels from a backbone's features.

    Attributes:
        labels: The k labels, in the order of the columns of `predict`.
        backbone_digest: Digest of the backbone whose features it understands.
        head: Name of the head that made the rule, one of `HEADS`.
        rule: Scores of the labels.
        calibration: Makes honest confidences of the scores; says whether one label is true or any number.
    """

    labels: tuple[str, ...]
    backbone_digest: str
    head: str
    rule: LinearRule
    calibration: Softmax | Platt

    @property
    def multilabel(self) -> bool:
        """Whether any number of labels can be true of a picture, not exactly one."""
        return isinstance(self.calibration, Platt)

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Maps features (n, D) to confidences (n, k) in 0…1; rows sum to 1 unless the classifier is multi-label.

        Raises:
            ValueError: The features are not of the width the classifier was trained on.
        """
        if features.ndim != 2 or features.shape[1] != len(self.rule.centre):
            raise ValueError(
                f"features have shape {features.shape}, the classifier takes (n, {len(self.rule.centre)}); "
                "make them with the backbone it was trained on"
            )
        return self.calibration.probabilities(self.rule.scores(features))

    def save(self, path: Path) -> None:
        """Writes the classifier as one .npz without pickle; equal classifiers make equal bytes.

        A reader sees the old file or the new one, never a part.
        """
        facts: dict[str, object] = {
            "schema": SCHEMA,
            "labels": list(self.labels),
            "backboneDigest": self.backbone_digest,
            "head": self.head,
        }
        arrays = {"centre": self.rule.centre, "weights": self.rule.weights, "bias": self.rule.bias}
        match self.calibration:
            case Softmax(temperature):
                facts |= {"calibration": "softmax", "temperature": temperature}
            case Platt(slopes, offsets):
                facts |= {"calibration": "platt"}
                arrays |= {"slopes": slopes, "offsets": offsets}
        text = json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()
        buffer = io.BytesIO()
        # numpy dates its members 1980-01-01, so the bytes do not depend on the clock
        np.savez(buffer, allow_pickle=False, facts=np.frombuffer(text, dtype=np.uint8), **arrays)
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            file.write(buffer.getvalue())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            ClassifierFileError: The file is missing, torn, of another schema, or inconsistent.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                facts = json.loads(stored["facts"].tobytes())
                rule = LinearRule(stored["centre"], stored["weights"], stored["bias"])
                curves = Platt(stored["slopes"], stored["offsets"]) if "slopes" in stored else None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ClassifierFileError(f"classifier {path} cannot be read ({error}); train it again") from error
        if not isinstance(facts, dict) or facts.get("schema") not in READABLE:
            raise ClassifierFileError(f"classifier {path} is not of schema {SCHEMA}; train it again")
        fault = _fault(facts, rule, curves)
        if fault is not None:
            raise ClassifierFileError(f"classifier {path} is inconsistent: {fault}; train it again")
        calibration = curves or Softmax(float(facts["temperature"]))
        return cls(tuple(facts["labels"]), facts["backboneDigest"], facts["head"], rule, calibration)


def _fault(facts: dict[str, object], rule: LinearRule, curves: Platt | None) -> str | None:
    """Names the first thing that does not fit in a stored classifier."""
    labels, temperature = facts.get("labels"), facts.get("temperature")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return "its labels are not a list of names"
    if len(labels) < MIN_LABELS or len(set(labels)) != len(labels):
        return "its labels are fewer than two or not distinct"
    if not isinstance(facts.get("backboneDigest"), str) or facts.get("head") not in KNOWN_HEADS:
        return "its backbone or head is unknown"
    if facts.get("calibration", "softmax") != ("softmax" if curves is None else "platt"):
        return "its calibration is unknown or lacks its arrays"
    if curves is None and not (isinstance(temperature, float) and 0 < temperature < float("inf")):
        return "its temperature is not a positive number"
    width, classes = rule.centre.size, len(labels)
    arrays = {"centre": (rule.centre, (width,)), "weights": (rule.weights, (width, classes))}
    arrays["bias"] = (rule.bias, (classes,))
    if curves is not None:
        arrays |= {"slopes": (curves.slopes, (classes,)), "offsets": (curves.offsets, (classes,))}
    if any(array.shape != shape for array, shape in arrays.values()):
        return "its arrays do not fit its labels"
    if not all(array.dtype == np.float64 and bool(np.isfinite(array).all()) for array, _ in arrays.values()):
        return "its arrays are not finite numbers"
    return None


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
    features: NDArray[np.float32],
    targets: NDArray[np.intp],
    labels: Sequence[str],
    *,
    backbone: Backbone,
    head: Head | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> FittedClassifier:
    """Trains a classifier on all pictures; confidences come from cross-validation on the same pictures.

    Args:
        features: (n, D) as `backbone.embed` gives them.
        targets: (n,) numbers of labels, 0…k-1.
        labels: The k labels.
        backbone: Where the features come from.
        head: What is fitted; without it the backbone's own.
        on_progress: Told the name of the step and its share done, 0…1.

    Raises:
        NotEnoughPicturesError: There are fewer than two labels, or a label has fewer than two pictures.
        ValueError: The features are not (n, D) finite numbers.
    """
    check_pictures(features, len(targets), np.bincount(targets, minlength=len(labels)), labels, backbone)
    tell = on_progress or (lambda _step, _share: None)
    head = head or HEADS[backbone.default_head]
    scores = out_of_fold_scores(head, features, targets, len(labels), lambda share: tell("calibrate", share))
    calibration = Softmax(fit_temperature(scores, targets))
    tell("fit", 0.0)
    rule = head.fit(features, targets, len(labels))
    tell("fit", 1.0)
    classifier = Classifier(tuple(labels), backbone.digest, head.name, rule, calibration)
    return FittedClassifier(classifier, calibration.probabilities(scores), [(labels[target],) for target in targets])


def check_pictures(
    features: NDArray[np.float32], pictures: int, counts: NDArray[np.intp], labels: Sequence[str], backbone: Backbone
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
        ValueError: The features are not (n, D) finite numbers.
    """
    if features.shape != (pictures, backbone.width) or not np.isfinite(features).all():
        raise ValueError(f"features of shape {features.shape} are not ({pictures}, {backbone.width}) finite numbers")
    if len(labels) < MIN_LABELS:
        raise NotEnoughPicturesError(f"there are {len(labels)} labels; a classifier needs at least {MIN_LABELS}")
    for label, count in zip(labels, counts.tolist(), strict=True):
        if count < MIN_PICTURES:
            raise NotEnoughPicturesError(f"label {label!r} has {count} of {MIN_PICTURES} pictures; add some")

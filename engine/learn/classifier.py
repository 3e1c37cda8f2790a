"""A fitted classifier: what it is made of, how it is trained, stored and read back."""

import io
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.learn.backbone import Backbone
from engine.learn.calibrate import fit_temperature, out_of_fold_scores, softmax
from engine.learn.errors import ClassifierFileError, NotEnoughPicturesError
from engine.learn.heads import HEADS, Head, LinearRule
from engine.learn.metrics import Performance, measure

SCHEMA = 1
MIN_LABELS = 2
MIN_PICTURES = 2


@dataclass(frozen=True, slots=True)
class Classifier:
    """Tells labels from a backbone's features.

    Attributes:
        labels: The k labels, in the order of the columns of `predict`.
        backbone_digest: Digest of the backbone whose features it understands.
        head: Name of the head that made the rule, one of `HEADS`.
        rule: Scores of the labels.
        temperature: Divides the scores, so that confidences are honest.
    """

    labels: tuple[str, ...]
    backbone_digest: str
    head: str
    rule: LinearRule
    temperature: float

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Maps features (n, D) to probabilities (n, k) whose rows sum to 1.

        Raises:
            ValueError: The features are not of the width the classifier was trained on.
        """
        if features.ndim != 2 or features.shape[1] != len(self.rule.centre):
            raise ValueError(
                f"features have shape {features.shape}, the classifier takes (n, {len(self.rule.centre)}); "
                "make them with the backbone it was trained on"
            )
        return softmax(self.rule.scores(features), self.temperature)

    def save(self, path: Path) -> None:
        """Writes the classifier as one .npz without pickle; equal classifiers make equal bytes.

        A reader sees the old file or the new one, never a part.
        """
        facts = {
            "schema": SCHEMA,
            "labels": list(self.labels),
            "backboneDigest": self.backbone_digest,
            "head": self.head,
            "temperature": self.temperature,
        }
        text = json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()
        buffer = io.BytesIO()
        np.savez(  # numpy dates its members 1980-01-01, so the bytes do not depend on the clock
            buffer,
            allow_pickle=False,
            facts=np.frombuffer(text, dtype=np.uint8),
            centre=self.rule.centre,
            weights=self.rule.weights,
            bias=self.rule.bias,
        )
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
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ClassifierFileError(f"classifier {path} cannot be read ({error}); train it again") from error
        if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
            raise ClassifierFileError(f"classifier {path} is not of schema {SCHEMA}; train it again")
        fault = _fault(facts, rule)
        if fault is not None:
            raise ClassifierFileError(f"classifier {path} is inconsistent: {fault}; train it again")
        labels = tuple(facts["labels"])
        return cls(labels, facts["backboneDigest"], facts["head"], rule, float(facts["temperature"]))


def _fault(facts: dict[str, object], rule: LinearRule) -> str | None:
    """Names the first thing that does not fit in a stored classifier."""
    labels, temperature = facts.get("labels"), facts.get("temperature")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return "its labels are not a list of names"
    if len(labels) < MIN_LABELS or len(set(labels)) != len(labels):
        return "its labels are fewer than two or not distinct"
    if not isinstance(facts.get("backboneDigest"), str) or facts.get("head") not in HEADS:
        return "its backbone or head is unknown"
    if not isinstance(temperature, float) or not 0 < temperature < float("inf"):
        return "its temperature is not a positive number"
    width, classes = rule.centre.size, len(labels)
    if (rule.centre.shape, rule.weights.shape, rule.bias.shape) != ((width,), (width, classes), (classes,)):
        return "its arrays do not fit its labels"
    arrays = (rule.centre, rule.weights, rule.bias)
    if not all(array.dtype == np.float64 and bool(np.isfinite(array).all()) for array in arrays):
        return "its arrays are not finite numbers"
    return None


@dataclass(frozen=True, slots=True)
class FittedClassifier:
    """A classifier fitted on all pictures, and how well it did on pictures it had not seen in cross-validation."""

    classifier: Classifier
    cross_validated: Performance


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
    if features.shape != (len(targets), backbone.width) or not np.isfinite(features).all():
        raise ValueError(
            f"features of shape {features.shape} are not ({len(targets)}, {backbone.width}) finite numbers"
        )
    counts = np.bincount(targets, minlength=len(labels))
    if len(labels) < MIN_LABELS:
        raise NotEnoughPicturesError(f"there are {len(labels)} labels; a classifier needs at least {MIN_LABELS}")
    for label, count in zip(labels, counts, strict=True):
        if count < MIN_PICTURES:
            raise NotEnoughPicturesError(f"label {label!r} has {count} of {MIN_PICTURES} pictures; add some")
    tell = on_progress or (lambda _step, _share: None)
    head = head or HEADS[backbone.default_head]
    scores = out_of_fold_scores(head, features, targets, len(labels), lambda share: tell("calibrate", share))
    temperature = fit_temperature(scores, targets)
    tell("fit", 0.0)
    rule = head.fit(features, targets, len(labels))
    tell("fit", 1.0)
    classifier = Classifier(tuple(labels), backbone.digest, head.name, rule, temperature)
    truth = [labels[target] for target in targets]
    return FittedClassifier(classifier, measure(softmax(scores, temperature), labels, truth))

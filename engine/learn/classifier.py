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
from engine.learn.heads import HEADS, LinearRule
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
        head: Name of the head that made the rule.
        rule: Scores of the labels.
        temperature: Divides the scores, so that confidences are honest.
    """

    labels: tuple[str, ...]
    backbone_digest: str
    head: str
    rule: LinearRule
    temperature: float

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Maps features (n, D) to probabilities (n, k) whose rows sum to 1."""
        return softmax(self.rule.scores(features), self.temperature)

    def save(self, path: Path) -> None:
        """Writes the classifier as one .npz without pickle; equal classifiers make equal bytes.

        A reader sees the old file or the new one, never a part.
        """
        head = {
            "schema": SCHEMA,
            "labels": list(self.labels),
            "backboneDigest": self.backbone_digest,
            "head": self.head,
            "temperature": self.temperature,
        }
        text = json.dumps(head, sort_keys=True, ensure_ascii=False).encode()
        buffer = io.BytesIO()
        np.savez(  # numpy dates its members 1980-01-01, so the bytes do not depend on the clock
            buffer,
            allow_pickle=False,
            head=np.frombuffer(text, dtype=np.uint8),
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
            with np.load(path, allow_pickle=False) as stored:
                head = json.loads(stored["head"].tobytes())
                arrays = {name: stored[name] for name in ("centre", "weights", "bias")}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ClassifierFileError(f"classifier {path} cannot be read ({error}); train it again") from error
        if not isinstance(head, dict) or head.get("schema") != SCHEMA:
            raise ClassifierFileError(f"classifier {path} is not of schema {SCHEMA}; train it again")
        return cls(
            tuple(head["labels"]),
            head["backboneDigest"],
            head["head"],
            LinearRule(arrays["centre"], arrays["weights"], arrays["bias"]),
            head["temperature"],
        )


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
    on_progress: Callable[[str, float], None] | None = None,
) -> FittedClassifier:
    """Trains a classifier on all pictures; confidences come from cross-validation on the same pictures.

    Args:
        features: (n, D) as `backbone.embed` gives them.
        targets: (n,) numbers of labels, 0…k-1.
        labels: The k labels.
        backbone: Where the features come from; names the head.
        on_progress: Told the name of the step and its share done, 0…1.

    Raises:
        NotEnoughPicturesError: There are fewer than two labels, or a label has fewer than two pictures.
    """
    counts = np.bincount(targets, minlength=len(labels))
    if len(labels) < MIN_LABELS:
        raise NotEnoughPicturesError(f"there are {len(labels)} labels; a classifier needs at least {MIN_LABELS}")
    for label, count in zip(labels, counts, strict=True):
        if count < MIN_PICTURES:
            raise NotEnoughPicturesError(f"label {label!r} has {count} of {MIN_PICTURES} pictures; add some")
    tell = on_progress or (lambda _step, _share: None)
    head = HEADS[backbone.default_head]
    scores = out_of_fold_scores(head, features, targets, len(labels), lambda share: tell("calibrate", share))
    temperature = fit_temperature(scores, targets)
    tell("fit", 0.0)
    rule = head.fit(features, targets, len(labels))
    tell("fit", 1.0)
    classifier = Classifier(tuple(labels), backbone.digest, head.name, rule, temperature)
    truth = [labels[target] for target in targets]
    return FittedClassifier(classifier, measure(softmax(scores, temperature), labels, truth))

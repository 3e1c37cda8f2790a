"""What is said of a model's predictions for a data set: the contract's figures, and a report of where they are wrong.

The one place that knows what is measured for which kind of labels; for boxes it is `engine.boxjudgement`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.boxjudgement import MOST_MISTAKES, JudgedBoxes
from engine.features import EmbeddedSet
from engine.learn.classifier import measured
from engine.learn.multilabel_metrics import TRUE_FROM, memberships
from engine.learn.near_duplicates import NearDuplicate

MOST_PAIRS = 100


@dataclass(frozen=True, slots=True)
class Judged:
    """Predictions for pictures whose labels are known.

    Attributes:
        labels: The model's k labels.
        multilabel: Whether a picture has any number of labels, not exactly one.
        confidences: (n, k).
        pictures: The n pictures.
    """

    labels: tuple[str, ...]
    multilabel: bool
    confidences: NDArray[np.float64]
    pictures: EmbeddedSet

    def performance(self, kept: NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """Returns the contract's modelPerformance of all pictures, or of those that are `kept` (n,), at least one."""
        confidences, truth = self.confidences, self.pictures.labels
        if kept is not None:
            confidences = confidences[kept]
            truth = tuple(truth[number] for number in np.flatnonzero(kept).tolist())
        return measured(confidences, self.labels, truth, multilabel=self.multilabel).as_wire()

    def tables(self) -> dict[str, Any]:
        """Counts what was said of which label, and names the worst mistakes."""
        counts = _multilabel_tables(self) if self.multilabel else _confusion(self)
        return counts | {"worstMistakes": _missed_labels(self) if self.multilabel else _mistaken(self)}


def report_of(
    judged: Judged | JudgedBoxes, near: Sequence[NearDuplicate] | None, training_names: Sequence[str]
) -> dict[str, Any]:
    """Builds the report of an evaluation or a training.

    Args:
        judged: What the model said, of at least one picture.
        near: The test pictures that are near duplicates of training pictures; None when that is not known, or when the
            predictions come from cross-validation on the training pictures themselves.
        training_names: Of the training pictures of the first `MOST_PAIRS` of `near`.
    """
    body: dict[str, Any] = {"pictures": len(judged.pictures.labels), "labels": len(judged.labels)}
    body |= judged.tables()
    if near is not None:
        body["nearDuplicates"] = _near_duplicates(judged, near, training_names)
    return body


def _confusion(judged: Judged) -> dict[str, Any]:
    """Counts which label was taken for which; rows are the truth, in the order of `labels`."""
    truth = [label for (label,) in judged.pictures.labels]
    names = [*judged.labels, *sorted(set(truth) - set(judged.labels))]
    number = {name: position for position, name in enumerate(names)}
    actual = np.array([number[label] for label in truth], dtype=np.int64)
    cells = actual * len(names) + np.argmax(judged.confidences, axis=1)
    counts = np.bincount(cells, minlength=len(names) ** 2).reshape(len(names), len(names))
    right, pictures, predicted = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    return {
        "confusionMatrix": {"labels": names, "counts": counts.tolist()},
        "perLabel": _per_label(names, right, pictures, predicted),
    }


def _multilabel_tables(judged: Judged) -> dict[str, Any]:
    """Counts for each label by itself how often it was said and true: rows are the truth, no then yes, as columns."""
    members = memberships(judged.pictures.labels, judged.labels)
    said = judged.confidences >= TRUE_FROM
    both, true, positive = (members & said).sum(axis=0), members.sum(axis=0), said.sum(axis=0)
    total = len(members)
    lacking = sorted({label for picture in judged.pictures.labels for label in picture} - set(judged.labels))
    have = [sum(label in picture for picture in judged.pictures.labels) for label in lacking]
    names, nothing = [*judged.labels, *lacking], np.zeros(len(lacking), dtype=np.int64)
    both, true, positive = (
        np.append(both, nothing),
        np.append(true, have).astype(np.int64),
        np.append(positive, nothing),
    )
    rows = zip(names, both.tolist(), true.tolist(), positive.tolist(), strict=True)
    return {
        "labelCounts": {name: [[total - t - p + b, p - b], [t - b, b]] for name, b, t, p in rows},
        "perLabel": _per_label(names, both, true, positive),
    }


def _per_label(
    names: Sequence[str], right: NDArray[np.int64], pictures: NDArray[np.int64], predicted: NDArray[np.int64]
) -> dict[str, Any]:
    """Returns precision and recall of each label; 0 where nothing was predicted, or there is no picture."""
    precision, recall = right / np.maximum(predicted, 1), right / np.maximum(pictures, 1)
    columns = (precision.tolist(), recall.tolist(), pictures.tolist(), predicted.tolist())
    return {
        name: {"precision": p, "recall": r, "pictures": n, "predicted": said}
        for name, p, r, n, said in zip(names, *columns, strict=True)
    }


def _mistaken(judged: Judged) -> list[dict[str, Any]]:
    """Returns the pictures that got a wrong label, most confident first."""
    first = np.argmax(judged.confidences, axis=1)
    confidence = np.max(judged.confidences, axis=1)
    wrong = [
        number
        for number, ((truth,), column) in enumerate(zip(judged.pictures.labels, first.tolist(), strict=True))
        if judged.labels[column] != truth
    ]
    wrong.sort(key=lambda number: (-confidence[number], number))
    return [
        _picture(judged, number)
        | {
            "truth": judged.pictures.labels[number][0],
            "predicted": judged.labels[first[number]],
            "confidence": float(confidence[number]),
        }
        for number in wrong[:MOST_MISTAKES]
    ]


def _missed_labels(judged: Judged) -> list[dict[str, Any]]:
    """Returns the pictures with a wrong answer for a label, most confident first, each with its worst `label`.

    `confidence` is the model's in that answer: that the label is there, or that it is not.
    """
    members = memberships(judged.pictures.labels, judged.labels)
    said = judged.confidences >= TRUE_FROM
    wrong = np.where(said == members, 0.0, np.where(said, judged.confidences, 1.0 - judged.confidences))
    worst, label = wrong.max(axis=1), wrong.argmax(axis=1)
    order = sorted(np.flatnonzero(worst > 0).tolist(), key=lambda number: (-worst[number], number))
    return [
        _picture(judged, number)
        | {
            "truth": list(judged.pictures.labels[number]),
            "predicted": [judged.labels[column] for column in np.flatnonzero(said[number])],
            "label": judged.labels[label[number]],
            "confidence": float(worst[number]),
        }
        for number in order[:MOST_MISTAKES]
    ]


def _near_duplicates(
    judged: Judged | JudgedBoxes, near: Sequence[NearDuplicate], training_names: Sequence[str]
) -> dict[str, Any]:
    """Names the test pictures that were in training; `without` is the performance on the others, null if none is."""
    fresh = np.ones(len(judged.pictures.labels), dtype=np.bool_)
    fresh[[pair.test for pair in near]] = False
    named = zip(near[:MOST_PAIRS], training_names, strict=True)
    return {
        "pairs": [
            {"test": judged.pictures.names[pair.test], "training": name, "distance": pair.distance}
            for pair, name in named
        ],
        "count": len(near),
        "without": judged.performance(fresh) if fresh.any() else None,
    }


def _picture(judged: Judged, number: int) -> dict[str, Any]:
    return {"image": judged.pictures.names[number], "url": judged.pictures.urls[number]}

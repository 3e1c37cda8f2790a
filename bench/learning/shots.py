"""One cell of `fewshot`: a classifier learnt from a few pictures a label, several times over."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.learning.cells import Cell
from bench.learning.datasets import DataSet
from bench.learning.features import Example, Features, examples_of
from bench.learning.intervals import Estimate, over_draws, over_pictures
from bench.learning.references import logistic, logistic_standardised, nearest_mean
from engine.learn.classifier import Classifier, fit_classifier
from engine.learn.metrics import expected_calibration_error
from engine.learn.views import FEW, Views, are_few

TIMED = 5  # pictures that are answered with a clock running

REFERENCES = {
    "logistic_top1": logistic,
    "logistic_standardised_top1": logistic_standardised,
    "nearest_top1": nearest_mean,
}

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Embedded:
    """What can be drawn of a data set.

    Attributes:
        data: The data set.
        examples: Its n labelled pictures.
        features: (n, D) of one backbone.
        targets: (n,) numbers of labels.
        groups: (n,) the file that each is of.
        test: (n,) whether it is kept for scoring.
    """

    data: DataSet
    examples: list[Example]
    features: NDArray[np.float32]
    targets: Indices
    groups: NDArray[np.str_]
    test: NDArray[np.bool_]


def embedded(data: DataSet, features: Features) -> Embedded:
    """Embeds a data set, or reads its features where they are kept."""
    examples = examples_of(data)
    return Embedded(
        data,
        examples,
        features.of(examples),
        np.array([example.target for example in examples], dtype=np.intp),
        np.array([example.photo.digest for example in examples]),
        np.array([example.photo.test for example in examples], dtype=np.bool_),
    )


def drawn(known: Embedded, shots: int, seed: int) -> tuple[Indices, Indices] | None:
    """Draws pictures of each label to train on; returns their numbers and those of the pictures to score.

    With a split, all its test pictures are scored; without one, all that were not drawn nor come of the same file as
    one that was. What is drawn for few shots is a part of what is drawn for more. None if a label has too few pictures.
    """
    rng = np.random.default_rng((seed, len(known.targets)))
    support = []
    for number in range(len(known.data.labels)):
        order = rng.permutation(np.flatnonzero((known.targets == number) & ~known.test))
        if len(order) < shots:
            return None
        support.append(order[:shots])
    chosen = np.sort(np.concatenate(support))
    asked = known.test if known.data.split else ~np.isin(known.groups, known.groups[chosen])
    return (chosen, np.flatnonzero(asked)) if asked.any() else None


def measure_shots(known: Embedded, shots: int, seeds: range, features: Features) -> Cell | None:
    """Measures one cell; None when the data set has too few pictures for it.

    Args:
        known: The data set.
        shots: Pictures a label.
        seeds: Of the drawings.
        features: Where those of mirror images come from.
    """
    draws = [drawn(known, shots, seed) for seed in seeds]
    parts = [draw for draw in draws if draw is not None]
    if not parts:
        return None
    values: dict[str, list[float]] = {name: [] for name in ("top1", *REFERENCES, "ece")}
    pictures: dict[str, list[float]] = {name: [] for name in values}
    costs: list[tuple[float, float]] = []
    for support, asked in parts:
        classifier, seconds = _trained(known, support, features)
        rows, truth = known.features[asked], known.targets[asked]
        confidences = classifier.predict(rows)
        seen, targets = known.features[support], known.targets[support]
        answers = {"top1": np.argmax(confidences, axis=1)}
        answers |= {name: learn(seen, targets, rows) for name, learn in REFERENCES.items()}
        for name, given in answers.items():
            mean, half = balanced(given, truth)
            values[name].append(100 * mean)
            pictures[name].append(100 * half)
        right = answers["top1"] == truth
        values["ece"].append(expected_calibration_error(confidences.max(axis=1), right))
        pictures["ece"].append(0.0)
        costs.append((seconds, _milliseconds([known.examples[n] for n in asked[:TIMED]], features, classifier)))
    scores = {
        name: Estimate(float(np.mean(drawings)), over_draws(drawings), float(np.mean(pictures[name])))
        for name, drawings in values.items()
    }
    fit_seconds, predict_ms = np.mean(costs, axis=0).tolist()
    # a picture that is trained on, and each of its views, costs what a picture that is answered does
    embedded_pictures = len(parts[0][0]) * (2 if shots <= FEW else 1)
    train_seconds = fit_seconds + embedded_pictures * predict_ms / 1000
    shown = {"train_seconds": train_seconds, "fit_seconds": fit_seconds, "predict_ms": predict_ms}
    shown |= {"scored_pictures": float(np.mean([len(asked) for _, asked in parts]))}
    return Cell(known.data.name, f"{shots}shot", features.backbone.name, scores, shown, values)


def balanced(answers: Indices, truth: Indices) -> tuple[float, float]:
    """Returns the mean recall of the labels that occur in the truth (n,), and half its interval, both 0…1."""
    counts = np.bincount(truth)
    right = np.bincount(truth[answers == truth], minlength=len(counts))
    scored = counts > 0
    recalls = right[scored] / counts[scored]
    return float(recalls.mean()), over_pictures(recalls, counts[scored])


def _trained(known: Embedded, support: Indices, features: Features) -> tuple[Classifier, float]:
    """Trains as the engine does; returns the classifier and the seconds of its fit."""
    targets, labels = known.targets[support], known.data.labels
    views = None
    if are_few([(labels[target],) for target in targets.tolist()]):
        mirrored = features.of([known.examples[n] for n in support.tolist()], mirrored=True)
        views = Views(mirrored, np.arange(len(support)))
    began = time.process_time()
    fitted = fit_classifier(known.features[support], targets, labels, backbone=features.backbone, views=views)
    return fitted.classifier, time.process_time() - began


def _milliseconds(examples: Sequence[Example], features: Features, classifier: Classifier) -> float:
    """Returns what one picture takes on average, from its bytes to confidences."""
    began = time.process_time()
    for example in examples:
        classifier.predict(features.backbone.embed(example.pixels())[None])
    return 1000 * (time.process_time() - began) / len(examples)

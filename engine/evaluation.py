"""Measures a trained model on a test data set, and keeps what it said of each picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.artifacts import classifier_path, flush, report_path
from engine.errors import JobError
from engine.features import EmbeddedSet
from engine.judgement import MOST_PAIRS, Judged, report_of
from engine.learn.backbone import Backbone
from engine.learn.classifier import Classifier
from engine.learn.errors import ClassifierFileError
from engine.learn.near_duplicates import NearDuplicate, find_near_duplicates
from engine.messages import Done, EvaluateRequest, Progress, Report
from engine.predictions import write_predictions
from engine.reading import DatasetReader
from engine.trainingpictures import fingerprints_of, read_fingerprints, read_training_names


def evaluate(task: EvaluateRequest, backbone: Backbone, reader: DatasetReader, report: Report) -> Done:
    """Loads the model of `task`, measures it, and leaves what it said in `task.output`.

    Raises:
        JobError: The model or the data set cannot be used.
    """
    try:
        classifier = Classifier.load(classifier_path(Path(task.model)))
    except ClassifierFileError as exc:
        message = f"The files of model '{task.model_name}' cannot be read. Train it again under a new name."
        raise JobError("unknown", message) from exc
    if classifier.backbone_digest != backbone.digest:
        raise JobError(
            "incorrectModelKind",
            f"Model '{task.model_name}' was trained with another backbone ({classifier.backbone_digest[:12]}) than "
            f"the engine has now ({backbone.name}, {backbone.digest[:12]}). "
            "Train it again, or start the engine with its backbone.",
        )
    test = reader.read(task.test, "test")
    report(Progress("measure_performance", 0.0))
    output = Path(task.output)
    output.mkdir(parents=True)
    said = judged(classifier, test, classifier.predict(test.features))
    write_predictions(output, said.labels, said.confidences, test, multilabel=said.multilabel)
    performance = judge(said, model=Path(task.model), output=output)
    flush(output)
    return Done(performance)


def judge(said: Judged, *, model: Path, output: Path) -> dict[str, Any]:
    """Compares what a model said of a test set with its labels, and keeps the report.

    Args:
        said: Of at least one picture.
        model: Folder of the model, with its training pictures if it knows them.
        output: Folder that takes the report.

    Returns:
        The contract's modelPerformance.
    """
    prints = read_fingerprints(model)
    near = None if prints is None else find_near_duplicates(fingerprints_of(said.pictures), prints)
    names = read_training_names(model, [pair.training for pair in (near or [])[:MOST_PAIRS]])
    return keep_report(output, said, near, names)


def judged(classifier: Classifier, pictures: EmbeddedSet, confidences: NDArray[np.float64]) -> Judged:
    """Puts a classifier's confidences (n, k) beside the n pictures they are about."""
    return Judged(classifier.labels, classifier.multilabel, confidences, pictures)


def keep_report(
    output: Path, said: Judged, near: Sequence[NearDuplicate] | None, training_names: Sequence[str]
) -> dict[str, Any]:
    """Writes the report into a folder, and returns the contract's modelPerformance."""
    report = report_of(said, near, training_names)
    report_path(output).write_bytes(msgspec.json.encode(report, order="sorted") + b"\n")
    return said.performance()
